"""vision_msgs/Detection2DArray whose detections are people and whose results are keypoints.

vision_msgs has no message for keypoints. Detectors that keep to it say them as the results of a
detection: `hypothesis.class_id` is the point's name (`left_knee`, `lknee`) or its number in the
layout, `hypothesis.score` its score, and `pose.pose.position` its x and y in pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from std_msgs.msg import Header

from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.keypoints.layouts.from_file import plain_name
from pstmo_ros.inputs.people import MOST_DETECTIONS, Reader, nothing_known

USUAL_LAYOUT = "coco17"


def vision_reader(layout: str) -> Reader:
    """Return a reader of detections; results that are no points of the layout are left out.

    Args:
        layout: name of the layout of the points; empty: COCO's.
    """
    name = layout or USUAL_LAYOUT
    names = get_layout(name).joint_names
    rows = {point: row for row, point in enumerate(names)}
    rows |= {str(row): row for row in range(len(names))}

    def read(message: Any) -> tuple[Header, str, list[tuple[str, np.ndarray, np.ndarray]]]:
        people = []
        for detection in message.detections:
            points, scores = nothing_known(len(names))
            for result in detection.results[: 2 * len(names)]:
                row = rows.get(plain_name(result.hypothesis.class_id[:100]))
                if row is not None:
                    at = result.pose.pose.position
                    points[row], scores[row] = (at.x, at.y), result.hypothesis.score
            if scores.any():
                people.append((detection.id, points, scores))
            if len(people) == MOST_DETECTIONS:
                break
        return message.header, name, people

    return read
