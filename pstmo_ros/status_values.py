"""Keys and values of the nodes' statuses on /diagnostics."""

from __future__ import annotations

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from pstmo_ros.faults import Fault
from pstmo_ros.monitor import Report, Spread

Values = list[tuple[str, str]]
_FARTHEST_STAMP = 10.0
"""A stamp further from the node's clock than this many seconds is of another clock."""


def status_message(name: str, judged: Fault, values: Values) -> DiagnosticStatus:
    """Return a status.

    Args:
        name: of the node, and what it does.
        judged: the level, and the sentence that says why.
        values: all figures.
    """
    level, sentence = judged
    pairs = [KeyValue(key=key, value=value) for key, value in values]
    return DiagnosticStatus(level=level, name=name, message=sentence, values=pairs)


def spread_values(what: str, spread: Spread | None) -> Values:
    """Return keys and values of a duration."""
    parts = ("median", "p95", "p99")
    if spread is None:
        return [(f"{what} {part} (ms)", "not known") for part in parts]
    return [(f"{what} {part} (ms)", f"{getattr(spread, part) * 1e3:.2f}") for part in parts]


def of_this_clock(spread: Spread | None) -> Spread | None:
    """Return a latency only if the stamps can be of the node's clock: not so in an old bag."""
    usual = spread is not None and 0 <= spread.median < _FARTHEST_STAMP
    return spread if usual else None


def age_of_last(report: Report) -> str:
    """Return the seconds since the last message, or that there was none."""
    return f"{report.silence:.1f}" if report.heard else "none came"


def drop_values(drops: Mapping[str, int]) -> Values:
    """Return keys and values of what was dropped since the start."""
    return [(f"dropped: {reason}", str(count)) for reason, count in sorted(drops.items())]
