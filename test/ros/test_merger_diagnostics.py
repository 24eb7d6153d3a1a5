"""What the merger says of its health: levels with reasons, and each camera's figures over DDS."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Point
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from pstmo_ros import faults
from pstmo_ros.conversions import floats, time_message
from pstmo_ros.merger_diagnostics import CameraHealth, MergerHealth, judge, status
from pstmo_ros.monitor import Monitor
from pstmo_ros.msg import Skeleton3D, Skeletons3D
from pstmo_ros.people_merger import PeopleMerger

SECOND = 1_000_000_000
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def camera(
    topic: str, count: int = 50, after: float = 0.0, lost: int = 0, sources: bool = True
) -> CameraHealth:
    """A camera that told something 25 times a second, and nothing for some seconds since."""
    monitor, now = Monitor(0), 0
    for row in range(count):
        now = row * SECOND // 25
        monitor.add(now, 1, from_stamp=0.04 * SECOND, lost=lost)
    return CameraHealth(topic, monitor.report(now + round(after * SECOND)), sources, people=1)


def health(*cameras: CameraHealth, **recent: int) -> MergerHealth:
    return MergerHealth(cameras, "map", 2, Counter(recent), Counter(recent))


LEFT = camera("/left")


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [
        (health(LEFT, camera("/right")), OK, "2 people, 2 of 2 cameras are heard"),
        (health(camera("/left", 0), camera("/right", 0)), OK, "waits for skeletons"),
        (health(LEFT, camera("/right", after=3)), WARN, "no skeletons on /right for 3 s: who"),
        (health(LEFT, camera("/right", 0, 5)), WARN, "on /right for 5 s, none since the start"),
        (health(LEFT, camera("/right", 0, 5, sources=False)), WARN, "does the lifter run"),
        (health(LEFT, camera("/right", lost=1)), WARN, "50 of 100 messages of the last 10 s on /r"),
        (health(LEFT, frame=3), WARN, "give each lifter the same target_frame, and TF to it"),
        (health(LEFT, no_root=3), WARN, "their lifter needs the camera's calibration"),
        (health(LEFT, clocks=3), WARN, "by one source (chrony)"),
        (health(LEFT, skeleton=3), WARN, "dropped in the last 10 s: skeleton 3; the log says why"),
        (health(LEFT, internal=1), ERROR, "internal 1"),
    ],
)
def test_a_level_comes_with_its_reason(state: MergerHealth, level: bytes, words: str) -> None:
    given, sentence = judge(state)
    assert given == level
    assert words in sentence


def test_several_faults_are_all_told_at_the_highest_level() -> None:
    level, sentence = judge(health(LEFT, camera("/right", after=3), frame=2, internal=1))
    assert level == ERROR
    assert all(words in sentence for words in ("/right", "target_frame", "internal 1"))


def test_a_topic_without_a_publisher_drops_nothing() -> None:
    silent = camera("/right", 0, sources=False)
    said = status("people_merger", health(LEFT, silent, **{"missing /right": 2}))
    assert said.level == OK and not any("dropped" in value.key for value in said.values)


class Cameras(Node):
    """Two cameras' lifters, a merger, and who reads its diagnostics."""

    def __init__(self) -> None:
        super().__init__("cameras")
        topics = Parameter("skeletons_topics", value="one/skeletons,two/skeletons")
        self.merger = PeopleMerger(parameter_overrides=[topics])
        self.told: list[DiagnosticStatus] = []
        self._out = {
            name: self.create_publisher(Skeletons3D, f"{name}/skeletons", 10)
            for name in ("one", "two")
        }
        self.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: self.told.extend(m.status), 10
        )
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)
        self._spinner.add_node(self.merger)
        self.spin_until(lambda: all(p.get_subscription_count() for p in self._out.values()))

    def spin_until(self, holds: Callable[[], Any], seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not happen in time"
            self._spinner.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.spin_until(lambda: time.monotonic() > end)

    def say(self, name: str, frame_id: str = "map", **fields: Any) -> None:
        """Tell of one person, now."""
        person = Skeleton3D(
            id="p1", joints=floats(np.zeros(51)), confidence=floats(np.ones(17)),
            root=Point(x=1.0, y=2.0, z=1.0), root_source=Skeleton3D.ROOT_FLOOR,
            root_covariance=(0.01 * np.eye(3)).ravel(), **fields,
        )  # fmt: skip
        stamp = time_message(self.get_clock().now().nanoseconds)
        header = Header(stamp=stamp, frame_id=frame_id)
        self._out[name].publish(Skeletons3D(header=header, people=[person]))

    def next_status(self) -> tuple[DiagnosticStatus, dict[str, str]]:
        """Return the next status that begins to be made from now on."""
        self.told.clear()
        self.spin_until(lambda: self.told)
        return self.told[0], {value.key: value.value for value in self.told[0].values}

    def status_with(self, key: str, value: str) -> tuple[DiagnosticStatus, dict[str, str]]:
        """Return the next status in which a key has a value."""
        deadline = time.monotonic() + 15.0
        while (told := self.next_status())[1].get(key) != value:
            assert time.monotonic() < deadline, told[1]
        return told

    def close(self) -> None:
        self._spinner.shutdown()
        self.merger.destroy_node()
        self.destroy_node()


@pytest.fixture
def cameras(ros: None) -> Iterator[Cameras]:
    made = Cameras()
    yield made
    made.close()


def test_a_merger_that_has_heard_nobody_waits_and_says_so(cameras: Cameras) -> None:
    said, values = cameras.next_status()
    assert said.name == "people_merger: merging"
    assert (said.level, said.message) == (OK, "waits for skeletons")
    assert (values["cameras heard"], values["frame"]) == ("0 of 2", "not known")
    assert values["/one/skeletons: age of the last message (s)"] == "none came"


def test_what_each_camera_tells_is_reported(cameras: Cameras) -> None:
    for _ in range(5):
        cameras.say("one")
        cameras.spin_for(0.04)
    cameras.say("two")
    said, values = cameras.status_with("cameras heard", "2 of 2")
    assert (said.level, said.message) == (OK, "1 people, 2 of 2 cameras are heard")
    assert (values["people"], values["frame"]) == ("1", "map")
    for name, count in (("one", "5"), ("two", "1")):
        assert values[f"/{name}/skeletons: messages received"] == count
        assert values[f"/{name}/skeletons: messages merged"] == count
        assert values[f"/{name}/skeletons: people seen"] == "1"
        assert 0 <= float(values[f"/{name}/skeletons: latency from stamp median (ms)"]) < 5000
        assert float(values[f"/{name}/skeletons: age of the last message (s)"]) < 2
    assert 1 < float(values["/one/skeletons: rate (Hz)"]) < 30


def test_a_camera_in_another_frame_and_a_skeleton_that_is_wrong_are_reported(
    cameras: Cameras,
) -> None:
    cameras.say("one")
    cameras.status_with("frame", "map")
    cameras.say("two", frame_id="camera2")
    cameras.say("one", sigma=[-1.0] * 17)
    cameras.status_with("dropped: skeleton", "1")
    said, values = cameras.status_with("dropped: frame", "1")
    assert said.level == WARN
    assert "give each lifter the same target_frame" in said.message
    assert "skeleton 1; the log says why" in said.message
    assert values["/two/skeletons: messages received"] == "1"
    assert values["/two/skeletons: messages merged"] == "0"


def test_a_camera_that_falls_silent_or_has_no_lifter_is_named(
    cameras: Cameras, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "SILENCE", 0.1)
    cameras.say("one")
    said, values = cameras.status_with("/one/skeletons: messages received", "1")
    while "/one/skeletons for" not in said.message:
        said, values = cameras.next_status()
    assert said.level == WARN
    assert "who publishes there is silent, was killed" in said.message
    assert "no skeletons on /two/skeletons" in said.message and "none since" in said.message
    assert (values["cameras heard"], values["people"]) == ("0 of 2", "0")
    cameras.destroy_publisher(cameras._out["two"])
    cameras.spin_until(lambda: "nobody publishes there" in cameras.next_status()[0].message)
