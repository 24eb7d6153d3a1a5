"""The lifter node over DDS, driven frame by frame from this process."""

from __future__ import annotations

import dataclasses
import gc
import signal
import subprocess
import sys
import weakref
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from diagnostic_msgs.msg import DiagnosticArray
from lifter_world import LifterWorld
from node_world import World, worlds
from rclpy.duration import Duration
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from visualization_msgs.msg import Marker, MarkerArray

from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_core.model.trained_on import TrainedOn
from pstmo_core.runtime import Runtime, shipped_model
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip
from pstmo_ros import shared_names
from pstmo_ros.conversions import joints_of, keypoints_message, stamp_ns
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.msg import People2D, Person2D, SkeletonLayout, Skeletons3D

DONE, REFUSED = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
BASE = 1_700_000_000_000_000_000
"""Stamps far from this machine's clock, as those of an old recording."""
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Room(LifterWorld):
    """A lifter, and everybody who speaks to it and hears it."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__(**parameters)
        self.markers: list[Marker] = []
        self.layouts: list[SkeletonLayout] = []
        self.create_subscription(
            MarkerArray, "skeleton_markers", lambda m: self.markers.extend(m.markers), 100
        )

    def start(self) -> None:
        super().start()
        self.spin_until(lambda: self.count_publishers("skeleton_markers") == 1)

    def send(self, message: People2D, answers: int) -> None:
        """Publish keypoints and wait for so many more skeleton messages."""
        expected = len(self.skeletons) + answers
        handled = self.lifter.drops.counts.total()
        self.keypoints.publish(message)
        self.spin_until(
            lambda: (
                len(self.skeletons) >= expected
                and (answers > 0 or self.lifter.drops.counts.total() > handled)
            )
        )

    def listen_late(self) -> None:
        self.create_subscription(SkeletonLayout, "skeleton_layout", self.layouts.append, LATCHED)


world = worlds(Room)


@pytest.fixture(scope="module")
def clip() -> Clip:
    whole = load_clip(sample_path())
    assert whole.truth is not None
    return dataclasses.replace(
        whole,
        keypoints=whole.keypoints[:60],
        scores=whole.scores[:60],
        stamps=whole.stamps[:60],
        truth=whole.truth[:60],
    )


def frame(clip: Clip, index: int) -> People2D:
    return keypoints_message(clip, index, BASE + int(clip.stamps[index]), "camera")


def test_the_node_and_the_offline_command_give_the_same_bits(
    world: Callable[..., Room], clip: Clip, shipped: Runtime
) -> None:
    offline = lift_clip(clip, shipped, StreamConfig(), at_once=1)
    here = world()
    here.start()
    for index in range(len(clip)):
        here.send(frame(clip, index), answers=1)
    for index, message in enumerate(here.skeletons):
        assert stamp_ns(message.header.stamp) == BASE + int(clip.stamps[index])
        assert stamp_ns(message.newest_stamp) == stamp_ns(message.header.stamp)
        assert message.header.frame_id == "camera"
        rows = [clip.ids.index(skeleton.id) for skeleton in message.people]
        assert rows
        for row, skeleton in zip(rows, message.people, strict=True):
            np.testing.assert_array_equal(joints_of(skeleton), offline.joints[index, row])
            np.testing.assert_array_equal(skeleton.confidence, offline.confidence[index, row])
            assert skeleton.observed == offline.observed[index, row]


def test_with_look_ahead_too_and_silence_answers_what_waits(
    world: Callable[..., Room], clip: Clip, shipped: Runtime
) -> None:
    # Nobody leaves while the machine is busy with something else between two frames.
    given: dict[str, Any] = {"look_ahead": 5, "expire": 3.0}
    offline = lift_clip(clip, shipped, StreamConfig(**given), at_once=1)
    here = world(**given)
    here.start()
    for index in range(len(clip)):
        here.keypoints.publish(frame(clip, index))
        here.spin_for(0.005)
    here.spin_until(lambda: bool(here.skeletons) and not here.skeletons[-1].people)
    answered = [message for message in here.skeletons if message.people]
    assert len(answered) == len(clip)
    for index, message in enumerate(answered):
        assert stamp_ns(message.newest_stamp) >= stamp_ns(message.header.stamp)
        for skeleton in message.people:
            row = clip.ids.index(skeleton.id)
            np.testing.assert_array_equal(joints_of(skeleton), offline.joints[index, row])


def changed(message: People2D, **fields: Any) -> People2D:
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def with_points(message: People2D, points: array[float]) -> People2D:
    message.people = [Person2D(id="bad", points=points)]
    return message


def test_bad_messages_are_counted_and_good_ones_between_them_answered(
    world: Callable[..., Room], clip: Clip, capfd: pytest.CaptureFixture[str]
) -> None:
    here = world()
    here.start()
    good = iter(range(len(clip)))
    values = 2 * clip.keypoints.shape[2]
    bad = [
        (changed(frame(clip, 0), layout="coco"), "layout"),
        (changed(frame(clip, 0), width=0), "image_size"),
        (with_points(frame(clip, 0), array("f", [1.0] * 3)), "points"),
    ]
    for message, reason in bad:
        here.send(frame(clip, next(good)), answers=1)
        here.send(message, answers=0)
        assert here.lifter.drops.counts[reason] == 1
    for odd in (float("nan"), float("inf")):
        message = with_points(frame(clip, next(good)), array("f", [odd] * values))
        here.send(message, answers=1)  # a person without any known point is carried on, unseen
        assert all(not any(person.confidence) for person in here.skeletons[-1].people)
    assert here.lifter.drops.counts["too_few_joints"] == 2
    half_bad = frame(clip, next(good))
    expected = {person.id for person in half_bad.people}
    half_bad.people.append(Person2D(id="bad", points=array("f", [1.0])))
    here.send(half_bad, answers=1)
    assert {skeleton.id for skeleton in here.skeletons[-1].people} == expected
    assert not any(np.isinf(s.joints).any() for m in here.skeletons for s in m.people)
    log = capfd.readouterr().err
    assert "the image size is 0 x" in log
    assert "coco17" in log


def test_markers_are_deleted_when_people_leave_and_when_the_node_is_deactivated(
    world: Callable[..., Room], clip: Clip
) -> None:
    def left() -> set[tuple[str, int]]:
        standing: set[tuple[str, int]] = set()
        for marker in here.markers:
            change = standing.add if marker.action == Marker.ADD else standing.discard
            change((marker.ns, marker.id))
        return standing

    here = world(expire=0.3)
    here.start()
    here.send(frame(clip, 0), answers=1)
    here.spin_until(lambda: bool(left()))
    assert {name for name, _ in left()} == {person.id for person in frame(clip, 0).people}
    here.spin_until(lambda: not left())
    assert not here.skeletons[-1].people

    here.send(frame(clip, 30), answers=1)
    here.spin_until(lambda: bool(left()))
    here.lifter.trigger_deactivate()
    here.spin_until(lambda: not left())


def test_clean_up_gives_the_network_back_at_once(world: Callable[..., Room], clip: Clip) -> None:
    """A second one beside it would take tens of MB that the allocator then holds on to."""
    here = world()
    here.start()
    here.send(frame(clip, 0), answers=1)
    network = weakref.ref(here.lifter._runtime._runtime)
    gc.disable()
    try:
        here.lifter.trigger_deactivate()
        here.spin_for(0.1)  # the executor lets go of what it served last
        here.lifter.trigger_cleanup()
        assert network() is None
    finally:
        gc.enable()


def test_a_second_lifter_on_the_same_topic_is_said_once_if_it_stays(
    world: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was left running, for instance; a killed one is seen for some seconds."""
    monkeypatch.setattr(shared_names, "PATIENCE", 1.0)
    here = world()
    said, told = here.listen_to_logs(), here.listen(DiagnosticArray, "/diagnostics")
    here.start()
    other = here.create_publisher(Skeletons3D, "skeletons", 1)
    words = "other nodes publish on /skeletons, too"
    here.spin_until(lambda: any(words in s.message for m in told for s in m.status))
    here.spin_for(0.5)
    assert sum(words in line for line in said) == 1
    here.destroy_publisher(other)
    here.spin_until(lambda: not any(words in s.message for s in told[-1].status))


