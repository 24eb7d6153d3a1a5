"""The ZED cameras' BODY_34."""

from __future__ import annotations

from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import DETECTOR, HIPS, same

POINTS = (
    "pelvis", "naval", "chest", "neck", "lclavicle", "lshoulder", "lelbow", "lwrist", "lhand",
    "lhandtip", "lthumb", "rclavicle", "rshoulder", "relbow", "rwrist", "rhand", "rhandtip",
    "rthumb", "lhip", "lknee", "lankle", "lfoot", "rhip", "rknee", "rankle", "rfoot", "head",
    "nose", "leye", "lear", "reye", "rear", "lheel", "rheel",
)  # fmt: skip

#: Spine, chest and neck serve no joint: where they lie on a captured body is not measured.
ZED34 = Layout("zed34", POINTS, {**DETECTOR, "hip": (HIPS, *same("pelvis"))})
