"""Velocities of people from their positions, by a filter that looks only at the past."""

from __future__ import annotations

import numpy as np

#: Seconds over which a velocity is taken: shorter is noise, longer comes late.
TIME = 0.25
#: A person not seen for this long starts without a velocity, seconds.
_GAP = 0.5


class Velocities:
    """Keeps a position and a velocity for each of the people seen last.

    Args:
        people: that are kept at most; whoever was seen longest ago goes first.
    """

    def __init__(self, people: int = 256) -> None:
        self._people = people
        self._known: dict[str, tuple[int, np.ndarray, np.ndarray, float]] = {}
        self._frame = ""

    def update(
        self, ids: tuple[str, ...], stamp: int, positions: np.ndarray, frame: str = ""
    ) -> np.ndarray:
        """Take in where people are and return their velocities.

        Args:
            ids: P ids.
            stamp: nanoseconds; the same as before changes nothing.
            positions: (P, 3) metres in a fixed frame, or (P, ...) of anything else that moves with
                a person, such as joints or angles; NaN where not known.
            frame: name of the fixed frame; in another one everybody starts without a velocity.

        Returns:
            As many values, a second; NaN for whom too little is known yet.
        """
        if frame != self._frame:
            self._known.clear()
            self._frame = frame
        found = np.full(positions.shape, np.nan)
        for row, name in enumerate(ids):
            if np.isfinite(positions[row]).all():
                found[row] = self._follow(name, stamp, positions[row])
        return found

    def _follow(self, name: str, stamp: int, position: np.ndarray) -> np.ndarray:
        """Advance a person's constant-velocity (alpha-beta) filter."""
        before = self._known.pop(name, None)
        passed = 0.0 if before is None else (stamp - before[0]) / 1e9
        if before is not None and not passed:
            self._known[name] = before
            return before[2] if before[3] >= TIME else np.full(position.shape, np.nan)
        if before is None or not 0 < passed <= _GAP:
            if len(self._known) >= self._people:
                self._known.pop(next(iter(self._known)))
            self._known[name] = (stamp, position.astype(np.float64), np.zeros(position.shape), 0.0)
            return np.full(position.shape, np.nan)
        _, old, velocity, age = before
        keep = np.exp(-passed / TIME)
        expected = old + passed * velocity
        off = position - expected
        # Critically damped; while young, a person's velocity is learned faster.
        young = TIME / (TIME + age)
        follow = max(1 - keep**2, young)
        gain = max((1 - keep) ** 2, young * (1 - keep))
        velocity = velocity + gain / passed * off
        age += passed
        self._known[name] = (stamp, expected + follow * off, velocity, age)
        return velocity if age >= TIME else np.full(position.shape, np.nan)
