"""The ZED cameras' BODY_38."""

from __future__ import annotations

from pstmo_core.keypoints.layouts.layout import Layout
from pstmo_core.keypoints.layouts.tables import DETECTOR, HIPS, same

POINTS = (
    "pelvis", "spine1", "spine2", "spine3", "neck", "nose", "leye", "reye", "lear", "rear",
    "lclavicle", "rclavicle", "lshoulder", "rshoulder", "lelbow", "relbow", "lwrist", "rwrist",
    "lhip", "rhip", "lknee", "rknee", "lankle", "rankle", "lbigtoe", "rbigtoe", "lsmalltoe",
    "rsmalltoe", "lheel", "rheel", "lthumb", "rthumb", "lindex", "rindex", "lmiddle", "rmiddle",
    "lpinky", "rpinky",
)  # fmt: skip

#: Spine and neck serve no joint: where they lie on a captured body is not measured.
ZED38 = Layout("zed38", POINTS, {**DETECTOR, "hip": (HIPS, *same("pelvis"))})
