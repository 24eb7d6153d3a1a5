"""Halpe's 26 points: AlphaPose, RTMPose's body models."""

from __future__ import annotations

from pstmo_core.keypoints.layouts import coco17
from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import DETECTOR, HIPS, Table, same

POINTS = (
    *coco17.POINTS, "head_top", "neck", "pelvis", "lbigtoe", "rbigtoe", "lsmalltoe", "rsmalltoe",
    "lheel", "rheel",
)  # fmt: skip
#: Neck and head top serve no joint: where they lie on a captured body is not measured.
TABLE: Table = {**DETECTOR, "hip": (HIPS, *same("pelvis"))}

HALPE26 = Layout("halpe26", POINTS, TABLE)
