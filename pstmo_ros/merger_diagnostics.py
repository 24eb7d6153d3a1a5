"""The merger's health on /diagnostics: which cameras are heard and how, and what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from pstmo_ros.diagnostics import ERROR, LOST, OK, SILENCE, WARN, of_this_clock, spread_values
from pstmo_ros.monitor import WINDOW, Report

MISSING = "missing "
"""How reasons begin that name a topic on which nobody publishes: nothing was dropped."""
_INTERNAL = "internal"
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
        return self.report.heard and self.report.silence < SILENCE


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
    level, sentence = judge(health)
    values = [KeyValue(key=key, value=value) for key, value in _values(health)]
    return DiagnosticStatus(level=level, name=f"{name}: merging", message=sentence, values=values)


def judge(health: MergerHealth) -> tuple[bytes, str]:
    """Return the level and the sentences that say why."""
    found = [each for camera in health.cameras for each in (_silence(camera), _lost(camera))]
    found += [_drops(health), _remedies(health)]
    faults = [fault for fault in found if fault is not None]
    if faults:
        return max(level for level, _ in faults), "; ".join(sentence for _, sentence in faults)
    heard = sum(camera.heard for camera in health.cameras)
    if not heard:
        return OK, "waits for skeletons"
    return OK, f"{health.people} people, {heard} of {len(health.cameras)} cameras are heard"


def _silence(camera: CameraHealth) -> tuple[bytes, str] | None:
    silence = camera.report.silence
    if silence < SILENCE:
        return None
    since = "" if camera.report.heard else ", none since the start"
    why = (
        "who publishes there is silent, was killed, or offers another QoS or type (ros2 topic info "
        "-v); do its keypoints still come?"
    )
    if not camera.sources:
        why = "nobody publishes there; does the lifter run, and is skeletons_topics right?"
    return WARN, f"no skeletons on {camera.topic} for {silence:.0f} s{since}: {why}"


def _lost(camera: CameraHealth) -> tuple[bytes, str] | None:
    report = camera.report
    if report.share_lost <= LOST:
        return None
    sent = report.recent_frames + report.recent_lost
    return WARN, (
        f"{report.recent_lost} of {sent} messages of the last {WINDOW:.0f} s on {camera.topic} "
        "were lost before the node took them: it has too many to merge, or the network loses them; "
        "merge fewer cameras, or lower max_image_rate of their detectors"
    )


def _drops(health: MergerHealth) -> tuple[bytes, str] | None:
    recent = {
        reason: count
        for reason, count in sorted(health.recent_drops.items())
        if reason not in _REMEDIES and not reason.startswith(MISSING)
    }
    if not recent:
        return None
    counts = ", ".join(f"{reason} {count}" for reason, count in recent.items())
    sentence = f"dropped in the last {WINDOW:.0f} s: {counts}; the log says why"
    return ERROR if _INTERNAL in recent else WARN, sentence


def _remedies(health: MergerHealth) -> tuple[bytes, str] | None:
    found = [text for reason, text in _REMEDIES.items() if health.recent_drops[reason]]
    return (WARN, "; ".join(found)) if found else None


def _values(health: MergerHealth) -> list[tuple[str, str]]:
    heard = sum(camera.heard for camera in health.cameras)
    dropped = {r: n for r, n in sorted(health.drops.items()) if not r.startswith(MISSING)}
    return [
        ("cameras heard", f"{heard} of {len(health.cameras)}"),
        ("people", str(health.people if heard else 0)),
        ("frame", health.frame_id or "not known"),
        *[value for camera in health.cameras for value in _camera_values(camera)],
        *[(f"dropped: {reason}", str(count)) for reason, count in dropped.items()],
    ]


def _camera_values(camera: CameraHealth) -> list[tuple[str, str]]:
    report = camera.report
    age = f"{report.silence:.1f}" if report.heard else "none came"
    values = [
        ("people seen", str(camera.people if camera.heard else 0)),
        ("messages received", str(report.frames)),
        ("messages merged", str(report.answered)),
        ("messages lost before the node", str(report.lost)),
        ("rate (Hz)", f"{report.rate:.1f}"),
        ("age of the last message (s)", age),
        *spread_values("latency from stamp", of_this_clock(report.from_stamp)),
    ]
    return [(f"{camera.topic}: {key}", value) for key, value in values]
