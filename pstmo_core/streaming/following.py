"""Filters the newest keypoints of each person in a stream that is read frame by frame.

It does for streaming networks what `StreamBuffer` and `Steadier` do for windows. There, frames may
come late and are read again; here only the newest frame counts, so one row per person is enough.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINTS
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.one_euro import advance
from pstmo_core.streaming.steadying import NEVER, TRACK, follow, nobodys_sides

#: Seconds over which the share of observed time is taken; what was before them fades.
_LASTING = 0.5
#: Longest time between two frames of a person that counts as observed, in seconds.
_CLOSE = 0.1


class Following:
    """Follows the keypoints of everybody from frame to frame; a row a slot."""

    def __init__(self, config: StreamConfig) -> None:
        self._config, slots = config, config.max_people
        self._steadying = bool(config.unswap or config.outlier or config.keypoint_cutoff)
        self._size: tuple[int, int] | None = None
        self._tracks = np.zeros((slots, JOINTS), TRACK)
        self._sides = nobodys_sides(slots)
        self._joints = np.zeros((slots, JOINTS, 2), np.float32)
        self._joint_scores = np.zeros((slots, JOINTS), np.float32)
        self._joint_stamps = np.full((slots, JOINTS), NEVER)
        self.points = np.zeros((slots, JOINTS, 2), np.float32)
        """(slots, 17, 2) pixels of people's last frames, 0 where not seen."""
        self.scores = np.zeros((slots, JOINTS), np.float32)
        """(slots, 17) of these, 0 where not seen."""
        self.sighted = np.full(slots, NEVER)
        """(slots,) stamps of people's last frames."""
        self._came = np.full(slots, NEVER)
        self._observed = np.zeros(slots, np.float32)
        self.clear()

    def put(
        self,
        stamp: int,
        size: tuple[int, int],
        slots: np.ndarray,
        points: np.ndarray,
        scores: np.ndarray,
    ) -> None:
        """Follow people into the next frame.

        Args:
            stamp: nanoseconds.
            size: image width and height in pixels; in an image of another size, people are
                followed from where they are then.
            slots: (P,), the people's.
            points: (P, 17, 2) pixels.
            scores: (P, 17), 0 where not seen.
        """
        if size != self._size:
            self._size = size
            self._unfollow(slice(None))
        if not len(slots):
            return
        if self._steadying:
            tracks, sides = self._tracks[slots], self._sides[slots]
            tracks, sides, points, scores = follow(
                tracks, sides, stamp, points, scores, self._config
            )
            self._tracks[slots], self._sides[slots] = tracks, sides
        seen = scores > 0
        row, joint = seen.nonzero()
        slot = slots[row]
        self._joints[slot, joint] = points[row, joint]
        self._joint_scores[slot, joint] = scores[row, joint]
        self._joint_stamps[slot, joint] = stamp
        self.points[slots] = np.where(seen[..., None], points, np.float32(0))
        self.scores[slots] = scores
        self._observe(stamp, slots)
        self._came[slots] = np.where(self.sighted[slots] == NEVER, stamp, self._came[slots])
        self.sighted[slots] = stamp

    def there(self, stamp: int, bridge: int) -> np.ndarray:
        """Return the slots (P,) of those who were seen within the time before a stamp.

        Nobody is bridged for longer than he was there: a false detection of one image is not.
        """
        known = np.flatnonzero(self.sighted != NEVER)
        left = self.sighted[known]
        return known[stamp - left <= np.minimum(bridge, left - self._came[known])]

    def observed(self, stamp: int, slots: np.ndarray) -> np.ndarray:
        """Return which share of the recent time up to a frame people (P,) were observed."""
        age = (stamp - self.sighted[slots]) / 1e9
        share: np.ndarray = self._observed[slots] * np.exp(-age / _LASTING).astype(np.float32)
        return share

    def now(self, stamp: int, slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where joints (P, 17, 2) are in the newest frame, and their scores (P, 17).

        The joints of somebody whom the detector misses move on from where they were for `carry`,
        while their scores fade. Of somebody who is seen, those that are hidden are hidden: the
        network knows what was there.
        """
        if (self.sighted[slots] == stamp).all():
            return self.points[slots], self.scores[slots]
        points, scores = self._joints[slots], self._joint_scores[slots]
        age = stamp - self._joint_stamps[slots]
        carry = round(self._config.carry * 1e9)
        never = self._joint_stamps[slots] == NEVER
        missed = (self.sighted[slots] != stamp)[:, None]
        seen, carried = (age == 0) & ~never, (age > 0) & (age < carry) & ~never & missed
        seconds = np.where(carried, age, 0).astype(np.float32) / np.float32(1e9)
        velocity = self._tracks["velocity"][slots]
        points = advance(points, velocity, seconds)[0]
        faded = scores * (1 - seconds / np.float32(self._config.carry or 1))
        known = seen | carried
        return (
            np.where(known[..., None], points, np.float32(0)).astype(np.float32, copy=False),
            np.where(known, faded, np.float32(0)),
        )

    def forget(self, slot: int) -> None:
        """Forget the person in a slot."""
        self._unfollow(slot)
        self.sighted[slot] = NEVER
        self._observed[slot] = 0

    def clear(self) -> None:
        """Forget everybody."""
        self._size = None
        self._unfollow(slice(None))
        self.sighted[:] = NEVER
        self._observed[:] = 0

    def _unfollow(self, slots: int | slice) -> None:
        self._tracks["stamp"][slots] = NEVER
        self._tracks["velocity"][slots] = 0
        self._sides[slots] = nobodys_sides()
        self._joint_stamps[slots] = NEVER

    def _observe(self, stamp: int, slots: np.ndarray) -> None:
        before = self.sighted[slots]
        new = before == NEVER
        passed = (stamp - np.where(new, stamp, before)) / 1e9
        counted = np.where(new, _CLOSE, np.minimum(passed, _CLOSE))
        left = self._observed[slots] * np.exp(-passed / _LASTING)
        self._observed[slots] = left + 1 - np.exp(-counted / _LASTING)
