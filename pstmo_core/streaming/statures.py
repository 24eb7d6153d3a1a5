"""People's heights as lifted, also while their legs are hidden."""

from __future__ import annotations

import numpy as np

from pstmo_core.room.leg_bending import LEGS
from pstmo_core.streaming.root import HEIGHT_OVER_BONES, bone_sums

_LEGS = LEGS[:, 1:]
#: Length of a leg over that of trunk and head of lifted skeletons whose legs are seen: median.
_USUAL = 1.155
#: A person's own is averaged over the last so many frames.
_FRAMES = 50


class Statures:
    """Measures lifted skeletons and remembers how long people's legs are.

    A network that does not see somebody's legs makes them 7 % shorter than they are. Taken at its
    word, everybody behind a table would shrink by 3 %, and whoever's height is known would be
    placed that much too far away.

    Args:
        rows: people that can be remembered.
    """

    def __init__(self, rows: int) -> None:
        self._ratio = np.full(rows, _USUAL)
        self._frames = np.zeros(rows)

    def forget(self, row: int) -> None:
        """Forget the person in a row."""
        self._ratio[row], self._frames[row] = _USUAL, 0.0

    def measure(self, rows: np.ndarray, joints: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Return heights (P,) in metres.

        Args:
            rows: (P,) of the people.
            joints: (P, 17, 3) metres, lifted.
            seen: (P, 17) bool.
        """
        legs, trunk = bone_sums(joints.astype(np.float64))
        whole = seen[:, _LEGS].all(-1).any(-1) & (trunk > 0) & np.isfinite(legs + trunk)
        kept = rows[whole]
        self._frames[kept] = np.minimum(self._frames[kept] + 1, _FRAMES)
        off = legs[whole] / trunk[whole] - self._ratio[kept]
        self._ratio[kept] += off / self._frames[kept]
        legs = np.where(whole, legs, self._ratio[rows] * trunk)
        found: np.ndarray = HEIGHT_OVER_BONES * (legs + trunk)
        return found
