"""Keeps bones as long as they were: a bone that shrinks has turned in depth, or away from it.

A network lifts each window for itself, so the bones of a person differ from frame to frame. Their
mean over some seconds is better than each, and where a bone of that length is seen shortened tells
how far it points along the camera's axis.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINTS, ancestry, bone_vectors

#: Metres: the depth of a bone below which its length hardly tells it.
_FLAT = 0.2
#: Most of its depth that a bone is turned by.
_MOST = 0.5

_PATHS = ancestry()


class BoneLengths:
    """Remembers the lengths of everybody's bones; a row a slot.

    Args:
        slots: how many people there may be.
        memory: seconds over which lengths are averaged.
    """

    def __init__(self, slots: int, memory: float) -> None:
        self._memory = memory
        self._sum = np.zeros((slots, JOINTS), np.float32)
        self._frames = np.zeros(slots, np.float32)

    def hold(
        self,
        age: np.ndarray,
        slots: np.ndarray,
        lifted: np.ndarray,
        moved: np.ndarray,
        ahead: np.ndarray,
    ) -> np.ndarray:
        """Return skeletons whose bones are nearly as long as they were; they turn in depth.

        Args:
            age: (P,) seconds since people's last frames, as of `FrameAges`.
            slots: (P,) of the people.
            lifted: (P, 17, 3) metres relative to the pelvis, as the network gives them, which
                tells the lengths.
            moved: (P, 17, 3), the skeletons to correct.
            ahead: (P, 3) unit vectors towards the people.
        """
        usual = self._usual(age, slots, np.linalg.norm(bone_vectors(lifted), axis=-1))
        bones = bone_vectors(moved)
        deep = np.einsum("pji,pi->pj", bones, ahead)
        missing = (usual**2 - (bones**2).sum(-1)) / 2
        limit = _MOST * np.abs(deep)
        turned = np.clip(missing * deep / (deep**2 + _FLAT**2), -limit, limit)
        held: np.ndarray = moved + (turned @ _PATHS.T)[..., None] * ahead[:, None]
        return held

    def _usual(self, age: np.ndarray, slots: np.ndarray, bones: np.ndarray) -> np.ndarray:
        """Take in the lengths (P, 17) of a frame; return their means up to it."""
        left = np.exp(-age / self._memory).astype(np.float32)
        finite = np.isfinite(bones).all(-1)  # a pose that is not must not be remembered
        frames = left * self._frames[slots] + finite
        total = left[:, None] * self._sum[slots] + np.where(finite[:, None], bones, 0)
        self._sum[slots], self._frames[slots] = total, frames
        usual: np.ndarray = total / np.maximum(frames, 1e-6)[:, None]
        return usual
