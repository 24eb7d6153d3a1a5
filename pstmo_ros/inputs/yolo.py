"""yolo_msgs/DetectionArray, as yolo_ros publishes it: keypoints in pixels, numbered from 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from std_msgs.msg import Header

from pstmo_core.keypoints.layouts import get_layout
from pstmo_ros.inputs.people import MOST_DETECTIONS, Reader, nothing_known

#: What Ultralytics' pose models are trained on.
USUAL_LAYOUT = "coco17"


def yolo_reader(layout: str) -> Reader:
    """Return a reader of detections with keypoints; others are left out.

    Keypoints below the detector's threshold are not in the message, so each says its number.

    Args:
        layout: name of the layout of the points; empty: COCO's.
    """
    name = layout or USUAL_LAYOUT
    joints = len(get_layout(name).joint_names)

    def read(message: Any) -> tuple[Header, str, list[tuple[str, np.ndarray, np.ndarray]]]:
        people = []
        for detection in message.detections:
            if not detection.keypoints.data:
                continue
            points, scores = nothing_known(joints)
            for keypoint in detection.keypoints.data[: 2 * joints]:
                row = keypoint.id - 1
                if 0 <= row < joints:
                    points[row] = keypoint.point.x, keypoint.point.y
                    scores[row] = keypoint.score
            people.append((str(detection.id), points, scores))
            if len(people) == MOST_DETECTIONS:
                break
        return message.header, name, people

    return read
