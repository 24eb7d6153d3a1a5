"""People as clouds of points along their bones, which obstacle layers read."""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import EDGES

_EDGES = np.array(EDGES)


def limb_points(joints: np.ndarray, spacing: float, radius: float = 0.0) -> np.ndarray:
    """Return points (N, 3) float32 along the bones of all people.

    Args:
        joints: (P, 17, 3) metres; bones with a joint that is not known (NaN) are left out.
        spacing: metres between two points of a bone, at most; above 0.
        radius: metres by which further points stand off a bone to four sides; 0 for none.
    """
    begin, end = joints[:, _EDGES[:, 0]].reshape(-1, 3), joints[:, _EDGES[:, 1]].reshape(-1, 3)
    known = np.isfinite(begin).all(-1) & np.isfinite(end).all(-1)
    begin, end = begin[known].astype(np.float64), end[known].astype(np.float64)
    length = np.linalg.norm(end - begin, axis=-1)
    count = np.ceil(length / spacing).astype(int) + 1
    bone = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(bone)) - np.repeat(np.cumsum(count) - count, count)
    share = (step / np.maximum(count[bone] - 1, 1))[:, None]
    points = begin[bone] + share * (end[bone] - begin[bone])
    if radius > 0 and len(points):
        points = np.concatenate([points, *_stand_off(points, (end - begin)[bone], radius)])
    return points.astype(np.float32)


def _stand_off(points: np.ndarray, along: np.ndarray, radius: float) -> list[np.ndarray]:
    """Return points (N, 3) beside bones, to four sides."""
    along = along / np.maximum(np.linalg.norm(along, axis=-1, keepdims=True), 1e-9)
    least = np.eye(3)[np.abs(along).argmin(-1)]
    first = np.cross(along, least)
    first /= np.maximum(np.linalg.norm(first, axis=-1, keepdims=True), 1e-9)
    second = np.cross(along, first)
    return [points + radius * side for side in (first, -first, second, -second)]
