"""The recent keypoints of everybody, in order of time, in arrays of fixed size."""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints import KeypointFrame
from pstmo_core.skeleton import JOINTS


class StreamBuffer:
    """A ring of frames, each with a place (slot) for every person.

    The rows lie in arrays of twice the capacity: the newest rows are always one contiguous slice,
    and once in `capacity` frames they are moved to the front. Nothing is allocated per frame.
    """

    def __init__(self, capacity: int, slots: int) -> None:
        self._capacity = capacity
        rows = 2 * capacity
        self._stamps = np.empty(rows, np.int64)
        self._sizes = np.empty((rows, 2), np.float32)
        self._points = np.zeros((rows, slots, JOINTS, 2), np.float32)
        self._scores = np.empty((rows, slots, JOINTS), np.float32)
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def stamps(self) -> np.ndarray:
        """(N,) int64 nanoseconds, increasing; a view."""
        return self._stamps[self._start : self._end]

    @property
    def sizes(self) -> np.ndarray:
        """(N, 2) image width and height in pixels; a view."""
        return self._sizes[self._start : self._end]

    @property
    def points(self) -> np.ndarray:
        """(N, slots, 17, 2) pixels; a view."""
        return self._points[self._start : self._end]

    @property
    def scores(self) -> np.ndarray:
        """(N, slots, 17), 0 where a joint was not seen; a view."""
        return self._scores[self._start : self._end]

    def insert(self, frame: KeypointFrame) -> int | None:
        """Make room for a frame in its place in time and return its row, still without people.

        Returns None, and changes nothing, if a frame with that stamp is there already, or if the
        ring is full of later ones.
        """
        place = int(np.searchsorted(self.stamps, frame.stamp))
        if place < len(self) and self.stamps[place] == frame.stamp:
            return None
        if place == 0 and len(self) == self._capacity:
            return None
        if self._end == len(self._stamps):
            self._move(self._start, self._end, 0)
            self._start, self._end = 0, self._end - self._start
        row = self._start + place
        self._move(row, self._end, row + 1)
        self._end += 1
        self._stamps[row] = frame.stamp
        self._sizes[row] = frame.width, frame.height
        self._scores[row] = 0
        if len(self) > self._capacity:
            self._start += 1
            place -= 1
        return place

    def clear_slot(self, slot: int) -> None:
        """Forget the person in a slot."""
        self._scores[self._start : self._end, slot] = 0

    def clear(self) -> None:
        """Forget every frame."""
        self._start = self._end = 0

    def _move(self, first: int, last: int, to: int) -> None:
        count = last - first
        for array in (self._stamps, self._sizes, self._points, self._scores):
            array[to : to + count] = array[first:last]
