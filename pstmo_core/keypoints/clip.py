"""Keypoint clips in files: those of this library (npz), and those that detectors write.

Keys of an npz: `keypoints` (F, P, J, 2 or 3) or (F, J, 2 or 3) for one person, x and y in pixels
and a score; `stamps` (F,) in seconds, or `fps`; `width`, `height`; `layout`; and, where wanted,
`scores` (F, P, J), `ids` (P,), `truth` (F, P, 17, 3). Others: `pstmo_core.keypoints.formats`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.formats import reading, videopose3d
from pstmo_core.keypoints.formats.found import Found
from pstmo_core.keypoints.interpretation import to_pixels, to_scores, to_seconds
from pstmo_core.keypoints.layouts import LAYOUTS, layout_name
from pstmo_core.keypoints.npz.bounded import is_zip, read_plain_npz
from pstmo_core.keypoints.npz.dense_rows import DenseRows, write_npz
from pstmo_core.keypoints.recorded import Clip, ClipError, check_shape
from pstmo_core.keypoints.sightings import Sightings

__all__ = ["Clip", "ClipError", "load_clip", "load_keypoints", "sample_path", "save_clip"]

#: int64 nanoseconds hold 292 years: what is beyond was not given in seconds.
LARGEST_STAMP = 9.2e9


def sample_path() -> Path:
    """Return the path of the clip that is shipped with the library."""
    return Path(__file__).parents[1] / "samples" / "sample.npz"


def sample_video_path() -> Path:
    """Return the path of the real video that is shipped with the library."""
    return Path(__file__).parents[1] / "samples" / "park.mp4"


def load_clip(
    path: Path | str | None = None,
    *,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    layout: str | None = None,
) -> Clip:
    """Load a clip of any format that is known (docs/formats.md); without a path, the sample.

    Args:
        path: the file, or the folder of OpenPose.
        fps: frames a second; needed where the file has neither `stamps` nor `fps`.
        size: image width and height in pixels; needed where the file does not say them.
        layout: name of the keypoints' layout, or a YAML file that describes it; needed where it
            cannot be told from the file.

    What is given here wins over what the file says.

    Raises:
        ClipError: if the file is missing, broken, or no such clip.
    """
    loaded = load_keypoints(path, fps=fps, size=size, layout=layout)
    return loaded if isinstance(loaded, Clip) else loaded.dense()


def load_keypoints(
    path: Path | str | None = None,
    *,
    fps: float | None = None,
    size: tuple[int, int] | None = None,
    layout: str | None = None,
) -> Clip | Sightings:
    """Load a clip as `load_clip` does, as sightings where the file has a list of people a frame."""
    path = sample_path() if path is None else Path(path)
    layout = layout and layout_name(layout)
    try:
        content = _read(path)
        if isinstance(content, Found):
            return _sightings(content, fps, size, layout)
        given = {"fps": fps, "layout": layout}
        if size is not None:
            given |= {"width": size[0], "height": size[1]}
        if fps is not None:
            content.pop("stamps", None)
        content |= {name: np.asarray(value) for name, value in given.items() if value is not None}
        return _clip(content)
    except PstmoError as error:
        raise ClipError(f"{path}: {error}") from error
    except OSError as error:
        why = error.strerror or error
        raise ClipError(f"{path}: cannot be read ({why}): check the path") from error


def save_clip(clip: Clip | Sightings, path: Path | str) -> None:
    """Write a clip as the npz that `load_clip` reads, atomically.

    Stamps are kept to a microsecond or better.

    Raises:
        OSError: if the file cannot be written.
    """
    truth: dict[str, Any] = {} if clip.truth is None else {"truth": clip.truth}
    members: Mapping[str, np.ndarray | DenseRows]
    members = (
        {"keypoints": clip.keypoints, "scores": clip.scores}
        if isinstance(clip, Clip)
        else clip.members()
    )
    with atomic_file(path) as partial, partial.open("wb") as file:
        write_npz(
            file,
            {
                **members,
                "stamps": clip.stamps / 1e9,
                "width": np.array(clip.width),
                "height": np.array(clip.height),
                "layout": np.array(clip.layout),
                "ids": np.array(clip.ids, dtype=np.str_),
                **truth,
            },
        )


def _read(path: Path) -> dict[str, np.ndarray] | Found:
    """Read what a file says, whichever kind it is."""
    if path.is_dir():
        return reading.read_folder(path)
    if is_zip(path):
        return _read_npz(path)
    if path.suffix == ".npz":
        raise ClipError("is not an npz file, or its beginning is lost: record or copy it again")
    return reading.read_text(path)


def _read_npz(path: Path) -> dict[str, np.ndarray] | Found:
    try:
        with zipfile.ZipFile(path) as archive:
            keys = {name.removesuffix(".npy") for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
        raise ClipError(f"is truncated or damaged ({error}): copy or record it again") from error
    if "keypoints" not in keys and videopose3d.fits(keys):
        return reading.read_pickled(path)
    fields = read_plain_npz(path)
    if "keypoints" not in fields:
        raise ClipError(
            f"has no key 'keypoints', only {sorted(fields)}: it is no keypoint clip; {reading.PAGE}"
        )
    return fields


def _sightings(
    found: Found, fps: float | None, size: tuple[int, int] | None, layout: str | None
) -> Sightings:
    """Build a clip from what a file of another program says, and what the user does."""
    numbers = np.unique(np.array([*found.listed, *found.numbers], np.int64))
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
        notes=tuple(note for note in (pixels, meaning, unit) if note),
    )
    return sightings if found.named else sightings.tracked()


def _known(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points (..., 2) and scores (...): NaN and 0 where a point is not known."""
    known = np.isfinite(points).all(-1)
    return (
        np.where(known[..., None], points, np.float32(np.nan)),
        np.where(known, scores, np.float32(0)),
    )


def _clip(fields: Mapping[str, np.ndarray]) -> Clip:
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
            raise ClipError(f"the last frame has the number {numbers[-1]}: {reading.PAGE}")
    else:
        raise ClipError("has no time stamps: give the frame rate (fps)")
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
        raise ClipError(f"does not say the image's {name}: give the image size (width and height)")
    value = _scalar(name, fields)
    if not (0 < value < 1e6 and value == int(value)):
        raise ClipError(f"{name} is {value:g}, but must be a whole number of pixels above 0")
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
