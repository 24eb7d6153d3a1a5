"""A node that stands for the world around the nodes under test, in one executor with them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest
from rcl_interfaces.msg import Log
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile


class World(Node):
    """Speaks to the nodes under test and hears them; nothing happens but while it spins."""

    def __init__(self, name: str = "world", namespace: str = "") -> None:
        super().__init__(name, namespace=namespace)
        self.heard: dict[str, list[Any]] = {}
        """What came on each topic that is listened to."""
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)
        self._others: list[Node] = []

    def take_in(self, node: Any, spin: bool = True) -> Any:
        """Spin a node from now on, unless it spins itself; it ends with this world."""
        self._others.append(node)
        if spin:
            self._spinner.add_node(node)
        return node

    def listen(self, kind: type, topic: str, qos: QoSProfile | int = 100) -> list[Any]:
        """Return the list that fills with a topic's messages."""
        heard = self.heard[topic] = []
        self.create_subscription(kind, topic, heard.append, qos)
        return heard

    def listen_to_logs(self) -> list[str]:
        """Return the list that fills with what nodes log from now on, and have logged.

        To look for a line again and again with capfd loses lines: those that are written while it
        empties its file.
        """
        said: list[str] = []
        latched = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(Log, "/rosout", lambda log: said.append(log.msg), latched)
        return said

    def spin_until(self, holds: Callable[[], Any], seconds: float = 60.0) -> None:
        """Spin until something holds, at most so long: on a busy machine nodes take their time."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not happen in time"
            self._spinner.spin_once(timeout_sec=0.02)

    def spin_for(self, seconds: float) -> None:
        """Spin for a time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._spinner.spin_once(timeout_sec=0.01)

    def close(self) -> None:
        """End everything."""
        self._spinner.shutdown()
        for node in self._others:
            node.destroy_node()
        self.destroy_node()


AnyWorld = TypeVar("AnyWorld", bound=World)


def overrides(given: dict[str, Any]) -> list[Parameter]:
    """Return parameters as nodes take them."""
    return [Parameter(name, value=value) for name, value in given.items()]


def worlds(kind: type[AnyWorld]) -> Any:
    """Return a fixture that makes worlds of a kind, and closes them after the test."""

    @pytest.fixture
    def world(ros: None) -> Iterator[Callable[..., AnyWorld]]:
        made: list[AnyWorld] = []

        def make(*args: Any, **options: Any) -> AnyWorld:
            made.append(kind(*args, **options))
            return made[-1]

        yield make
        while made:  # the test's arguments hold this list until all has been taken down
            made.pop(0).close()

    return world


def ask(client: Any, request: Any, spin: Callable[[], object], seconds: float = 20.0) -> Any:
    """Return a service's answer; a question that is not answered within 2 s is asked again.

    A first question may be lost while the two are still finding each other. For questions only:
    what changes something might be done twice.

    Args:
        client: of the service, which need not be there yet.
        request: the question.
        spin: serves the client's node for a moment.
        seconds: within which the answer has to come.
    """
    deadline = time.monotonic() + seconds
    futures: list[Any] = []
    asked = -math.inf
    while not (done := [future for future in futures if future.done()]):
        assert time.monotonic() < deadline, f"{client.srv_name} did not answer"
        if time.monotonic() - asked > 2.0 and client.service_is_ready():
            asked = time.monotonic()
            futures.append(client.call_async(request))
        spin()
    for future in futures:
        client.remove_pending_request(future)
    return done[0].result()
