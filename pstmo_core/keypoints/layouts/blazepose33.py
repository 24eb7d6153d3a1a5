"""BlazePose's 33 points: MediaPipe."""

from __future__ import annotations

from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import DETECTOR

POINTS = (
    "nose", "leye_inner", "leye", "leye_outer", "reye_inner", "reye", "reye_outer",
    "lear", "rear", "lmouth", "rmouth", "lshoulder", "rshoulder", "lelbow", "relbow",
    "lwrist", "rwrist", "lpinky", "rpinky", "lindex", "rindex", "lthumb", "rthumb",
    "lhip", "rhip", "lknee", "rknee", "lankle", "rankle", "lheel", "rheel", "ltoe", "rtoe",
)  # fmt: skip

BLAZEPOSE33 = Layout("blazepose33", POINTS, DETECTOR)
