"""What the node says of its health: figures in bounded memory, levels with reasons, over DDS."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Log
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_core.room.size_health import Agreement, SizeHealth
from pstmo_ros import faults, silence_log
from pstmo_ros.conversions import keypoints_message
from pstmo_ros.diagnostics import Facts, Health, judge, status
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.monitor import WINDOW, Monitor
from pstmo_ros.msg import People2D, Skeleton3D, Skeletons3D
from pstmo_ros.recent_drops import RecentDrops
from pstmo_ros.root_summary import describe_roots
from pstmo_ros.size_health import describe_sizes, doubt_sizes

SECOND = 1_000_000_000
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


def monitored(
    count: int = 100,
    rate: float = 30.0,
    milliseconds: float = 5.0,
    answers: int = 1,
    lost: int = 0,
) -> tuple[Monitor, int]:
    """A monitor that was fed messages at a rate, and the time of the last."""
    monitor, now = Monitor(0), 0
    for index in range(count):
        now = round(index * SECOND / rate)
        took = milliseconds * 1e6
        monitor.add(now, answers, 2 * took, took, took / 2, took * 0.9, lost)
    return monitor, now


def test_the_figures_are_those_of_the_last_seconds() -> None:
    monitor, now = monitored(count=2000)
    report = monitor.report(now)
    assert (report.frames, report.answered) == (2000, 2000)
    assert report.recent_frames == pytest.approx(WINDOW * 30, abs=1)
    assert report.rate == pytest.approx(30.0)
    assert report.from_receipt is not None
    assert report.from_receipt.p99 == pytest.approx(5e-3)
    assert monitor.report(now + 11 * SECOND).from_receipt is None
    assert monitor.report(now + 11 * SECOND).silence == pytest.approx(11.0)


def test_percentiles_are_numpys_and_unanswered_messages_have_no_latency() -> None:
    monitor = Monitor(0)
    times = np.random.default_rng(0).gamma(2.0, 3e6, 200)
    for index, took in enumerate(times.tolist()):
        monitor.add(index * 1000, 1, from_receipt=took)
        monitor.add(index * 1000, 0)
    spread = monitor.report(200_000).from_receipt
    assert spread is not None
    expected = np.percentile(times / 1e9, [50, 95, 99])
    np.testing.assert_allclose([spread.median, spread.p95, spread.p99], expected)


def test_memory_does_not_grow() -> None:
    monitor = Monitor(0)
    rows = monitor._rows
    for index in range(3 * len(rows)):
        monitor.add(index, 1, 1.0, 1.0, 1.0)
    assert monitor._rows is rows
    assert monitor.report(3 * len(rows)).recent_frames == len(rows)


def test_recent_drops_are_those_of_the_window() -> None:
    counts: Counter[str] = Counter()
    recent = RecentDrops(0, window=10.0)
    counts["layout"] = 3
    assert recent.update(SECOND, counts) == {"layout": 3}
    assert recent.update(12 * SECOND, counts) == {}
    counts["late"] += 1
    assert recent.update(13 * SECOND, counts) == {"late": 1}


def health(fed: tuple[Monitor, int], *, after: float = 0.0, **recent: int) -> Health:
    monitor, now = fed
    facts = Facts("active", "stmo_27.onnx on a backend", "/keypoints", people=2)
    report = monitor.report(now + round(after * SECOND))
    return Health(facts, report, Counter(recent), Counter(recent))


@pytest.mark.parametrize(
    ("state", "level", "words"),
    [
        (health(monitored()), OK, "2 people, 30.0 frames/s, each answered within 5.0 ms"),
        (health((Monitor(0), 0)), OK, "waits for keypoints"),
        (health((Monitor(0), 0), after=5), WARN, "for 5 s, none since the node was activated"),
        (health(monitored(), after=3), WARN, "no keypoints on /keypoints for 3 s"),
        (health(monitored(), after=3), WARN, "silent or was killed; do its images"),
        (health(monitored(milliseconds=80)), WARN, "80 ms after it arrived (median of the last"),
        (health(monitored(milliseconds=30, lost=2)), WARN, "it works 27 ms on each"),
        (health(monitored(milliseconds=1, lost=2)), WARN, "200 of 300 frames of the last 10 s"),
        (health(monitored(milliseconds=1, lost=2)), WARN, "they get lost on the way; raise qos"),
        (health(monitored(), layout=3), WARN, "dropped in the last 10 s: layout 3"),
        (health(monitored(), too_few_joints=3), OK, "active"),
        (health(monitored(), internal=1), ERROR, "internal 1; the log says why"),
        (health(monitored(answers=0), layout=100), ERROR, "layout 100"),
        (health(monitored(), tf=9), WARN, "TF does not tell where the camera is"),
        (health(monitored(), depth=2), WARN, "or raise depth_tolerance"),
    ],
)
def test_a_level_comes_with_its_reason(state: Health, level: bytes, words: str) -> None:
    given, sentence = judge(state)
    assert given == level
    assert words in sentence


def test_several_faults_are_all_told_at_the_highest_level() -> None:
    level, sentence = judge(health(monitored(milliseconds=80), after=3, internal=1))
    assert level == ERROR
    assert all(words in sentence for words in ("no keypoints", "internal", "80 ms"))


def test_stamps_of_another_clock_give_no_latency() -> None:
    monitor = Monitor(0)
    monitor.add(0, 1, from_stamp=1e18, from_receipt=1e6)
    values = {v.key: v.value for v in status("lifter", health((monitor, 0))).values}
    assert values["latency from stamp median (ms)"] == "not known"
    assert values["latency from receipt median (ms)"] == "1.00"


class Listener(Node):
    """A lifter, a source of keypoints, and who reads the diagnostics."""

    def __init__(self) -> None:
        super().__init__("listener")
        given = {"qos_reliability": "reliable", "qos_depth": 20, "keypoints_topic": "kp"}
        self.lifter = LifterNode(
            parameter_overrides=[Parameter(name, value=value) for name, value in given.items()]
        )
        self.heard: list[DiagnosticStatus] = []
        self.keypoints = self.create_publisher(People2D, "kp", 10)
        self.create_subscription(
            DiagnosticArray, "/diagnostics", lambda m: self.heard.extend(m.status), 10
        )
        self._spinner = SingleThreadedExecutor()
        self._spinner.add_node(self)
        self._spinner.add_node(self.lifter)

    def spin_until(self, holds: Callable[[], Any], seconds: float = 15.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not happen in time"
            self._spinner.spin_once(timeout_sec=0.05)

    def next_status(self) -> tuple[DiagnosticStatus, dict[str, str]]:
        """Return the next status that begins to be made from now on."""
        self.heard.clear()
        self.spin_until(lambda: self.heard)
        return self.heard[0], {value.key: value.value for value in self.heard[0].values}

    def close(self) -> None:
        self._spinner.shutdown()
        self.lifter.destroy_node()
        self.destroy_node()


@pytest.fixture
def listener(ros: None) -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


def test_the_node_speaks_in_every_state_of_its_life(listener: Listener) -> None:
    said, values = listener.next_status()
    assert said.name == "lifter: lifting"
    assert (said.level, values["state"]) == (OK, "unconfigured")
    listener.lifter.trigger_configure()
    said, values = listener.next_status()
    assert (said.level, values["state"]) == (OK, "inactive")
    assert "stmo_27.onnx" in values["runtime"]
    listener.lifter.trigger_activate()
    assert listener.next_status()[1]["state"] == "active"
    listener.lifter.trigger_deactivate()
    listener.lifter.trigger_cleanup()
    assert listener.next_status()[1]["state"] == "unconfigured"


def test_what_was_lifted_and_dropped_and_how_long_it_took_is_reported(listener: Listener) -> None:
    clip = load_clip(sample_path())
    assert listener.lifter.start()
    listener.spin_until(lambda: listener.keypoints.get_subscription_count() == 1)
    for index in range(5):
        now = listener.get_clock().now().nanoseconds
        listener.keypoints.publish(keypoints_message(clip, index, now, "camera"))
        time.sleep(0.01)
    listener.keypoints.publish(People2D(layout="unknown"))
    listener.spin_until(lambda: listener.lifter.drops.counts["layout"] == 1)
    said, values = listener.next_status()
    assert said.level == WARN
    assert "layout 1" in said.message
    assert values["dropped: layout"] == "1"
    assert (values["frames received"], values["frames answered"]) == ("6", "5")
    assert values["people"] == str(len(clip.frame(0).ids))
    latency = [
        float(values[f"{what} median (ms)"])
        for what in ("inference", "latency from receipt", "latency from stamp")
    ]
    assert 0 < latency[0] < latency[1] < latency[2] < 5000


def test_keypoints_that_stay_away_are_told_of_once_with_the_likely_reason(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "SILENCE", 0.1)
    monkeypatch.setattr(silence_log, "LOGGED_SILENCE", 0.5)
    monkeypatch.setattr(silence_log, "LOGGED_START", 0.5)
    clip, lines = load_clip(sample_path()), list[str]()
    listener.create_subscription(Log, "/rosout", lambda m: lines.append(m.msg), 100)

    def told(words: str) -> int:
        return sum(words in line for line in lines)

    listener.destroy_publisher(listener.keypoints)
    listener.lifter.start()
    listener.spin_until(lambda: told("nobody publishes there") == 1)
    listener.keypoints = listener.create_publisher(People2D, "kp", 10)
    listener.spin_until(lambda: listener.keypoints.get_subscription_count() == 1)

    def speak() -> bool:
        now = listener.get_clock().now().nanoseconds
        listener.keypoints.publish(keypoints_message(clip, 0, now, "camera"))
        return told("keypoints come on /kp") == 1

    listener.spin_until(speak)
    listener.spin_until(lambda: told("do its images still come?") == 1)
    for _ in range(2):
        listener.next_status()
    assert told("no keypoints on /kp") == 2


def test_places_are_told_by_what_they_rest_on() -> None:
    people = [
        Skeleton3D(root_source=source, root_covariance=np.diag([variance, 0, 0]).ravel())
        for source, variance in (
            (Skeleton3D.ROOT_FLOOR, 0.01), (Skeleton3D.ROOT_FLOOR, 0.04),
            (Skeleton3D.ROOT_ASSUMED, 0.25), (Skeleton3D.ROOT_NONE, np.nan),
        )
    ]  # fmt: skip
    assert describe_roots(Skeletons3D(people=people)) == "assumed 1 (0.50 m), floor 2 (0.20 m)"
    assert describe_roots(Skeletons3D()) == ""


def test_sources_of_size_are_described_and_doubted_with_what_to_do() -> None:
    good = SizeHealth(Agreement(0.01, 0.03), Agreement(-0.02, 0.02), 1.74)
    assert dict(describe_sizes(good)) == {
        "residuals of the floor": "+1.0% on average, 3.0% RMS",
        "residuals of the depth image": "-2.0% on average, 2.0% RMS",
        "median height of people (m)": "1.74",
    }
    assert doubt_sizes(good) == ""
    silent = SizeHealth(None, None, float("nan"))
    assert {value for _, value in describe_sizes(silent)} == {"silent", "not known"}
    assert doubt_sizes(silent) == ""
    apart = doubt_sizes(SizeHealth(Agreement(0.2, 0.2), Agreement(-0.05, 0.06), 1.9))
    assert apart.startswith("the floor makes people 25% larger than the depth image: check ")
    giants = SizeHealth(Agreement(0.0, 0.03), None, 2.6)
    assert "people are 2.6 m tall by the floor: check the camera's height" in doubt_sizes(giants)
    level, sentence = judge(
        Health(
            Facts("active", "", "/keypoints", 1, doubt=doubt_sizes(giants)),
            monitored()[0].report(round(100 * SECOND / 30.0)), Counter(), Counter(),
        )
    )  # fmt: skip
    assert level == WARN and "2.6 m tall" in sentence
    assert "units of its encoding" in doubt_sizes(SizeHealth(None, Agreement(0.0, 0.0), 0.5))
    other = doubt_sizes(SizeHealth(None, Agreement(900.0, 7.0, refused=0.9), float("nan")))
    assert other.startswith("most readings of the depth image are not used") and "units" in other
