"""A detector's looks at images: begun and ended in its thread, reported in another one."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import NamedTuple

from pstmo_ros.monitor import Monitor, Report


class Answer(NamedTuple):
    """What came of a look."""

    people: int
    """Who were found."""
    from_stamp: int
    """Nanoseconds since the image's stamp."""


@dataclass(frozen=True)
class LooksReport:
    """What came of the looks up to now."""

    report: Report
    """Of the images at which it was tried to look; those are answered that did not fail."""
    people: int
    """Who were found in the newest answered image."""
    at_hand: float
    """Seconds since the look at the present image began; 0 while there is none."""


class Looks:
    """Remembers the looks of the last seconds, and counts them all."""

    def __init__(self) -> None:
        self._monitor = Monitor(time.monotonic_ns())
        self._began: int | None = None
        self._people = 0
        self._lock = threading.Lock()

    def restart(self) -> None:
        """Forget the last seconds, not the counts."""
        with self._lock:
            self._monitor.restart(time.monotonic_ns())
            self._people = 0

    def begin(self) -> None:
        """Note that a look at an image begins."""
        with self._lock:
            self._began = time.monotonic_ns()

    def end(self, answer: Answer | None) -> None:
        """Note that the look has ended, and with which answer; None: it failed."""
        with self._lock:
            now = time.monotonic_ns()
            busy = math.nan if self._began is None else now - self._began
            self._began = None
            if answer is None:
                self._monitor.add(now, 0, busy=busy)
            else:
                self._monitor.add(now, 1, from_stamp=answer.from_stamp, busy=busy)
                self._people = answer.people

    def report(self, now: int) -> LooksReport:
        """Return what was seen up to `now` (nanoseconds, monotonic)."""
        with self._lock:
            at_hand = 0.0 if self._began is None else (now - self._began) / 1e9
            return LooksReport(self._monitor.report(now), self._people, at_hand)
