"""OpenPose's 18 points: its COCO model."""

from __future__ import annotations

from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import OPENPOSE

POINTS = (
    "nose", "neck", "rshoulder", "relbow", "rwrist", "lshoulder", "lelbow", "lwrist",
    "rhip", "rknee", "rankle", "lhip", "lknee", "lankle", "reye", "leye", "rear", "lear",
)  # fmt: skip

OPENPOSE18 = Layout("openpose18", POINTS, OPENPOSE)
