"""People as capsules around their bones, for RViz and collision checkers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.room.quaternions import quaternions_from_matrices
from pstmo_core.skeleton import EDGES, JOINT_NAMES

_EDGES = np.array(EDGES)
#: Metres from a bone to the skin, about, by the joint that the bone ends in.
_TRUNK, _HEAD, _SHOULDER = 0.13, 0.10, 0.07
_UPPER_ARM, _FOREARM, _THIGH, _SHANK = 0.06, 0.05, 0.08, 0.06
_RADII = {
    "lelbow": _UPPER_ARM, "relbow": _UPPER_ARM, "lwrist": _FOREARM, "rwrist": _FOREARM,
    "lknee": _THIGH, "rknee": _THIGH, "lankle": _SHANK, "rankle": _SHANK, "head": _HEAD,
    "neck_nose": _HEAD, "lshoulder": _SHOULDER, "rshoulder": _SHOULDER,
}  # fmt: skip
RADII = np.array([_RADII.get(JOINT_NAMES[end], _TRUNK) for _, end in EDGES])
"""(B,) metres, of the capsule of each bone, in the order of `EDGES`."""


@dataclass(frozen=True, eq=False)
class Capsules:
    """A capsule for each bone of P people; NaN where a joint of the bone is not known."""

    begin: np.ndarray
    """(P, B, 3) metres, where the bone begins."""
    end: np.ndarray
    """(P, B, 3) metres."""
    orientation: np.ndarray
    """(P, B, 4) quaternions x, y, z, w that turn z along the bone."""

    @property
    def middle(self) -> np.ndarray:
        """(P, B, 3) metres."""
        middle: np.ndarray = (self.begin + self.end) / 2
        return middle

    @property
    def length(self) -> np.ndarray:
        """(P, B) metres from begin to end, without the round ends."""
        length: np.ndarray = np.linalg.norm(self.end - self.begin, axis=-1)
        return length

    @property
    def known(self) -> np.ndarray:
        """(P, B) bool."""
        known: np.ndarray = np.isfinite(self.length)
        return known


def capsules(joints: np.ndarray) -> Capsules:
    """Return the capsules of people's joints (P, 17, 3) in metres."""
    joints = np.asarray(joints, np.float64)
    begin, end = joints[:, _EDGES[:, 0]], joints[:, _EDGES[:, 1]]
    known = np.isfinite(begin + end).all(-1, keepdims=True)
    z = _unit(np.where(known, end - begin, (0.0, 0.0, 1.0)), (0.0, 0.0, 1.0))
    least = np.eye(3)[np.abs(z).argmin(-1)]
    x = _unit(np.cross(least, z), (1.0, 0.0, 0.0))
    turns = np.stack([x, np.cross(z, x), z], -1)
    missing = np.where(known, 0.0, np.nan)
    return Capsules(begin + missing, end + missing, quaternions_from_matrices(turns))


def _unit(vectors: np.ndarray, otherwise: tuple[float, float, float]) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: np.ndarray = np.where(length > 1e-9, vectors / np.maximum(length, 1e-9), otherwise)
    return unit
