"""The detector's health on /diagnostics: how images come, how long each takes, who is found."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node

from pstmo_ros.drops import DropCounter
from pstmo_ros.faults import (
    ERROR,
    OK,
    WARN,
    Fault,
    dropped,
    is_silent,
    no_clock,
    remedied,
    silent,
    worst,
)
from pstmo_ros.looks import Looks, LooksReport
from pstmo_ros.monitor import WINDOW, Monitor, Report
from pstmo_ros.recent_drops import RecentDrops
from pstmo_ros.silence_log import SilenceLog
from pstmo_ros.status_publisher import StatusPublisher
from pstmo_ros.status_values import (
    Values,
    age_of_last,
    drop_values,
    of_this_clock,
    spread_values,
    status_message,
)

LONGEST_LOOK = 10.0
"""Seconds at one image after which a detector hangs."""
REPLACED, CROWDED, IMAGE = "replaced", "crowded_images", "image"
"""Reasons: an image that a newer one replaced; people who were left out; an invalid image."""
SEVERAL_CAMERAS = "several_cameras"
#: What needs no sentence, or has another one.
_TOLD = frozenset({REPLACED, CROWDED, IMAGE, SEVERAL_CAMERAS})
_REMEDIES = {
    SEVERAL_CAMERAS: "several cameras publish on the topic and only one is looked at: give each a "
    "topic and a detector of its own (ros2 topic info -v names who publishes)"
}


@dataclass(frozen=True)
class DetectorFacts:
    """What the node says of itself."""

    state: str
    """unconfigured, inactive, active or finalized."""
    detector: str
    """Which it is, and its pace; empty while unconfigured."""
    topic: str
    """Where images are expected."""
    kind: str = ""
    """Type of the images' messages; empty until it is known."""
    publishers: int = 1
    """How many there are on the topic."""
    waits_for_clock: bool = False
    """Whether time is to come from /clock, and none has."""
    bad_image: str = ""
    """Why the last image that could not be decoded could not."""


@dataclass(frozen=True)
class DetectorHealth:
    """All that is known of the detector at one moment."""

    facts: DetectorFacts
    images: Report
    """Of the images that came."""
    looks: LooksReport
    drops: Counter[str]
    """Since the start."""
    recent_drops: Counter[str]
    """In the last seconds."""

    @property
    def people(self) -> int:
        """How many are seen now."""
        return 0 if is_silent(self.images) else self.looks.people


class DetectorDiagnostics:
    """Says on /diagnostics how a detector is, and in the log that images stay away."""

    def __init__(self, node: Node, drops: DropCounter, facts: Callable[[], DetectorFacts]) -> None:
        now = time.monotonic_ns()
        self.looks = Looks()
        """To be told of each look."""
        self.images = Monitor(now)
        """To be told, in the node's executor, of each image that comes."""
        self._drops, self._facts = drops, facts
        self._recent_drops = RecentDrops(now, WINDOW)
        self._silence_log = SilenceLog(node, "images")
        StatusPublisher(node, self._status)

    def restart(self) -> None:
        """Forget what was before the node was activated, but the counts."""
        self.images.restart(time.monotonic_ns())
        self.looks.restart()

    def _status(self, name: str) -> DiagnosticStatus:
        now, drops = time.monotonic_ns(), self._drops.counts.copy()
        facts, images = self._facts(), self.images.report(now)
        recent = self._recent_drops.update(now, drops)
        health = DetectorHealth(facts, images, self.looks.report(now), drops, recent)
        self._silence_log.look(facts.state == "active", images, facts.topic, _silence(health))
        return status(name, health)


def status(name: str, health: DetectorHealth) -> DiagnosticStatus:
    """Return the level, the sentence and the figures of the detector with this name."""
    return status_message(f"{name}: detecting", judge(health), _values(health))


def judge(health: DetectorHealth) -> Fault:
    """Return the level and the sentences that say why."""
    if health.facts.state != "active":
        return OK, f"{health.facts.state}: images are not looked at"
    found = [no_clock(health.facts.waits_for_clock), _silence(health), _hangs(health)]
    found += [_invalid(health), _drops(health), remedied(_REMEDIES, health.recent_drops)]
    if fault := worst(found):
        return fault
    if not health.images.recent_frames:
        return OK, "active: waits for images"
    busy, rates = health.looks.report.busy, (health.looks.report.rate, health.images.rate)
    looked = f", looks at {rates[0]:.1f} of {rates[1]:.1f} images/s"
    took = "" if busy is None else f", {busy.median * 1e3:.1f} ms each"
    return OK, f"active: {health.people} people{'' if math.isnan(sum(rates)) else looked}{took}"


def _silence(health: DetectorHealth) -> Fault | None:
    facts = health.facts
    if not facts.publishers:
        why = "nobody publishes there; does the camera's driver run, and is image_topic right?"
    elif not facts.kind:
        why = "what is published there is neither Image nor CompressedImage; is image_topic right?"
    else:
        why = (
            f"who publishes there is silent, was killed, or sends another type than {facts.kind} "
            "(ros2 topic info -v); does the camera still give images?"
        )
    return silent(health.images, "images", facts.topic, why)


def _hangs(health: DetectorHealth) -> Fault | None:
    seconds = health.looks.at_hand
    if seconds < LONGEST_LOOK:
        return None
    return ERROR, (
        f"the detector has been at one image for {seconds:.0f} s: it hangs, or the machine is "
        "overloaded; if that lasts, start the node again or choose another detector"
    )


def _invalid(health: DetectorHealth) -> Fault | None:
    count = health.recent_drops[IMAGE]
    if not count:
        return None
    return ERROR if health.looks.report.in_vain else WARN, (
        f"{count} images of the last {WINDOW:.0f} s cannot be decoded, the newest because "
        f"{health.facts.bad_image}"
    )


def _drops(health: DetectorHealth) -> Fault | None:
    recent = {r: n for r, n in health.recent_drops.items() if r not in _TOLD}
    return dropped(recent, health.looks.report.in_vain)


def _values(health: DetectorHealth) -> Values:
    facts, images, looks = health.facts, health.images, health.looks.report
    drops = {r: n for r, n in health.drops.items() if r not in (REPLACED, CROWDED)}
    return [
        ("state", facts.state),
        ("detector", facts.detector or "none: unconfigured"),
        ("people", str(health.people)),
        ("image topic", facts.topic),
        ("image type", facts.kind or "not known"),
        ("publishers of images", str(facts.publishers)),
        ("images received", str(images.frames)),
        ("images looked at", str(looks.answered)),
        ("images replaced by newer ones", str(health.drops[REPLACED])),
        ("images that failed", str(looks.frames - looks.answered)),
        ("images lost before the node", str(images.lost)),
        ("images with more people than are followed", str(health.drops[CROWDED])),
        ("input rate (Hz)", f"{images.rate:.1f}"),
        ("rate of looks (Hz)", f"{looks.rate:.1f}"),
        ("age of the last image (s)", age_of_last(images)),
        *spread_values("busy with an image", looks.busy),
        *spread_values("latency from stamp", of_this_clock(looks.from_stamp)),
        *drop_values(drops),
    ]
