"""OpenPose's BODY_25B: COCO's points, neck, head and feet; as many as BODY_25 has."""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints.layouts import body25, coco17
from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import DETECTOR

POINTS = (
    *coco17.POINTS, "neck", "head_top", "lbigtoe", "lsmalltoe", "lheel", "rbigtoe", "rsmalltoe",
    "rheel",
)  # fmt: skip

BODY25B = Layout("body25b", POINTS, DETECTOR)
#: Points of BODY_25 that are the middle of two others.
_MIDDLES = (("neck", "lshoulder", "rshoulder"), ("midhip", "lhip", "rhip"))
#: How far from it they are at most, in sizes of the person.
_OFF = 0.08


def likelier(points: np.ndarray, scores: np.ndarray) -> bool:
    """Say whether 25 points (N, 25, 2) of scores (N, 25) are BODY_25B's rather than BODY_25's.

    They are if what BODY_25 calls neck and middle of the hips lies far from there.
    """
    there = (scores > 0)[..., None] & np.isfinite(points)
    high = np.where(there, points, -np.inf).max(1)
    size = np.maximum((high - np.where(there, points, np.inf).min(1)).max(-1), 1e-9)
    for names in _MIDDLES:
        at = [body25.POINTS.index(name) for name in names]
        seen = there[:, at].all((1, 2))
        middle, left, right = (points[seen, column] for column in at)
        off = np.linalg.norm(middle - (left + right) / 2, axis=-1) / size[seen]
        if len(off) and float(np.median(off)) > _OFF:
            return True
    return False
