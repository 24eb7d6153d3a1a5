"""A node that starts by itself answers questions while it still loads its network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_world import World, ask
from rcl_interfaces.srv import GetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from pstmo_core.runtime import load_runtime
from pstmo_ros import lifter_node
from pstmo_ros.lifecycle_process import start
from pstmo_ros.lifter_node import LifterNode


class Loading(World):
    """A lifter that starts in a thread of its own and whose network is loaded when `go` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.go, self.loads = threading.Event(), 0
        monkeypatch.setattr(lifter_node, "load_runtime", self._load)
        self.lifter: LifterNode = self.take_in(LifterNode(), spin=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.lifter)
        self._worker = ThreadPoolExecutor(1)
        self.started: Future[bool] = self._worker.submit(start, self.lifter, self._executor)

    def _load(self, *given: Any) -> Any:
        self.loads += 1
        assert self.go.wait(60.0)
        return load_runtime(*given)

    def question(self, kind: Any, service: str, request: Any) -> Any:
        client = self.create_client(kind, f"lifter/{service}")
        return ask(client, request, lambda: self.spin_for(0.02))

    def close(self) -> None:
        self.go.set()
        self._worker.shutdown()
        self._executor.shutdown()
        super().close()


@pytest.fixture
def loading(ros: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loading]:
    world = Loading(monkeypatch)
    yield world
    world.close()


def test_a_lifter_answers_while_it_loads_its_network(loading: Loading) -> None:
    """Building an engine takes minutes, and on a busy machine even the imports take seconds."""
    loading.spin_until(lambda: loading.loads == 1)
    named = GetParameters.Request(names=["flip"])
    answer = loading.question(GetParameters, "get_parameters", named)
    assert len(answer.values) == 1
    state = loading.question(GetState, "get_state", GetState.Request())
    assert state.current_state.label == "unconfigured"
    assert not loading.started.done()
    loading.go.set()
    assert loading.started.result(60.0)
    assert loading.lifter._state_machine.current_state[1] == "active"
    assert loading.loads == 1


def test_a_transition_that_somebody_asks_for_meanwhile_counts(loading: Loading) -> None:
    loading.spin_until(lambda: loading.loads == 1)
    client = loading.create_client(ChangeState, "lifter/change_state")
    loading.spin_until(client.service_is_ready)
    configure = Transition(id=Transition.TRANSITION_CONFIGURE)
    answer = client.call_async(ChangeState.Request(transition=configure))
    loading.spin_until(lambda: loading.loads == 2)
    loading.go.set()
    loading.spin_until(answer.done)
    assert answer.result().success
    assert loading.started.result(60.0)
    assert loading.lifter._state_machine.current_state[1] == "inactive"


def test_parameters_that_are_set_meanwhile_count(loading: Loading) -> None:
    loading.spin_until(lambda: loading.loads == 1)
    [result] = loading.lifter.set_parameters([Parameter("threads", value=2)])
    assert result.successful
    loading.go.set()
    assert loading.started.result(60.0)
    assert loading.loads == 2
    assert "2 thread(s)" in loading.lifter._runtime.describe()
