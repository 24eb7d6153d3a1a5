"""What the nodes' reports on /diagnostics call a fault, and how grave it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from diagnostic_msgs.msg import DiagnosticStatus

from pstmo_ros.monitor import WINDOW, Report

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
Fault = tuple[bytes, str]
"""A level, and the sentence that says why."""
SILENCE = 2.0
"""Seconds without a message after which a warning is due."""
LOST = 0.05
"""Share of frames lost before the node above which a warning is due."""
_INTERNAL = "internal"


def worst(found: Iterable[Fault | None]) -> Fault | None:
    """Return the highest level and all sentences, None if there is no fault."""
    faults = [fault for fault in found if fault is not None]
    if not faults:
        return None
    return max(level for level, _ in faults), "; ".join(sentence for _, sentence in faults)


def no_clock(waits: bool) -> Fault | None:
    """Warn if a node waits for simulated time."""
    return (WARN, "use_sim_time is true, but nobody publishes /clock") if waits else None


def is_silent(report: Report) -> bool:
    """Say whether no message has come for so long that a warning is due."""
    return report.silence >= SILENCE


def silent(
    report: Report, what: str, topic: str, why: str, start: str = "the node was activated"
) -> Fault | None:
    """Warn if messages stay away.

    Args:
        report: of the messages.
        what: they carry.
        topic: they should come on.
        why: the likely reason, and what to look at.
        start: since when they have been waited for.
    """
    if not is_silent(report):
        return None
    since = "" if report.heard else f", none since {start}"
    return WARN, f"no {what} on {topic} for {report.silence:.0f} s{since}: {why}"


def dropped(recent: Mapping[str, int], useless: bool = False) -> Fault | None:
    """Name what was dropped in the last seconds.

    Args:
        recent: counts by reason; those that need no sentence, or have another, left out.
        useless: whether nothing was left.
    """
    counts = ", ".join(f"{reason} {count}" for reason, count in sorted(recent.items()))
    if not counts:
        return None
    sentence = f"dropped in the last {WINDOW:.0f} s: {counts}; the log says why"
    return ERROR if useless or _INTERNAL in recent else WARN, sentence


def remedied(remedies: Mapping[str, str], recent: Counter[str]) -> Fault | None:
    """Say what to do about what happened in the last seconds, as far as reasons have a remedy."""
    found = [text for reason, text in remedies.items() if recent[reason]]
    return (WARN, "; ".join(found)) if found else None
