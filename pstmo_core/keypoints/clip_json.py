"""The JSON dialects in which pose detectors write keypoints.

- TensorFlow.js: a list of frames, each {"left_eye": {"x": .., "y": .., "score": ..}, ..}; one
  person.
- GAST-Net: {"data": [{"frame_index": .., "skeleton": [{"pose": [[x, y], ..], "score": [..]}]}]};
  people by their place in the list, COCO-17.
- Lists: frames of points of numbers, one person. Of 33 points (BlazePose) the third number is a
  depth relative to the hip, not a score, and is left out.

None of them says the frame rate or the image size.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from pstmo_core.keypoints.layouts import LAYOUTS


class DialectError(ValueError):
    """JSON that is none of the dialects, or breaks its own."""


def read_dialect(data: bytes) -> dict[str, np.ndarray]:
    """Read keypoints from JSON.

    Returns:
        `keypoints` (F, P, J, 2 or 3), NaN where not known; where the dialect says them also
        `layout` and `frame_numbers` (F,).

    Raises:
        DialectError: if it is not JSON, or of no known dialect.
    """
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DialectError(
            f"is neither npz nor whole JSON ({error}): record or copy it again"
        ) from error
    if isinstance(content, dict) and isinstance(content.get("data"), list):
        return _read_gastnet(content["data"])
    if isinstance(content, list) and content and all(isinstance(f, dict) for f in content):
        return _read_named(content)
    if isinstance(content, list) and content:
        return _read_lists(content)
    raise DialectError(
        "is JSON of no known dialect: it must be a list of frames of points, a list of frames of "
        "named points, or an object with the list 'data'"
    )


def _read_lists(frames: list[Any]) -> dict[str, np.ndarray]:
    points = _array(frames, "the list of frames")
    if points.ndim not in (3, 4) or points.shape[-1] not in (2, 3):
        raise DialectError(
            f"holds numbers of the shape {points.shape}, but must hold (frames, points, 2 or 3)"
        )
    depth = points.shape[-2] == len(LAYOUTS["blazepose33"].joint_names)
    return {"keypoints": points[..., :2] if depth else points}


def _read_named(frames: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    names = {_short(name) for frame in frames for name in frame}
    fitting = [layout for layout in LAYOUTS.values() if names <= set(layout.joint_names)]
    if not names or not fitting:
        known = [set(layout.joint_names) for layout in LAYOUTS.values()]
        unknown = sorted(names.difference(*known)) or sorted(names)
        raise DialectError(f"names points of no known layout: {unknown[:5]}")
    columns = {name: column for column, name in enumerate(fitting[0].joint_names)}
    points = np.full((len(frames), 1, len(columns), 3), np.nan)
    for row, frame in enumerate(frames):
        for name, point in frame.items():
            points[row, 0, columns[_short(name)]] = _named_point(point, row, name)
    return {"keypoints": points, "layout": np.asarray(fitting[0].name)}


def _short(name: str) -> str:
    """left_eye -> leye, as this library names points."""
    return name.replace("left_", "l").replace("right_", "r")


def _named_point(point: Any, frame: int, name: str) -> tuple[float, float, float]:
    try:
        return float(point["x"]), float(point["y"]), float(point.get("score", 1.0))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DialectError(
            f"frame {frame}, point {name}: is {point!r}, but must be an object with the numbers "
            "x and y"
        ) from error


def _read_gastnet(frames: list[Any]) -> dict[str, np.ndarray]:
    try:
        people = max(len(frame["skeleton"]) for frame in frames)
        points = np.full((len(frames), people, len(LAYOUTS["coco17"].joint_names), 3), np.nan)
        for row, frame in enumerate(frames):
            for person, skeleton in enumerate(frame["skeleton"]):
                where = f"frame {row}, person {person}"
                pose = _array(skeleton["pose"], f"{where}, pose")
                score = _array(skeleton["score"], f"{where}, score").reshape(-1, 1)
                points[row, person] = np.concatenate([pose, score], -1).reshape(points.shape[2:])
        numbers = np.array([int(frame.get("frame_index", row)) for row, frame in enumerate(frames)])
    except DialectError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DialectError(
            f"breaks its dialect ({type(error).__name__}: {error}): each frame needs 'skeleton', a "
            "list of people with 17 points in 'pose' and 17 numbers in 'score'"
        ) from error
    return {
        "keypoints": points,
        "layout": np.asarray("coco17"),
        "frame_numbers": numbers - numbers[0],
    }


def _array(value: Any, where: str) -> np.ndarray:
    """Make an array of nested lists of numbers; null is not known."""
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DialectError(
            f"{where}: is not a regular list of numbers, as many points in every frame"
        ) from error
