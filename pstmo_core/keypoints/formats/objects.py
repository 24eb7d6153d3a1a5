"""People as objects in frames, with their points under one of the names that programs give them.

Ultralytics, older MMPose, detectron2, PoseNet, rtmlib, ZED and many people's own scripts write such
files.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pstmo_core.keypoints.formats.found import (
    FormatError,
    Found,
    frame_numbers,
    is_list_of,
    layout_of,
    short_name,
    short_names,
)

NAME = 'objects: [[{"keypoints": [[x, y, score], ..], "track_id": ..}, ..], ..] or {"frames": [..]}'
_FRAMES = ("frames", "predictions", "results", "data")
_PEOPLE = (
    "people", "persons", "bodies", "body_list", "instances", "instance_info", "predictions",
    "skeletons", "detections", "poses", "objects", "annotations",
)  # fmt: skip
_POINTS = (
    "keypoints", "pose_keypoints_2d", "keypoints_2d", "keypoint_2d", "joints_2d", "joints",
    "points", "pose", "landmarks", "pred_keypoints",
)  # fmt: skip
_SCORES = (
    "keypoint_scores", "keypoints_scores", "keypoint_confidence", "scores", "confidences",
    "visible", "confidence", "score",
)  # fmt: skip
_ID = ("track_id", "tracking_id", "person_id", "id", "idx", "instance_id")
_NUMBER = (
    "frame_id", "frame", "frame_index", "frame_idx", "frame_number", "image_id", "file_name",
    "image_name", "image_path", "image",
)  # fmt: skip
#: A number of a frame from which on it is a time.
_TIME = 10**9
_UNNUMBERED = "the file numbers no frames: each of its entries was taken as a frame of its own"

Frame = tuple[Any, Any]
"""What a frame is called, None where nothing says so, and what is in it."""


def fits(content: Any) -> bool:
    """Tell by content: somewhere in the first frames is somebody with points."""
    frames = _frames(content)[:1000]
    return any(_points(person) is not None for _, frame in frames for person in _people(frame))


def read(content: Any) -> Found:
    """Read frames."""
    frames = _frames(content)
    found = Found()
    if isinstance(content, dict):
        found.take_facts(content)
    alone = [isinstance(frame, dict) and _points(frame) is not None for _, frame in frames]
    if all(alone) and all(name is None for name, _ in frames):
        if "box" in frames[0][1] and "keypoints" in frames[0][1]:
            frames = [(None, [frame for _, frame in frames])]  # Ultralytics, of one image
        elif len(frames) > 1:
            found.notes.append(_UNNUMBERED)
    numbers = _numbers([name for name, _ in frames])
    for number, (_, frame) in zip(numbers, frames, strict=True):
        if not found.listed or found.listed[-1] != number:
            found.list_frame(number, frame)
        for index, person in enumerate(_people(frame)):
            _add(found, number, person, f"frame {number}, person {index}")
    if len(set(found.numbers)) == len(found.numbers) and not any(found.ids):
        found.ids = ["p0"] * len(found.ids)
    return found


def read_folder(contents: dict[str, Any]) -> Found:
    """Read the files of a folder, each of one frame, by name.

    Raises:
        FormatError: if a file is not of a frame, or nobody is in any.
    """
    for name, content in contents.items():
        named = {str(call) for call, _ in _frames(content) if call is not None}
        deep = isinstance(content, list) and any(isinstance(each, list) for each in content)
        if len(named) > 1 or deep:
            raise FormatError(f"{name}: holds several frames; give such files one by one")
    found = read(contents)
    if not found.points:
        raise FormatError(f"holds {len(contents)} JSON files, but nobody's keypoints in them")
    return found


def _frames(content: Any) -> list[Frame]:
    """Return a file's frames, none where it is something else."""
    if isinstance(content, list):
        return [(_first(frame, _NUMBER), frame) for frame in content]
    if not isinstance(content, dict):
        return []
    held = next((content[key] for key in _FRAMES if isinstance(content.get(key), list)), None)
    held = content.get("frames") if isinstance(content.get("frames"), dict) else held
    if held is not None:
        return _frames(held)
    if "skeleton" in content and is_list_of(content.get("keypoints"), dict):  # easy ViTPose
        return [(None, _turned(frame)) for frame in content["keypoints"]]
    if all(any(letter.isdecimal() for letter in key) for key in content):
        return list(content.items())
    return []


