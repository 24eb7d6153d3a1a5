"""The merger's health on /diagnostics: which cameras are heard and how, and what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from pstmo_ros.faults import LOST, OK, WARN, Fault, dropped, is_silent, remedied, silent, worst
from pstmo_ros.monitor import WINDOW, Report
from pstmo_ros.status_values import (
    Values,
    age_of_last,
    drop_values,
    of_this_clock,
    spread_values,
    status_message,
)

MISSING = "missing "
"""How reasons begin that name a topic on which nobody publishes: nothing was dropped."""
#: What is left out, or goes wrong, and what to do about it.
_REMEDIES = {
    "frame": "cameras whose skeletons are in another frame than the others' are left out: give "
    "each lifter the same target_frame, and TF to it; the log says which",
    "no_root": "people without a root position are left out: their lifter needs the camera's "
    "calibration (camera_info, or focal)",
    "clocks": "stamps of cameras are seconds apart, so nobody is recognised: set the clocks of the "
    "cameras' machines by one source (chrony); the log says which",
}


@dataclass(frozen=True)
class CameraHealth:
    """What is known of one of the topics that are merged."""

    topic: str
    """Its full name."""
    report: Report
    """Of its messages; those are answered whose people were merged."""
    sources: bool
    """Whether somebody publishes there."""
    people: int
    """How many of the people in the newest answer are seen by this camera."""

    @property
    def heard(self) -> bool:
        """Whether a message came within the last seconds."""
        return self.report.heard and not is_silent(self.report)


@dataclass(frozen=True)
class MergerHealth:
    """All that is known of the merger at one moment."""

    cameras: tuple[CameraHealth, ...]
    frame_id: str
    """The frame of the merged skeletons; empty while it is not known."""
    people: int
    """In the newest answer."""
    drops: Counter[str]
    """Since the start."""
    recent_drops: Counter[str]
    """In the last seconds."""


def status(name: str, health: MergerHealth) -> DiagnosticStatus:
    """Return the level, the sentence and the figures of the merger with this name."""
    return status_message(f"{name}: merging", judge(health), _values(health))


def judge(health: MergerHealth) -> Fault:
    """Return the level and the sentences that say why."""
    found = [each for camera in health.cameras for each in (_silence(camera), _lost(camera))]
    found += [dropped(_without_remedy(health)), remedied(_REMEDIES, health.recent_drops)]
    if fault := worst(found):
        return fault
    heard = sum(camera.heard for camera in health.cameras)
    if not heard:
        return OK, "waits for skeletons"
    return OK, f"{health.people} people, {heard} of {len(health.cameras)} cameras are heard"


def _silence(camera: CameraHealth) -> Fault | None:
    why = (
        "who publishes there is silent, was killed, or offers another QoS or type (ros2 topic info "
        "-v); do its keypoints still come?"
    )
    if not camera.sources:
        why = "nobody publishes there; does the lifter run, and is skeletons_topics right?"
    return silent(camera.report, "skeletons", camera.topic, why, start="the start")


def _lost(camera: CameraHealth) -> Fault | None:
    report = camera.report
    if report.share_lost <= LOST:
        return None
    sent = report.recent_frames + report.recent_lost
    return WARN, (
        f"{report.recent_lost} of {sent} messages of the last {WINDOW:.0f} s on {camera.topic} "
        "were lost before the node took them: it has too many to merge, or the network loses them; "
        "merge fewer cameras, or lower max_image_rate of their detectors"
    )


def _without_remedy(health: MergerHealth) -> dict[str, int]:
    return {
        reason: count
        for reason, count in health.recent_drops.items()
        if reason not in _REMEDIES and not reason.startswith(MISSING)
    }


def _values(health: MergerHealth) -> Values:
    heard = sum(camera.heard for camera in health.cameras)
    drops = {r: n for r, n in health.drops.items() if not r.startswith(MISSING)}
    return [
        ("cameras heard", f"{heard} of {len(health.cameras)}"),
        ("people", str(health.people if heard else 0)),
        ("frame", health.frame_id or "not known"),
        *[value for camera in health.cameras for value in _camera_values(camera)],
        *drop_values(drops),
    ]


def _camera_values(camera: CameraHealth) -> Values:
    report = camera.report
    values = [
        ("people seen", str(camera.people if camera.heard else 0)),
        ("messages received", str(report.frames)),
        ("messages merged", str(report.answered)),
        ("messages lost before the node", str(report.lost)),
        ("rate (Hz)", f"{report.rate:.1f}"),
        ("age of the last message (s)", age_of_last(report)),
        *spread_values("latency from stamp", of_this_clock(report.from_stamp)),
    ]
    return [(f"{camera.topic}: {key}", value) for key, value in values]
