"""Shows the progress of a demonstration: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time


class Progress:
    """Says how much is done and how long the rest will take.

    Args:
        what: is counted, in the plural: frames.
        total: how many there are; None where it is not known.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total = what, total
        self._started: float | None = None
        self._shown = 0.0
        self._moving = sys.stdout.isatty()

    def show(self, done: int) -> None:
        """Say that so much is done, unless something was said just now."""
        now = time.monotonic()
        if done and self._started is None:
            self._started = now
        if now - self._shown < (0.2 if self._moving else 5.0):
            return
        self._shown = now
        if self._started is None:
            self._line("waits for the nodes")
            return
        if self._total is None:
            self._line(f"{self._what}: {done}")
            return
        left = (now - self._started) / max(done, 1) * max(self._total - done, 0)
        self._line(f"{self._what}: {done} of {self._total}, {left:.0f} s left")

    def end(self) -> None:
        """Leave the line."""
        if self._moving:
            print()

    def _line(self, text: str) -> None:
        start, end = ("\r\033[K", "") if self._moving else ("", "\n")
        print(f"{start}{text}", end=end, flush=True)
