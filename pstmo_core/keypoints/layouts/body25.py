"""OpenPose's BODY_25, its default."""

from __future__ import annotations

from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import HIPS, OPENPOSE, same

POINTS = (
    "nose", "neck", "rshoulder", "relbow", "rwrist", "lshoulder", "lelbow", "lwrist", "midhip",
    "rhip", "rknee", "rankle", "lhip", "lknee", "lankle", "reye", "leye", "rear", "lear",
    "lbigtoe", "lsmalltoe", "lheel", "rbigtoe", "rsmalltoe", "rheel",
)  # fmt: skip

BODY25 = Layout("body25", POINTS, {**OPENPOSE, "hip": (HIPS, *same("midhip"))})
