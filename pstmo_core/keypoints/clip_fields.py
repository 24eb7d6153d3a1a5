"""Builds clips from the fields of files: checked, in pixels, scores 0 to 1, nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pstmo_core.keypoints.formats.found import Found
from pstmo_core.keypoints.formats.reading import PAGE
from pstmo_core.keypoints.interpretation import to_pixels, to_scores, to_seconds
from pstmo_core.keypoints.layouts import LAYOUTS
from pstmo_core.keypoints.recorded import Clip, ClipError, check_shape
from pstmo_core.keypoints.sightings import Sightings

#: int64 nanoseconds hold 292 years: what is beyond was not given in seconds.
LARGEST_STAMP = 9.2e9
_LARGEST_SIDE = 1_000_000  # pixels


def clip_of(fields: Mapping[str, np.ndarray]) -> Clip:
    """Build a clip from the fields of a file."""
    keypoints = _numbers("keypoints", fields, np.float32)
    single = keypoints.ndim == 3
    if single:
        keypoints = keypoints[:, None]
    if keypoints.ndim != 4 or keypoints.shape[-1] not in (2, 3):
        raise ClipError(
            f"keypoints have the shape {fields['keypoints'].shape}, but must have (frames, people, "
            "points, 2 or 3), or (frames, points, 2 or 3) for one person"
        )
    frames, people, points_a_person = keypoints.shape[:3]
    if "scores" in fields:
        scores = _numbers("scores", fields, np.float32)
        scores = scores[:, None] if single and scores.ndim == 2 else scores
    else:
        scores = keypoints[..., 2] if keypoints.shape[-1] == 3 else np.ones_like(keypoints[..., 0])
    check_shape("scores", scores, (frames, people, points_a_person))
    width, height = _count("width", fields), _count("height", fields)
    points, pixels = to_pixels(keypoints[..., :2], (width, height))
    scores, meaning = to_scores(scores)
    points, scores = _known(points, scores)
    stamps, unit = _stamps(fields, frames, np.arange(frames))
    truth = _numbers("truth", fields, np.float32) if "truth" in fields else None
    return Clip(
        keypoints=points,
        scores=scores,
        stamps=stamps,
        width=width,
        height=height,
        layout=_layout(fields, points_a_person),
        ids=_ids(fields, people),
        truth=truth[:, None] if truth is not None and single and truth.ndim == 3 else truth,
        notes=tuple(note for note in (pixels, meaning, unit) if note),
    )


def sightings_of(
    found: Found, fps: float | None, size: tuple[int, int] | None, layout: str | None
) -> Sightings:
    """Build a clip from what a file of another program says, and what the user does."""
    numbers = np.unique(np.array([*found.listed, *found.numbers], np.int64))
    found.leave_out_nobody()
    if not found.points:
        raise ClipError(f"holds nobody in any of {len(numbers)} frames")
    size = size or found.size
    points, pixels = to_pixels(np.array(found.points, np.float32), size)
    scores, meaning = to_scores(np.array(found.scores, np.float32))
    fields: dict[str, Any] = {} if size is None else {"width": size[0], "height": size[1]}
    fields |= {"layout": layout or found.usual_layout(), "fps": fps or found.fps}
    if fps is None and found.seconds:
        fields["stamps"] = [found.seconds[number] for number in numbers.tolist()]
    arrays = {name: np.asarray(value) for name, value in fields.items() if value is not None}
    frames = np.searchsorted(numbers, found.numbers)
    order = np.argsort(frames, kind="stable")
    people: dict[str, int] = {}
    columns = [people.setdefault(name, len(people)) for name in found.ids]
    stamps, unit = _stamps(arrays, len(numbers), numbers - numbers[0])
    sightings = Sightings(
        frames[order],
        np.array(columns, np.int64)[order],
        *_known(points[order], scores[order]),
        stamps,
        _count("width", arrays),
        _count("height", arrays),
        _layout(arrays, points.shape[1]),
        tuple(people),
        notes=tuple(note for note in (*found.notes, pixels, meaning, unit) if note),
    )
    return sightings if found.named else sightings.tracked()


def _known(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points (..., 2) and scores (...): NaN and 0 where a point is not known."""
    known = np.isfinite(points).all(-1)
    return (
        np.where(known[..., None], points, np.float32(np.nan)),
        np.where(known, scores, np.float32(0)),
    )


def _stamps(
    fields: Mapping[str, np.ndarray], frames: int, numbers: np.ndarray
) -> tuple[np.ndarray, str]:
    """Return the stamps (F,) int64 nanoseconds, and what was made of them.

    Args:
        fields: holds `stamps`, or `fps`.
        frames: how many there are.
        numbers: (F,) of the frames, for `fps`.
    """
    note = ""
    if "stamps" in fields:
        seconds = _numbers("stamps", fields, np.float64)
        check_shape("stamps", seconds, (frames,))
        seconds, note = to_seconds(seconds)
        wrong = np.flatnonzero(~(np.abs(seconds) < LARGEST_STAMP))
        if len(wrong):
            raise ClipError(
                f"stamp {wrong[0]} is {seconds[wrong[0]]}, but stamps must be finite seconds"
            )
    elif "fps" in fields:
        rate = _scalar("fps", fields)
        if not 0 < rate < np.inf:
            raise ClipError(f"fps is {rate}, but must be a number above 0")
        seconds = numbers / rate
        if not (seconds < LARGEST_STAMP).all():
            raise ClipError(f"the last frame has the number {numbers[-1]}: {PAGE}")
    else:
        raise ClipError("has no time stamps: give the frame rate (fps), as --fps 30 for commands")
    return np.rint(seconds * 1e9).astype(np.int64), note


def _layout(fields: Mapping[str, np.ndarray], points: int) -> str:
    if "layout" in fields:
        return str(fields["layout"])
    fitting = [name for name, layout in LAYOUTS.items() if len(layout.joint_names) == points]
    if len(fitting) == 1:
        return fitting[0]
    raise ClipError(
        f"does not say which layout its {points} points have: give the layout, one of "
        f"{', '.join(fitting or LAYOUTS)}"
    )


def _ids(fields: Mapping[str, np.ndarray], people: int) -> tuple[str, ...]:
    if "ids" not in fields:
        return tuple(f"p{person}" for person in range(people))
    return tuple(str(name) for name in np.atleast_1d(fields["ids"]))


def _count(name: str, fields: Mapping[str, np.ndarray]) -> int:
    if name not in fields:
        raise ClipError(
            f"does not say the image's {name}: give the image size (width and height), as "
            "--size 1280 720 for commands"
        )
    value = _scalar(name, fields)
    if not (0 < value < _LARGEST_SIDE and value == int(value)):
        raise ClipError(
            f"{name} is {value:g}, but must be a whole number of pixels above 0 and below "
            f"{_LARGEST_SIDE}"
        )
    return int(value)


def _scalar(name: str, fields: Mapping[str, np.ndarray]) -> float:
    value = _numbers(name, fields, np.float64)
    if value.size != 1:
        raise ClipError(f"{name} has the shape {value.shape}, but must be one number")
    return float(value.reshape(()))


def _numbers(name: str, fields: Mapping[str, np.ndarray], kind: type) -> np.ndarray:
    value = fields[name]
    if value.dtype.kind not in "iuf":
        raise ClipError(f"{name} holds {value.dtype}, but must hold numbers")
    with np.errstate(over="ignore"):
        return value.astype(kind)
