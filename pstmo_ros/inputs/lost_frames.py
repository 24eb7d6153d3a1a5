"""Counts frames that were sent but never reached the node, from those that did."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

_INTERVALS = 64
"""Intervals between stamps of which the source's rate is made."""
_FEWEST = 8
_LONGEST_PAUSE = 1_000_000_000
"""Nanoseconds between two stamps that are a pause of the source, not a loss."""


class LostFrames:
    """Counts the frames that are missing between those of a source.

    The middleware numbers each publisher's messages: a gap in the numbers is exact. Where it does
    not say the number (ROS 2 Humble), frames are missed where the time between stamps is a multiple
    of the source's usual time between them.

    Args:
        publishers: says how many publishers there are now. While there are several the numbers of
            their messages are mixed and no gap is counted.
    """

    def __init__(self, publishers: Callable[[], int]) -> None:
        self.count = 0
        self._publishers = publishers
        self._number: int | None = None
        self._mixed = False
        self._stamp: int | None = None
        self._intervals: deque[int] = deque(maxlen=_INTERVALS)

    def add(self, number: int | None, stamp: int) -> int:
        """Take note of a frame and return how many were lost since the last one.

        Args:
            number: of the message among its publisher's, None where that is not known.
            stamp: nanoseconds.
        """
        lost = self._by_stamp(stamp) if number is None else self._by_number(number)
        self.count += lost
        return lost

    def _by_number(self, number: int) -> int:
        last, self._number = self._number, number
        if last is None or number == last + 1:
            return 0
        was_mixed, self._mixed = self._mixed, self._publishers() > 1
        # A publisher that starts again counts from 1.
        return 0 if was_mixed or self._mixed else max(0, number - last - 1)

    def _by_stamp(self, stamp: int) -> int:
        last, self._stamp = self._stamp, stamp
        if last is None or not 0 < stamp - last < _LONGEST_PAUSE:
            return 0
        self._intervals.append(stamp - last)
        if len(self._intervals) < _FEWEST or self._publishers() > 1:
            return 0
        usual = float(np.percentile(self._intervals, 10))
        return max(0, round((stamp - last) / usual) - 1)
