"""Detects feet on the floor: their ankles are still and as low as those of standing feet.

The decision has hysteresis: the limits for a foot that already stands are wider than for one that
begins to stand.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.room.floor import ANKLE_HEIGHT

#: Metres by which an ankle may be off the height of one that stands, to begin and to go on.
_BEGIN_HEIGHT, _KEEP_HEIGHT = 0.08, 0.12
#: How fast it may move for the same, metres per second; along its ray, where distances are less
#: certain, faster by a factor.
_BEGIN_SPEED, _KEEP_SPEED = 0.30, 0.50
_ALONG = 2.5
#: Seconds over which speeds are averaged.
_AVERAGE = 0.06
#: Somebody not seen for this long is seen for the first time, seconds.
_GAP = 0.5


class FootContact:
    """Follows the feet of people, each in a row of arrays that their owner hands out.

    Args:
        rows: how many people can be remembered.
    """

    def __init__(self, rows: int) -> None:
        self._ankles = np.zeros((rows, 2, 3))
        """Metres, level frame."""
        self._velocity = np.zeros((rows, 2, 3))
        self._stamps: np.ndarray = np.full(rows, -1, np.int64)
        self._stands = np.zeros((rows, 2), bool)

    def forget(self, row: int) -> None:
        """Forget the person in a row."""
        self._stamps[row] = -1

    def look(
        self,
        rows: np.ndarray,
        stamp: int,
        ankles: np.ndarray,
        seen: np.ndarray,
        camera: np.ndarray,
        floor: float,
    ) -> np.ndarray:
        """Return which feet (P, 2), right and left, are on the floor.

        Args:
            rows: (P,), the people's rows.
            stamp: nanoseconds; frames must come in the order of their stamps.
            ankles: (P, 2, 3) metres, right and left, level frame.
            seen: (P, 2) bool; a foot that is not seen does not stand.
            camera: (3,) metres, where the camera is in the level frame.
            floor: metres, the height of the floor in the level frame.
        """
        passed = (stamp - self._stamps[rows]) / 1e9
        new = (self._stamps[rows] < 0) | (passed > _GAP) | (passed <= 0)
        passed = np.where(new, 1.0, passed)[:, None, None]
        velocity = (ankles - self._ankles[rows]) / passed
        before = np.where(new[:, None, None], velocity, self._velocity[rows])
        velocity = before + (1 - np.exp(-passed / _AVERAGE)) * (velocity - before)
        away = ankles - camera
        away /= np.maximum(np.linalg.norm(away, axis=-1, keepdims=True), 1e-6)
        along = (velocity * away).sum(-1, keepdims=True) * away
        speed = np.linalg.norm(velocity - along + along / _ALONG, axis=-1)
        high = np.abs(ankles[..., 2] - floor - ANKLE_HEIGHT)
        stood = self._stands[rows] & ~new[:, None]
        begins = (high < _BEGIN_HEIGHT) & (speed < _BEGIN_SPEED) & ~new[:, None]
        keeps = (high < _KEEP_HEIGHT) & (speed < _KEEP_SPEED) & stood
        stands: np.ndarray = (begins | keeps) & seen
        self._ankles[rows], self._velocity[rows] = ankles, velocity
        self._stands[rows], self._stamps[rows] = stands, stamp
        return stands
