"""MediaPipe's landmarks: objects of x, y, z and visibility, or numbers in the same order."""

from __future__ import annotations

from typing import Any

import numpy as np

from pstmo_core.keypoints.formats.found import FormatError, Found, is_list_of, numbers

NAME = 'MediaPipe: [[{"x": .., "y": .., "z": .., "visibility": ..}, ..33], ..], or (F, 33, 4)'
_KEYS = ("pose_landmarks", "poseLandmarks", "landmarks", "landmark", "keypoints")
_POINTS = 33


def fits(content: Any) -> bool:
    """Tell by content."""
    frames = _frames(content)
    if not isinstance(frames, list):
        return False
    first = next((people[0] for people in map(_people, frames[:1000]) if people), None)
    if first is None:
        return False
    if is_list_of(first, dict):
        named = "name" in first[0] and len(first) != _POINTS
        return {"x", "y"} <= set(first[0]) and not named
    return len(first) == _POINTS and is_list_of(first, list) and len(first[0]) in (4, 5)


def read(content: Any) -> Found:
    """Read frames; null or an empty list is a frame in which nobody was found."""
    frames = _frames(content)
    found = Found(layout="blazepose33")
    if isinstance(content, dict):
        found.take_facts(content)
    for number, frame in enumerate(frames):
        found.list_frame(number, frame)
        for person, points in enumerate(_people(frame)):
            where = f"frame {number}, person {person}"
            rows = _rows(points, where)
            if len(rows) != _POINTS:
                raise FormatError(f"{where}: has {len(rows)} landmarks, but a pose has {_POINTS}")
            found.add(number, rows[:, :2], rows[:, 2], where=where)
    if all(count <= 1 for count in np.bincount(found.numbers or [0])):
        found.ids = ["p0"] * len(found.ids)
    return found


def _frames(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    if content and all(key.isdecimal() for key in content):  # by the frame's number
        last = max(map(int, content))
        if last < 10 * len(content) + 1000:
            return [content.get(str(number)) for number in range(last + 1)]
    return next((content[key] for key in (*_KEYS, "frames") if key in content), None)


def _people(frame: Any) -> list[Any]:
    """Return the people of a frame, each a list of points."""
    if isinstance(frame, dict):
        frame = next((frame[key] for key in _KEYS if key in frame), None)
        if isinstance(frame, dict):
            return _people(frame)
    if not isinstance(frame, list) or not frame:
        return []
    several = (
        isinstance(frame[0], list) and bool(frame[0]) and isinstance(frame[0][0], (list, dict))
    )
    return [person for person in frame if person] if several else [frame]


def _rows(points: list[Any], where: str) -> np.ndarray:
    """Return (33, 3): x, y and visibility."""
    if is_list_of(points, dict):
        points = [
            (point["x"], point["y"], 0, point.get("visibility", point.get("score", 1.0)))
            for point in points
        ]
    rows = numbers(points, where)
    return rows[:, [0, 1, 3]] if rows.ndim == 2 and rows.shape[1] > 3 else rows
