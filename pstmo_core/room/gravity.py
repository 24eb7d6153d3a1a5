"""The direction of gravity, from an accelerometer at rest or in steady motion."""

from __future__ import annotations

import numpy as np

#: Metres a second squared that a sensor at rest feels, upwards.
_GRAVITY = 9.81
#: Seconds over which what is felt is averaged.
_TIME = 0.5
#: What differs from gravity by this much counts half; metres per second squared.
_SHAKEN = 0.5
#: Seconds after which what was felt says nothing any more.
_OLD = 1.0


class GravityFilter:
    """Averages what an accelerometer feels; shocks and speeding up count little."""

    def __init__(self) -> None:
        self._felt = np.zeros(3)
        self._weight = 0.0
        self._stamp = 0

    def update(self, stamp: int, acceleration: np.ndarray) -> None:
        """Take in what was felt, (3,) in metres per second squared, at a stamp in nanoseconds."""
        if not np.isfinite(acceleration).all():
            return
        passed = (stamp - self._stamp) / 1e9
        keep = np.exp(-passed / _TIME) if 0 <= passed < _OLD and self._weight else 0.0
        off = abs(float(np.linalg.norm(acceleration)) - _GRAVITY) / _SHAKEN
        share = (1 - keep) / (1 + off**2)
        self._felt = keep * self._felt + share * np.asarray(acceleration, np.float64)
        self._weight = keep * self._weight + share
        self._stamp = stamp

    def up(self, stamp: int) -> np.ndarray | None:
        """Return the unit vector (3,) against gravity at a stamp, None if nothing is known."""
        length = float(np.linalg.norm(self._felt))
        if not self._weight or abs(stamp - self._stamp) > _OLD * 1e9 or not length > 0:
            return None
        up: np.ndarray = self._felt / length
        return up

    def seconds_to(self, stamp: int) -> float | None:
        """Return by how much a stamp is off that of what was felt last; None if nothing was."""
        return abs(stamp - self._stamp) / 1e9 if self._weight else None