def _turned(frame: dict[str, Any]) -> dict[str, Any]:
    """Return an object of people by id whose points begin with y, with x first."""
    return {
        name: [[point[1], point[0], *point[2:]] for point in points]
        for name, points in frame.items()
    }


def _numbers(names: list[Any]) -> list[int]:
    """Return the frames' numbers by what they are called, else counted."""
    if any(name is None for name in names):
        return list(range(len(names)))
    frame = frame_numbers(names, "the frames' names")
    if max(frame.values(), default=0) >= _TIME:
        order = {number: index for index, number in enumerate(sorted(set(frame.values())))}
        return [order[frame[name]] for name in names]
    return [frame[name] for name in names]


def _people(frame: Any) -> list[Any]:
    """Return a frame's people, each an object."""
    if isinstance(frame, list):
        return [person for person in frame if isinstance(person, dict)]
    if not isinstance(frame, dict):
        return []
    held = next((frame[key] for key in _PEOPLE if isinstance(frame.get(key), list)), None)
    if held is not None:
        return _people(held)
    key = next((key for key in _POINTS if frame.get(key)), None)
    if key is not None:
        points, scores = frame[key], _first(frame, _SCORES)
        if _depth(points) == 3:  # all people in one list
            several = isinstance(scores, list) and _depth(scores) == 2
            return [
                {"keypoints": each, **({"scores": scores[row]} if several else {})}
                for row, each in enumerate(points)
            ]
        return [frame]
    return [
        {"track_id": name, "keypoints": points}
        for name, points in frame.items()
        if isinstance(points, list) and _depth(points) == 2 and len(points) >= 5
    ]


def _add(found: Found, number: int, person: dict[str, Any], where: str) -> None:
    """Add a person of a frame, unless no points are known of them."""
    points = _points(person)
    if points is None:
        return
    scores = next((person[key] for key in _SCORES if isinstance(person.get(key), list)), None)
    name = _first(person, _ID)
    name = name[0] if isinstance(name, list) and name else name
    name = None if isinstance(name, (list, dict)) or name == -1 else name
    name = int(name) if isinstance(name, float) and name.is_integer() else name
    if isinstance(points, dict) and {"x", "y"} <= set(points):
        scores = points.get("visible", points.get("confidence", scores))
        points = [list(pair) for pair in zip(points["x"], points["y"], strict=True)]
    elif isinstance(points, dict) or isinstance(points[0], dict):
        points = _by_name(found, points, where)
    if scores is not None and _depth(points) == 2 and len(points[0]) == 3:
        points = [point[:2] for point in points]
    found.add(number, points, scores, name, where)


def _points(person: Any) -> Any:
    """Return what a person's object says of the points, None where it says nothing."""
    value = _first(person, _POINTS)
    if isinstance(value, dict):
        return value or None
    if (
        not isinstance(value, list)
        or not value
        or not isinstance(value[0], (list, dict, float, int))
    ):
        return None
    return value


def _by_name(found: Found, points: Any, where: str) -> np.ndarray:
    """Return (J, 3) of objects of points, in the order of the layout that has their names.

    Raises:
        FormatError: if no layout has them.
    """
    if isinstance(points, list):
        names = [point.get("name", point.get("part", point.get("label"))) for point in points]
        if None in names:
            return np.array([_triplet(point) for point in points])
        points = dict(zip(names, points, strict=True))
    by_name = {short_name(str(name)): point for name, point in points.items()}
    try:
        found.layout = found.layout or layout_of(by_name)
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from error
    known = short_names(found.layout) if found.layout else sorted(by_name, key=int)
    missing = (np.nan, np.nan, 0.0)
    return np.array([_triplet(by_name[n]) if n in by_name else missing for n in known])


def _triplet(point: Any) -> tuple[float, float, float]:
    """Return x, y and the score of a point."""
    if isinstance(point, dict):
        at = point.get("position", point)
        score = _first(point, ("score", "visibility", "confidence", "conf"))
        return float(at["x"]), float(at["y"]), 1.0 if score is None else float(score)
    return float(point[0]), float(point[1]), float(point[2]) if len(point) > 2 else 1.0


def _first(values: Any, keys: tuple[str, ...]) -> Any:
    """Return what an object has under the first of some keys, None where it has none."""
    if not isinstance(values, dict):
        return None
    return next((values[key] for key in keys if values.get(key) is not None), None)


def _depth(value: Any) -> int:
    """Return how deep lists are nested."""
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    return depth
