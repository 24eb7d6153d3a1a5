"""Frames that never reach the node are counted: by numbers where there are any, else by stamps."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2

from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_ros.conversions import keypoints_message
from pstmo_ros.inputs.lost_frames import LostFrames
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.msg import People2D

MS = 1_000_000


def lost(numbers: list[int], publishers: int = 1) -> list[int]:
    frames = LostFrames(lambda: publishers)
    return [frames.add(number, 0) for number in numbers]


def test_a_gap_in_a_publishers_numbers_is_so_many_lost_frames() -> None:
    assert lost([7, 8, 10, 11, 15]) == [0, 0, 1, 0, 3]


def test_a_publisher_that_starts_again_has_lost_nothing() -> None:
    assert lost([100, 101, 1, 2, 4]) == [0, 0, 0, 0, 1]


def test_numbers_of_several_publishers_say_nothing_until_one_is_left() -> None:
    publishers = 2
    frames = LostFrames(lambda: publishers)
    assert [frames.add(number, 0) for number in (5, 900, 6, 901, 7)] == [0] * 5
    publishers = 1
    assert [frames.add(number, 0) for number in (902, 903, 905)] == [0, 0, 1]


def test_without_numbers_stamps_tell_and_a_pause_or_a_jump_is_no_loss() -> None:
    frames = LostFrames(lambda: 1)
    stamps = [index * 33 * MS + index % 3 * MS for index in range(20)]
    assert sum(frames.add(None, stamp) for stamp in stamps) == 0
    assert frames.add(None, stamps[-1] + 132 * MS) == 3
    assert frames.add(None, stamps[-1] + 5000 * MS) == 0
    assert frames.add(None, 0) == 0
    assert frames.count == 3


class Overloaded(Node):
    """A lifter that is given more than it can do, and who reads the diagnostics."""

    def __init__(self, **given: object) -> None:
        super().__init__("source")
        self.lifter = LifterNode(
            parameter_overrides=[Parameter(name, value=value) for name, value in given.items()]
        )
        self.heard: list[DiagnosticStatus] = []
        self.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: self.heard.extend(m.status), 10
        )
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)
        self._spinner.add_node(self.lifter)

    def spin_until(self, level: bytes, words: str, seconds: float = 15.0) -> DiagnosticStatus:
        deadline = time.monotonic() + seconds
        while not any(s.level == level and words in s.message for s in self.heard):
            assert time.monotonic() < deadline, [s.message for s in self.heard]
            self._spinner.spin_once(timeout_sec=0.02)
        return self.heard[-1]

    def close(self) -> None:
        self._spinner.shutdown()
        self.lifter.destroy_node()
        self.destroy_node()


@pytest.fixture
def overloaded(ros: None) -> Iterator[type[Overloaded]]:
    made: list[Overloaded] = []

    class Kept(Overloaded):
        def __init__(self, **given: object) -> None:
            super().__init__(**given)
            made.append(self)

    yield Kept
    for each in made:
        each.close()


def test_all_that_was_sent_and_not_taken_is_counted_and_reported(
    overloaded: type[Overloaded],
) -> None:
    here = overloaded(qos_depth=5)
    clip = load_clip(sample_path())
    keypoints = here.create_publisher(People2D, "keypoints", 1000)
    assert here.lifter.start()
    while keypoints.get_subscription_count() == 0:
        here._spinner.spin_once(timeout_sec=0.02)
    sent = 0
    for _burst in range(4):
        for _ in range(50):  # faster than anything could take them: the node looks only after it
            index = sent % len(clip)
            keypoints.publish(keypoints_message(clip, index, sent * 10 * MS, "camera"))
            sent += 1
        for _ in range(30):
            here._spinner.spin_once(timeout_sec=0.01)
    keypoints.publish(keypoints_message(clip, 0, sent * 10 * MS, "camera"))
    for _ in range(30):
        here._spinner.spin_once(timeout_sec=0.01)
    here.heard.clear()
    told = here.spin_until(DiagnosticStatus.WARN, "were lost before the node took them")
    figures = {value.key: value.value for value in told.values}
    taken, missing = (
        int(figures[name]) for name in ("frames received", "frames lost before the node")
    )
    assert taken <= 4 * 5 + 1
    # What was lost before the first message that was taken cannot be known.
    assert sent + 1 - 50 <= taken + missing <= sent + 1


def test_a_publisher_that_cannot_be_heard_is_told_with_what_to_do(
    overloaded: type[Overloaded],
) -> None:
    here = overloaded(qos_reliability="reliable")
    best_effort = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    here.create_publisher(People2D, "keypoints", best_effort)
    assert here.lifter.start()
    here.spin_until(DiagnosticStatus.WARN, "set qos_reliability to best_effort")


def test_a_publisher_of_other_messages_is_told_with_what_to_do(
    overloaded: type[Overloaded],
) -> None:
    """Keypoints of another package, and nobody has set `input`."""
    here = overloaded()
    assert here.lifter.start()
    elsewhere = Context()  # in one participant, a topic has one type
    elsewhere.init()
    other = Node("other", context=elsewhere)
    try:
        other.create_publisher(PointCloud2, "keypoints", 10)
        here.spin_until(
            DiagnosticStatus.WARN,
            "what is published on /keypoints is sensor_msgs/msg/PointCloud2, but this node listens "
            "to pstmo_ros/msg/People2D: correct keypoints_topic, or set input",
        )
    finally:
        other.destroy_node()
        elsewhere.shutdown()