def test_a_second_lifter_of_the_same_name_is_said_once_if_it_stays(
    world: Callable[..., Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_names, "PATIENCE", 1.0)
    here = world()
    said, told = here.listen_to_logs(), here.listen(DiagnosticArray, "/diagnostics")
    here.start()
    other = Node("lifter")
    words = "another node is called /lifter, too"
    here.spin_until(lambda: any(words in s.message for m in told for s in m.status))
    here.spin_for(0.5)
    assert sum(words in line for line in said) == 1
    other.destroy_node()
    here.spin_until(lambda: not any(words in s.message for s in told[-1].status))


def test_a_system_clock_that_is_set_makes_nobody_leave(
    world: Callable[..., Room], clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NTP does so when a robot gets a network."""
    here = world(expire=5.0)
    here.start()
    for index in range(3):
        here.send(frame(clip, index), answers=1)
    clock = here.lifter.get_clock()
    for hours in (1, -2):
        shifted = clock.now() + Duration(seconds=3600 * hours)
        monkeypatch.setattr(clock, "now", lambda at=shifted: at)
        here.spin_for(0.5)
        assert len(here.skeletons) == 3 and here.lifter._cameras[0].people
    monkeypatch.undo()
    here.spin_until(lambda: not here.skeletons[-1].people)


def test_a_latched_layout_reaches_who_comes_late(world: Callable[..., Room]) -> None:
    here = world()
    here.start()
    here.listen_late()
    here.spin_until(lambda: bool(here.layouts))
    assert len(here.layouts[0].joint_names) == 17


def test_settings_changed_while_running_hold_from_the_next_message(
    world: Callable[..., Room], clip: Clip
) -> None:
    here = world()
    here.start()
    here.send(changed(frame(clip, 0), layout="mine"), answers=0)
    here.lifter.set_parameters([Parameter("layout", value=clip.layout)])
    here.send(changed(frame(clip, 1), layout="mine"), answers=1)
    here.lifter.set_parameters(
        [Parameter("min_joints", value=17), Parameter("min_score", value=1.0)]
    )
    here.send(frame(clip, 2), answers=1)
    assert not here.skeletons[-1].people


def test_nothing_is_lifted_while_inactive_and_all_is_after_a_second_start(
    world: Callable[..., Room], clip: Clip
) -> None:
    here = world()
    for _ in range(2):
        here.start()
        here.send(frame(clip, 0), answers=1)
        assert here.lifter.trigger_deactivate() == DONE
        here.spin_until(lambda: here.keypoints.get_subscription_count() == 0)
        assert here.lifter.trigger_cleanup() == DONE
        here.spin_until(lambda: here.count_publishers("skeletons") == 0)


@pytest.mark.parametrize("fault", ["missing", "truncated", "foreign", "of COCO's points"])
def test_a_wrong_model_is_refused_with_a_sentence_and_can_be_mended(
    world: Callable[..., Room], tmp_path: Path, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    path = tmp_path / "model.onnx"
    model = shipped_model().read_bytes()
    if fault == "of COCO's points":
        onnx = pytest.importorskip("onnx", reason="writes another joint order into a model")
        graph = onnx.load_from_string(model)
        held = {entry.key: entry.value for entry in graph.metadata_props}
        onnx.helper.set_model_props(graph, held | TrainedOn("coco17", "h36m17").metadata())
        onnx.save(graph, path)
    elif fault != "missing":
        path.write_bytes(model[: len(model) // 2] if fault == "truncated" else b"not a model")
    here = world(model=str(path))
    assert here.lifter.trigger_configure() == REFUSED
    log = capfd.readouterr().err
    assert "cannot configure" in log
    assert str(path) in log
    assert "Traceback" not in log
    path.write_bytes(model)
    assert here.lifter.start()


def test_a_transition_that_is_not_allowed_is_answered_and_survived(
    world: Callable[..., Room],
) -> None:
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    here = world()
    here.start()
    client = here.create_client(ChangeState, "/lifter/change_state")
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    here.spin_until(client.service_is_ready)
    future = client.call_async(request)
    here.spin_until(future.done)
    assert future.result().success is False
    assert here.lifter.trigger_deactivate() == DONE


def test_a_node_that_was_destroyed_is_found_by_nobody(ros: None) -> None:
    """Although somebody still holds it: requests to the next of its name would go there, too."""
    lifter, other = LifterNode(), World("other")
    assert lifter.start()
    other.spin_until(lambda: "lifter" in other.get_node_names())
    lifter.destroy_node()
    other.spin_until(lambda: "lifter" not in other.get_node_names(), 5.0)
    services = {name for name, _ in other.get_service_names_and_types()}
    assert not services & {"/lifter/change_state", "/lifter/get_state", "/lifter/get_parameters"}
    other.close()


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_process_cleanly(ros_domain: None, kind: signal.Signals) -> None:
    command = [sys.executable, "-u", "-m", "pstmo_ros.lifter_node", "--ros-args"]
    process = subprocess.Popen(
        [*command, "-p", "autostart:=true"], cwd="/", stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    log = ""
    while "active:" not in log:
        line = process.stderr.readline()
        assert line, log
        log += line
    process.send_signal(kind)
    _, rest = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in log + rest
