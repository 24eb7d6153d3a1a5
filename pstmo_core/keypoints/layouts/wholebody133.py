"""COCO-WholeBody's 133 points: body, feet, face and hands."""

from __future__ import annotations

from pstmo_core.keypoints.layouts import coco17
from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import DETECTOR

#: Points of the face and the hands, which serve no joint.
FACE = tuple(f"face{number}" for number in range(68))
HANDS = tuple(f"{side}hand{number}" for side in "lr" for number in range(21))
POINTS = (
    *coco17.POINTS, "lbigtoe", "lsmalltoe", "lheel", "rbigtoe", "rsmalltoe", "rheel", *FACE, *HANDS,
)  # fmt: skip

WHOLEBODY133 = Layout("wholebody133", POINTS, DETECTOR)
