"""How long ago people's last frames were, for what is filtered from answer to answer."""

from __future__ import annotations

import numpy as np


class FrameAges:
    """The stamps of everybody's last frames; a row a slot."""

    def __init__(self, slots: int) -> None:
        self._stamp = np.zeros(slots, np.int64)
        self._visit = np.full(slots, -1)

    def advance(self, stamp: int, slots: np.ndarray, visits: np.ndarray) -> np.ndarray:
        """Take in a frame; return seconds (P,) since people's last ones.

        Infinite for those who are new, and for everybody where time has jumped back.

        Args:
            stamp: nanoseconds.
            slots: (P,) of the people.
            visits: (P,) numbers that tell one person in a slot from the next.
        """
        age = (stamp - self._stamp[slots]) / 1e9
        known = (self._visit[slots] == visits) & (age > 0)
        self._stamp[slots], self._visit[slots] = stamp, visits
        seconds: np.ndarray = np.where(known, age, np.inf)
        return seconds
