"""COCO's 17 points: most detectors."""

from __future__ import annotations

from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import DETECTOR

POINTS = (
    "nose", "leye", "reye", "lear", "rear", "lshoulder", "rshoulder", "lelbow", "relbow",
    "lwrist", "rwrist", "lhip", "rhip", "lknee", "rknee", "lankle", "rankle",
)  # fmt: skip

COCO17 = Layout("coco17", POINTS, DETECTOR)
