"""The merger over DDS: two lifters' messages in, everybody once out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from geometry_msgs.msg import Point
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from pstmo_core.errors import ConfigError
from pstmo_ros import people_merger
from pstmo_ros.conversions import floats, stamp_ns, time_message
from pstmo_ros.msg import Skeleton3D, Skeletons3D
from pstmo_ros.people_merger import MergerParameters, PeopleMerger


class Lifters(Node):
    """Two lifters and who hears the merger."""

    def __init__(self) -> None:
        super().__init__("lifters")
        overrides = [Parameter("skeletons_topics", value="one/skeletons, two/skeletons")]
        self.merger = PeopleMerger(parameter_overrides=overrides)
        self.merged: list[Skeletons3D] = []
        self._out = {
            name: self.create_publisher(Skeletons3D, f"{name}/skeletons", 10)
            for name in ("one", "two")
        }
        self.create_subscription(Skeletons3D, "merged_skeletons", self.merged.append, 10)
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)
        self._spinner.add_node(self.merger)
        self.spin_until(lambda: all(p.get_subscription_count() for p in self._out.values()))
        self.spin_until(lambda: self.count_publishers("merged_skeletons") == 1)

    def spin_until(self, holds: Callable[[], bool], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not happen in time"
            self._spinner.spin_once(timeout_sec=0.05)

    def say(
        self, camera: str, stamp: float, x: float, frame_id: str = "map", **fields: Any
    ) -> None:
        skeleton = Skeleton3D(
            id="p1", joints=floats(np.zeros(51)), confidence=floats(np.ones(17)), observed=1.0,
            root=Point(x=x, y=2.0, z=1.0), root_source=Skeleton3D.ROOT_FLOOR,
            root_covariance=(0.01 * np.eye(3)).ravel(),
        )  # fmt: skip
        for name, value in fields.items():
            setattr(skeleton, name, value)
        unplaced = Skeleton3D(id="p2", root=Point(x=float("nan")))
        header = Header(stamp=time_message(round(stamp * 1e9)), frame_id=frame_id)
        message = Skeletons3D(header=header, people=[skeleton, unplaced])
        self._out[camera].publish(message)

    def say_nobody(self, camera: str, stamp: float, frame_id: str) -> None:
        header = Header(stamp=time_message(round(stamp * 1e9)), frame_id=frame_id)
        self._out[camera].publish(Skeletons3D(header=header))

    def watch(self, node: Node) -> None:
        self._spinner.add_node(node)

    def close(self) -> None:
        self._spinner.shutdown()
        self.merger.destroy_node()
        self.destroy_node()


@pytest.fixture
def lifters(ros: None) -> Iterator[Lifters]:
    made = Lifters()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("topics", "sentence"),
    [("left", "two or more different topics"), (",".join(map(str, range(65))), "64 at most")],
)
def test_topics_must_be_several_and_not_too_many(topics: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        MergerParameters(skeletons_topics=topics)


def test_one_person_before_two_cameras_is_told_once_and_of_both(lifters: Lifters) -> None:
    lifters.say("one", 100.00, 1.0)
    lifters.spin_until(lambda: len(lifters.merged) == 1)
    lifters.say("two", 100.01, 1.2)
    lifters.spin_until(lambda: len(lifters.merged) == 2)
    (first,), (both,) = (message.people for message in lifters.merged)
    assert first.id == both.id
    assert both.root.x == pytest.approx(1.1, abs=0.02)
    assert both.root_source == Skeleton3D.ROOT_EXTERNAL
    assert lifters.merger.drops.counts["no_root"] == 2


def test_a_merged_joint_is_as_sure_as_the_cameras_are_and_less_where_they_disagree(
    lifters: Lifters,
) -> None:
    raised = np.zeros((17, 3))
    raised[13] = 0.0, 0.0, 0.6
    lifters.say("one", 100.0, 1.0, sigma=[0.03] * 17)
    lifters.spin_until(lambda: len(lifters.merged) == 1)
    lifters.say("two", 100.0, 1.0, sigma=[0.03] * 17, joints=floats(raised))
    lifters.spin_until(lambda: len(lifters.merged) == 2)
    alone, both = (message.people[0] for message in lifters.merged)
    np.testing.assert_allclose(alone.sigma, 0.03)
    np.testing.assert_allclose(np.delete(both.sigma, 13), 0.03)
    assert 2.5 * both.sigma[13] > 0.3 == pytest.approx(both.joints[3 * 13 + 2])


def test_sigma_is_empty_where_one_of_the_cameras_does_not_say_it(lifters: Lifters) -> None:
    lifters.say("one", 100.0, 1.0, sigma=[0.03] * 17)
    lifters.spin_until(lambda: len(lifters.merged) == 1)
    lifters.say("two", 100.0, 1.0)
    lifters.spin_until(lambda: len(lifters.merged) == 2)
    assert [len(message.people[0].sigma) for message in lifters.merged] == [17, 0]


@pytest.mark.parametrize("behind", [0.0, 0.06, 0.5])
def test_two_cameras_of_one_moment_or_one_of_them_late_tell_of_a_steady_motion(
    lifters: Lifters, behind: float
) -> None:
    """Cameras that are triggered together have the same stamps; a slower detector is behind."""
    for row in range(30):
        for camera, at in (("one", 100 + row / 30), ("two", 100 + row / 30 - behind)):
            before = len(lifters.merged)
            lifters.say(camera, at, 1.0 + 0.6 * (at - 100))
            lifters.spin_until(lambda before=before: len(lifters.merged) > before)
    stamps = [stamp_ns(message.header.stamp) for message in lifters.merged]
    assert (np.diff(stamps) >= 0).all()
    (person,) = lifters.merged[-1].people
    assert person.velocity.x == pytest.approx(0.6, abs=0.1)
    assert person.root.x == pytest.approx(1.0 + 0.6 * 29 / 30, abs=0.03)


def test_a_camera_in_another_frame_is_left_out_and_reported(lifters: Lifters) -> None:
    lifters.say("one", 100.0, 1.0)
    lifters.say("two", 100.0, 1.0, frame_id="camera2")
    lifters.spin_until(lambda: lifters.merger.drops.counts["frame"] == 1)
    assert len(lifters.merged) <= 1


NAN = float("nan")
HOSTILE: dict[str, dict[str, Any]] = {
    "no joints": {"joints": []},
    "joints of another layout": {"joints": [0.0] * 75},
    "joints that are no numbers": {"joints": [NAN] * 51},
    "no confidence": {"confidence": []},
    "a root that is no number": {"root": Point(x=NAN)},
    "a root beyond the moon": {"root": Point(x=1e300)},
    "no covariance": {"root_covariance": np.zeros(9)},
    "a covariance that is no number": {"root_covariance": np.full(9, NAN)},
    "a negative covariance": {"root_covariance": -np.eye(3).ravel()},
    "sigma of another layout": {"sigma": [0.03] * 25},
    "a negative sigma": {"sigma": [-0.03] * 17},
    "a sigma that is no number": {"sigma": [0.03] * 16 + [NAN]},
    "an endless sigma": {"sigma": [float("inf")] * 17},
    "an endless id": {"id": "\x1b[2J" * 100_000},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_skeleton_that_cannot_be_merged_is_left_out_and_reported(
    what: str, lifters: Lifters
) -> None:
    lifters.say("one", 100.0, 1.0, **HOSTILE[what])
    lifters.spin_until(lambda: lifters.merger.drops.counts["skeleton"] == 1)
    lifters.say("two", 100.1, 1.0)
    lifters.spin_until(lambda: any(message.people for message in lifters.merged))
    (person,) = lifters.merged[-1].people
    assert person.root.x == pytest.approx(1.0) and not lifters.merger.drops.counts["internal"]


def test_one_wrong_frame_at_the_beginning_does_not_silence_the_others(
    lifters: Lifters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_merger, "_PATIENCE", 0.1)
    lifters.say("one", 100.0, 1.0, frame_id="nowhere")
    lifters.spin_until(lambda: len(lifters.merged) == 1)
    time.sleep(0.2)
    lifters.say("one", 100.3, 1.0)
    lifters.spin_until(lambda: len(lifters.merged) == 2)
    assert lifters.merged[-1].header.frame_id == "map"


def test_an_empty_room_says_nothing_of_frames(lifters: Lifters) -> None:
    """A lifter that cannot look up its target frame names it all the same while nobody is there."""
    for row, camera in enumerate(("one", "two", "one", "two")):
        if row != 2:
            lifters.say_nobody(camera, 100.0 + row, frame_id="map")
        else:
            lifters.say(camera, 100.0 + row, 1.0, frame_id="camera1")
        lifters.spin_until(lambda wanted=row + 1: len(lifters.merged) == wanted)
    assert [message.header.frame_id for message in lifters.merged[2:]] == ["camera1", "camera1"]
    assert lifters.merger.drops.counts["frame"] == 0


def test_cameras_whose_clocks_differ_are_told_of(lifters: Lifters) -> None:
    lifters.say("one", 100.0, 1.0)
    lifters.say("two", 3700.0, 1.0)
    lifters.spin_until(lambda: lifters.merger.drops.counts["clocks"] == 1)


def test_one_topic_alone_is_refused(ros: None) -> None:
    with pytest.raises(ConfigError, match="two or more"):
        PeopleMerger(parameter_overrides=[Parameter("skeletons_topics", value="skeletons")])


def test_a_topic_on_which_nobody_publishes_is_named(
    lifters: Lifters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_merger, "LOOK_PERIOD", 0.1)
    overrides = [Parameter("skeletons_topics", value="one/skeletons, too/skeletons")]
    merger = PeopleMerger(parameter_overrides=overrides)
    lifters.watch(merger)
    try:
        lifters.spin_until(lambda: merger.drops.counts["missing /too/skeletons"] > 2)
        assert not merger.drops.counts["missing /one/skeletons"]
    finally:
        merger.destroy_node()
