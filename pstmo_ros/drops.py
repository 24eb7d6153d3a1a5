"""Counts what was dropped, by reason, and limits how often it is logged."""

from __future__ import annotations

import threading
from collections import Counter

#: Nanoseconds between two reports of what is usual, such as images that a newer one replaces.
RARELY = 300_000_000_000


class DropCounter:
    """Counts drops by reason; each reason is reported at once, then no more often than a period.

    Threads may share it.

    Args:
        period: nanoseconds between two reports of one reason.
    """

    def __init__(self, period: int = 5_000_000_000) -> None:
        self.counts: Counter[str] = Counter()
        self._period = period
        self._reported: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(
        self, reason: str, sentence: str, now: int, amount: int = 1, period: int | None = None
    ) -> str | None:
        """Count a drop and return the line to log, None if the reason was reported just now.

        Args:
            reason: what is counted.
            sentence: what it means.
            now: nanoseconds of a clock.
            amount: how many there were.
            period: nanoseconds between two reports, where they differ from other reasons'.
        """
        with self._lock:
            self.counts[reason] += amount
            last = self._reported.get(reason)
            if last is not None and 0 <= now - last < (self._period if period is None else period):
                return None
            self._reported[reason] = now
            return f"{sentence} ({reason}: {self.counts[reason]} so far)"

    def summary(self) -> str:
        """Return all counts in a line, '' if there are none."""
        return ", ".join(f"{reason} {count}" for reason, count in sorted(self.counts.items()))
