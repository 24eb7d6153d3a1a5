"""Keeps bones as long as they were: a bone that shrinks has turned in depth, or away from it.

A network lifts each window for itself, so the bones of a person differ from frame to frame. Their
mean over some seconds is better than each, and where a bone of that length is seen shortened tells
how far it points along the camera's axis.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINTS, PARENTS
from pstmo_core.streaming.frame_ages import FrameAges

_PARENT = np.maximum(PARENTS, 0)
#: Metres: the depth of a bone below which its length hardly tells it.
_FLAT = 0.2
#: Most of its depth that a bone is turned by.
_MOST = 0.5


def _paths() -> np.ndarray:
    """Return (17, 17): 1 where a joint (row) hangs on the bone that ends at another (column)."""
    paths = np.zeros((JOINTS, JOINTS), np.float32)
    for joint in range(JOINTS):
        bone = joint
        while PARENTS[bone] >= 0:
            paths[joint, bone] = 1
            bone = PARENTS[bone]
    return paths


_PATHS = _paths()


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
        self._ages = FrameAges(slots)

    def hold(
        self,
        stamp: int,
        slots: np.ndarray,
        visits: np.ndarray,
        lifted: np.ndarray,
        moved: np.ndarray,
        ahead: np.ndarray,
    ) -> np.ndarray:
        """Return skeletons whose bones are nearly as long as they were; they turn in depth.

        Args:
            stamp: nanoseconds; frames come in the order of their stamps.
            slots: (P,) of the people.
            visits: (P,) numbers that tell one person in a slot from the next.
            lifted: (P, 17, 3) metres relative to the pelvis, as the network gives them, which
                tells the lengths.
            moved: (P, 17, 3), the skeletons to correct.
            ahead: (P, 3) unit vectors towards the people.
        """
        usual = self._usual(stamp, slots, visits, _bones(lifted))
        bones = moved - moved[:, _PARENT]
        deep = np.einsum("pji,pi->pj", bones, ahead)
        missing = (usual**2 - (bones**2).sum(-1)) / 2
        limit = _MOST * np.abs(deep)
        turned = np.clip(missing * deep / (deep**2 + _FLAT**2), -limit, limit)
        held: np.ndarray = moved + (turned @ _PATHS.T)[..., None] * ahead[:, None]
        return held

    def _usual(
        self, stamp: int, slots: np.ndarray, visits: np.ndarray, bones: np.ndarray
    ) -> np.ndarray:
        """Take in the lengths (P, 17) of a frame; return their means up to it."""
        age = self._ages.advance(stamp, slots, visits)
        left = np.exp(-age / self._memory).astype(np.float32)
        frames = left * self._frames[slots] + 1
        total = left[:, None] * self._sum[slots] + bones
        self._sum[slots], self._frames[slots] = total, frames
        usual: np.ndarray = total / frames[:, None]
        return usual


def _bones(joints: np.ndarray) -> np.ndarray:
    lengths: np.ndarray = np.linalg.norm(joints - joints[:, _PARENT], axis=-1)
    return lengths
