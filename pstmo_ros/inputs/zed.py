"""zed_msgs/ObjectsStamped, as the ZED wrapper's body tracking publishes it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
from std_msgs.msg import Header

from pstmo_core.keypoints.layouts import get_layout
from pstmo_ros.inputs.people import MOST_DETECTIONS, Reader, UnusableInput

#: Layouts by `body_format`.
_LAYOUTS = {0: "openpose18", 1: "zed34", 2: "zed38"}


def zed_reader(optical: Callable[[], str]) -> Reader:
    """Return a reader of bodies.

    Their header names the camera's body frame (x forward), for the 3D points that are not read
    here. What is seen in the image belongs to the optical frame.

    Args:
        optical: returns the optical frame of the images, empty while it is not known.
    """

    def read(message: Any) -> tuple[Header, str, list[tuple[str, np.ndarray, np.ndarray]]]:
        name, people = _bodies(message)
        frame = message.header.frame_id
        if frame.endswith("_camera_frame"):
            frame = optical() or f"{frame}_optical"
        return Header(stamp=message.header.stamp, frame_id=frame), name, people

    return read


def _bodies(message: Any) -> tuple[str, list[tuple[str, np.ndarray, np.ndarray]]]:
    """Return the layout and the bodies of a message, in pixels of the camera's full image.

    Raises:
        UnusableInput: if the bodies' format is not known.
    """
    there = (body for body in message.objects if body.skeleton_available)
    bodies = list(islice(there, MOST_DETECTIONS))
    formats = {body.body_format for body in bodies} or {0}
    if len(formats) > 1 or not formats <= set(_LAYOUTS):
        raise UnusableInput(
            f"bodies have the formats {sorted(formats)}, but must have one of 0 (BODY_18), "
            "1 (BODY_34) and 2 (BODY_38)"
        )
    name = _LAYOUTS[formats.pop()]
    joints = len(get_layout(name).joint_names)
    people = []
    for body in bodies:
        keypoints = body.skeleton_2d.keypoints[:joints]
        points = np.array([keypoint.kp for keypoint in keypoints], np.float32).reshape(-1, 2)
        # What is not seen has no place, or a negative one.
        seen = (np.isfinite(points) & (points >= 0)).all(-1)
        scores = np.asarray(seen, np.float32)
        sure = getattr(body, "skeleton_keypoint_confidence", None)  # of newer wrappers, percents
        if sure is not None:
            percents = np.nan_to_num(np.asarray(sure, np.float32)[:joints])
            scores = np.asarray(scores * np.clip(percents / 100, 0, 1), np.float32)
        people.append((f"z{body.label_id}", points, scores))
    return name, people
