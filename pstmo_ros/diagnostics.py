"""The lifter's health on /diagnostics: figures, a level, and a sentence that says why."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from pstmo_ros.drops import DropCounter
from pstmo_ros.faults import LOST, OK, WARN, Fault, dropped, no_clock, remedied, silent, worst
from pstmo_ros.monitor import WINDOW, Monitor, Report
from pstmo_ros.recent_drops import RecentDrops
from pstmo_ros.silence_log import SilenceLog
from pstmo_ros.status_publisher import StatusPublisher
from pstmo_ros.status_values import (
    Values,
    drop_values,
    of_this_clock,
    spread_values,
    status_message,
)

WAITING = 1.5
"""Messages in the node or waiting for it, on average, above which a warning is due."""
BUSY = 0.7
"""Share of the time between two frames above which they are lost because the node is busy."""
#: What is dropped in the ordinary course of things: somebody at the edge of the image.
_ORDINARY = frozenset({"too_few_joints"})
#: What was missing besides the keypoints, which were lifted all the same, and what to do about it.
_MISSING = {
    "tf": "TF does not tell where the camera is at its images' stamps, so the floor or the target "
    "frame is not used: `ros2 run tf2_ros tf2_echo FLOOR_FRAME CAMERA_FRAME` shows what is missing",
    "imu": "the IMU does not give the direction of gravity, so poses are lifted without it: "
    "the log says why",
    "depth": "depth images are too early or too late for the keypoints: publish them with the "
    "colour images' stamps, or raise depth_tolerance",
    "depth_image": "depth images cannot be read: they must be 16UC1 or 32FC1; the log says more",
    "depth_silent": "people are seen but no depth images come: check depth_topic and the camera",
    "depth_registration": "depth images may not be registered to the colour image: turn alignment "
    "on in the camera's driver; the log says more",
}
#: What the facts tell as a doubt.
_DOUBTED = frozenset({"camera_pose"})


@dataclass(frozen=True)
class Facts:
    """What the node says of itself."""

    state: str
    """unconfigured, inactive, active or finalized."""
    runtime: str
    """What runs where, and why; empty while unconfigured."""
    topic: str
    """Where keypoints come from."""
    people: int
    sources: bool = True
    """Whether somebody publishes there."""
    refused: str = ""
    """Why a publisher of keypoints is not heard; empty if all are."""
    waits_for_clock: bool = False
    """Whether time is to come from /clock, and none has."""
    roots: str = ""
    """The sources of root positions and their uncertainty; empty if there are none."""
    sizes: tuple[tuple[str, str], ...] = ()
    """Keys and values on how well floor and depth image agree with what is known of people."""
    doubt: str = ""
    """What is wrong with them, and what to do; empty if nothing is."""


@dataclass(frozen=True)
class Health:
    """All that is known of the node at one moment."""

    facts: Facts
    report: Report
    drops: Counter[str]
    """Since the start."""
    recent_drops: Counter[str]
    """In the last seconds."""


class Diagnostics:
    """Says on /diagnostics how a lifter is, and in the log that keypoints stay away."""

    def __init__(self, node: Node, drops: DropCounter, facts: Callable[[], Facts]) -> None:
        self.monitor = Monitor(time.monotonic_ns())
        self._drops, self._facts = drops, facts
        self._recent_drops = RecentDrops(time.monotonic_ns(), WINDOW)
        self._silence_log = SilenceLog(node, "keypoints")
        StatusPublisher(node, self._status)

    def _status(self, name: str) -> DiagnosticStatus:
        now, counts = time.monotonic_ns(), self._drops.counts
        recent = self._recent_drops.update(now, counts)
        facts, report = self._facts(), self.monitor.report(now)
        health = Health(facts, report, counts, recent)
        self._silence_log.look(facts.state == "active", report, facts.topic, _silence(health))
        return status(name, health)


def status(name: str, health: Health) -> DiagnosticStatus:
    """Return the level, the sentence and the figures of the node with this name."""
    return status_message(f"{name}: lifting", judge(health), _values(health))


def judge(health: Health) -> Fault:
    """Return the level and the sentences that say why."""
    if health.facts.state != "active":
        return OK, f"{health.facts.state}: keypoints are not listened to"
    report = health.report
    found = [no_clock(health.facts.waits_for_clock), _silence(health), _lost(report)]
    found += [_drops(health), remedied(_MISSING, health.recent_drops), _queue(report)]
    found += [(WARN, health.facts.doubt) if health.facts.doubt else None]
    if fault := worst(found):
        return fault
    if not report.recent_frames:
        return OK, "active: waits for keypoints"
    latency = report.from_receipt
    took = "" if latency is None else f", each answered within {latency.median * 1e3:.1f} ms"
    return OK, f"active: {health.facts.people} people, {report.rate:.1f} frames/s{took}"


def _silence(health: Health) -> Fault | None:
    facts = health.facts
    why = "who publishes there is silent or was killed; do its images still come?"
    if not facts.sources:
        why = "nobody publishes there; does the detector run, and on this topic?"
    return silent(health.report, "keypoints", facts.topic, facts.refused or why)


def _lost(report: Report) -> Fault | None:
    if report.share_lost <= LOST:
        return None
    sent = report.recent_frames + report.recent_lost
    sentence = (
        f"{report.recent_lost} of {sent} frames of the last {WINDOW:.0f} s were lost before the "
        "node took them: "
    )
    busy = report.busy
    if busy is not None and busy.median * report.rate > BUSY:
        return WARN, sentence + (
            f"it works {busy.median * 1e3:.0f} ms on each, the newest are taken; send fewer frames "
            "a second or fewer people, lower max_people, or choose a faster backend"
        )
    return WARN, sentence + (
        "it has time for more, so they get lost on the way; raise qos_depth, or set "
        "qos_reliability to reliable if the source is"
    )


def _drops(health: Health) -> Fault | None:
    usual = _ORDINARY.union(_MISSING, _DOUBTED)
    recent = {r: n for r, n in health.recent_drops.items() if r not in usual}
    return dropped(recent, useless=health.report.in_vain)


def _queue(report: Report) -> Fault | None:
    latency = report.from_receipt
    # Little's law: how many are in the node or wait for it. Comparisons with a rate that is not
    # known (NaN) are false.
    if latency is None or not latency.median * report.rate > WAITING:
        return None
    return WARN, (
        f"a message is answered {latency.median * 1e3:.0f} ms after it arrived (median of the last "
        f"{WINDOW:.0f} s), but one comes every {1e3 / report.rate:.0f} ms: they wait in a queue; "
        "lower qos_depth to lose the old ones, or see to it that fewer come"
    )


def _values(health: Health) -> Values:
    report = health.report
    return [
        ("state", health.facts.state),
        ("runtime", health.facts.runtime or "none: unconfigured"),
        ("people", str(health.facts.people)),
        ("root positions", health.facts.roots or "not known"),
        *health.facts.sizes,
        ("frames received", str(report.frames)),
        ("frames answered", str(report.answered)),
        ("frames lost before the node", str(report.lost)),
        ("input rate (Hz)", f"{report.rate:.1f}"),
        *spread_values("latency from stamp", of_this_clock(report.from_stamp)),
        *spread_values("latency from receipt", report.from_receipt),
        *spread_values("inference", report.inference),
        *spread_values("busy with a frame", report.busy),
        *drop_values(health.drops),
    ]
