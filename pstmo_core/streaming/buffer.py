"""The recent keypoints of all people, ordered by time, in arrays of fixed size."""

from __future__ import annotations

from collections import deque

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.skeleton import JOINTS


class StreamBuffer:
    """A ring of frames, each with a slot for every person.

    The rows lie in arrays of twice the capacity: the newest rows are always one contiguous slice,
    and once in `capacity` frames they are moved to the front. Nothing is allocated per frame.

    A frame also has a place: a number below `capacity + spare` that no other frame has, under which
    other modules keep data of this frame without moving them. A place that becomes free is not
    reused before `spare` further frames have come.
    """

    def __init__(self, capacity: int, slots: int, spare: int = 0) -> None:
        self._capacity = capacity
        rows = 2 * capacity
        self._stamps = np.empty(rows, np.int64)
        self._sizes = np.empty((rows, 2), np.float32)
        self._ups = np.empty((rows, 3), np.float32)
        self._places = np.empty(rows, np.int64)
        self._points = np.zeros((rows, slots, JOINTS, 2), np.float32)
        self._velocities = np.zeros((rows, slots, JOINTS, 2), np.float32)
        self._scores = np.empty((rows, slots, JOINTS), np.float32)
        self._seen = np.empty((rows, slots, JOINTS), bool)
        self._present = np.empty((rows, slots), bool)
        self._free = deque(range(capacity + 1 + spare))
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
    def ups(self) -> np.ndarray:
        """(N, 3) the camera's up vectors, 0 where not known; a view."""
        return self._ups[self._start : self._end]

    @property
    def places(self) -> np.ndarray:
        """(N,) int64, see the class; a view."""
        return self._places[self._start : self._end]

    @property
    def points(self) -> np.ndarray:
        """(N, slots, 17, 2) pixels, 0 where not seen; a view."""
        return self._points[self._start : self._end]

    @property
    def velocities(self) -> np.ndarray:
        """(N, slots, 17, 2) pixels a second, 0 where nothing is known of it; a view."""
        return self._velocities[self._start : self._end]

    @property
    def scores(self) -> np.ndarray:
        """(N, slots, 17), 0 where a joint was not seen; a view."""
        return self._scores[self._start : self._end]

    @property
    def seen(self) -> np.ndarray:
        """(N, slots, 17) bool; a view."""
        return self._seen[self._start : self._end]

    @property
    def present(self) -> np.ndarray:
        """(N, slots) bool, whether a person was seen at all; a view."""
        return self._present[self._start : self._end]

    def insert(self, frame: KeypointFrame) -> int | None:
        """Make room for a frame, in order of time, and return its row, still without people.

        Returns None, and changes nothing, if a frame with that stamp is there already, or if the
        ring is full of later ones.
        """
        position = int(self.stamps.searchsorted(frame.stamp))
        if position < len(self) and self.stamps[position] == frame.stamp:
            return None
        if position == 0 and len(self) == self._capacity:
            return None
        if self._end == len(self._stamps):
            self._move(self._start, self._end, 0)
            self._start, self._end = 0, self._end - self._start
        row = self._start + position
        self._move(row, self._end, row + 1)
        self._end += 1
        self._stamps[row] = frame.stamp
        self._sizes[row] = frame.width, frame.height
        self._ups[row] = 0 if frame.pose is None else frame.pose.up
        self._places[row] = self._free.popleft()
        self._scores[row] = 0
        self._seen[row] = self._present[row] = False
        if len(self) > self._capacity:
            self._free.append(int(self._places[self._start]))
            self._start += 1
            position -= 1
        return position

    def put(
        self,
        row: int,
        slots: np.ndarray,
        points: np.ndarray,
        scores: np.ndarray,
        velocities: np.ndarray | None = None,
    ) -> None:
        """Store people of a frame.

        Args:
            row: that of the frame.
            slots: (P,), the people's.
            points: (P, 17, 2) pixels.
            scores: (P, 17), 0 where not seen.
            velocities: (P, 17, 2) pixels a second.
        """
        row += self._start
        self._velocities[row][slots] = 0 if velocities is None else velocities
        seen = scores > 0
        self._scores[row][slots] = scores
        self._seen[row][slots] = seen
        self._present[row][slots] = seen.any(-1)
        self._points[row][slots] = np.where(seen[..., None], points, np.float32(0))

    def clear_slot(self, slot: int) -> None:
        """Forget the person in a slot."""
        self.scores[:, slot] = 0
        self.seen[:, slot] = False
        self.present[:, slot] = False

    def clear(self) -> None:
        """Forget every frame."""
        self._free.extend(self.places.tolist())
        self._start = self._end = 0

    def _move(self, first: int, last: int, to: int) -> None:
        count = last - first
        if not count:
            return
        for array in (
            self._stamps, self._sizes, self._ups, self._places, self._points, self._velocities,
            self._scores, self._seen, self._present,
        ):  # fmt: skip
            array[to : to + count] = array[first:last]
