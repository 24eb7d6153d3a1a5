"""Filters 3D joints after lifting: the network turns a pixel of jitter into depth."""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINTS
from pstmo_core.streaming import one_euro

#: Seconds after which somebody who comes back is filtered from then on.
_MEMORY = 0.5
#: Metres by which speeds are measured: the RMS distance of an adult's joints from their middle.
_SIZE = 0.5


class JointFilter:
    """A One-Euro filter for the joints of everybody, relative to their pelvises.

    Args:
        slots: how many people there may be.
        cutoff: Hz, the cut-off frequency of a joint that rests; 0 = off.
        beta: Hz by which it grows for each half metre a second.
    """

    def __init__(self, slots: int, cutoff: float, beta: float) -> None:
        self._cutoff, self._beta = cutoff, beta
        self._points = np.zeros((slots, JOINTS, 3), np.float32)
        self._velocity = np.zeros((slots, JOINTS, 3), np.float32)

    def filter(self, age: np.ndarray, slots: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """Filter the skeletons of a frame; frames come in the order of their stamps.

        Args:
            age: (P,) seconds since people's last frames, as of `FrameAges`.
            slots: (P,) of the people.
            joints: (P, 17, 3) metres, NaN where not known.
        """
        if not self._cutoff or not len(slots):
            return joints
        age = np.where(age > _MEMORY, np.inf, age).astype(np.float32)[:, None]
        before, velocity = self._points[slots], self._velocity[slots]
        if not np.isfinite(before).all():
            age = np.where(np.isfinite(before).all(-1), age, np.float32(np.inf))
            before, velocity = np.nan_to_num(before), np.nan_to_num(velocity)
        expected, velocity = one_euro.advance(before, velocity, np.minimum(age, 9))
        cutoff = one_euro.adaptive_cutoff(velocity, np.array(_SIZE), self._cutoff, self._beta)
        points, velocity = one_euro.correct(
            expected, velocity, joints, age, cutoff.astype(np.float32)
        )
        points = points.astype(np.float32, copy=False)
        self._points[slots], self._velocity[slots] = points, velocity
        return points
