"""TensorFlow.js: frames of named points, of one person or as its detectors return them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pstmo_core.keypoints.formats.found import (
    FormatError,
    Found,
    is_list_of,
    layout_of,
    short_name,
    short_names,
)

NAME = 'TensorFlow.js: [{"left_eye": {"x": .., "y": .., "score": ..}, ..}, ..]'


def fits(content: Any) -> bool:
    """Tell by content: frames of named points, and of nothing that another format has."""
    if not isinstance(content, list) or not content:
        return False
    return all(isinstance(frame, dict) for frame in content) or any(
        _is_pose(pose) for frame in content[:1000] if isinstance(frame, list) for pose in frame
    )


def _is_pose(pose: Any) -> bool:
    points: Any = pose.get("keypoints") if isinstance(pose, dict) else None
    return is_list_of(points, dict) and "name" in points[0]


def read(content: Any) -> Found:
    """Read frames."""
    if all(isinstance(frame, dict) and not _is_pose(frame) for frame in content):
        poses = [[frame] for frame in content]
    else:
        listed = [frame if isinstance(frame, list) else [frame] for frame in content]
        poses = [
            [{point["name"]: point for point in pose["keypoints"]} for pose in frame]
            for frame in listed
        ]
    names = {short_name(name) for frame in poses for pose in frame for name in pose}
    layout = layout_of(names)
    if layout is None:
        raise FormatError("names its points by numbers only: give lists of them instead")
    columns = {name: column for column, name in enumerate(short_names(layout))}
    one = all(len(frame) == 1 for frame in poses)
    found = Found(layout, listed=list(range(len(poses))))
    for number, frame in enumerate(poses):
        for person, pose in enumerate(frame):
            points = np.full((len(columns), 3), np.nan)
            for name, point in pose.items():
                if short_name(name) in columns:
                    points[columns[short_name(name)]] = _point(point, number, name)
            name = "p0" if one else None
            found.add(number, points, name=name, where=f"frame {number}, person {person}")
    return found


def _point(point: Any, frame: int, name: str) -> tuple[float, float, float]:
    try:
        return (
            float(point["x"]),
            float(point["y"]),
            float(point.get("score", point.get("visibility", 1.0))),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f"frame {frame}, point {name}: is {point!r}, but must be an object with the numbers "
            "x and y"
        ) from error
