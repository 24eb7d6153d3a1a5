"""How fast the machine is now, against when its networks were timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

#: Timings that are judged together, and the share of them, the fastest, that counts: whatever else
#: runs disturbs some of them.
_BATCH, _UNDISTURBED = 60, 25
#: By how much a batch must be faster or slower than what is believed.
_FASTER, _SLOWER = 0.67, 2.0
#: Batches in a row that must say so: at first, and at most, see `Pace`.
_FEW, _MANY = 2, 32


class Pace:
    """What work takes now, over what it took when it was timed.

    Nodes start together, so that what is timed at the start may take less ever after; and a machine
    may get other work later. It is steady: what is believed changes only if several batches of
    timings say so, and after each change back twice as many must. A load that comes and goes
    therefore changes it ever more rarely.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.now = 1.0
        """Above 1: slower."""
        self._timings: list[float] = []
        self._agreeing: list[float] = []
        self._slower = self._changed_to_slower = False
        self._changes, self._needed = 0, _FEW

    @contextmanager
    def timing(self, expected: float) -> Iterator[None]:
        """Take the time of work that would take `expected` seconds if the pace were 1."""
        began = self._clock()
        yield
        if expected > 0:
            self._timings.append((self._clock() - began) / expected)
        if len(self._timings) >= _BATCH:
            self._judge(float(np.percentile(self._timings, _UNDISTURBED)))
            self._timings.clear()

    def _judge(self, pace: float) -> None:
        slower = pace > _SLOWER * self.now
        if not slower and pace >= _FASTER * self.now:
            self._agreeing.clear()
            return
        if slower != self._slower:
            self._agreeing.clear()
        self._slower = slower
        self._agreeing.append(pace)
        if len(self._agreeing) < self._needed:
            return
        if self._changes and slower != self._changed_to_slower:
            self._needed = min(2 * self._needed, _MANY)
        self._changes, self._changed_to_slower = self._changes + 1, slower
        self.now = float(np.median(self._agreeing))
        self._agreeing.clear()
