"""Recorded clips: keypoints of people with time stamps, read from npz or JSON files.

Keys of an npz: `keypoints` (F, P, J, 2 or 3) or (F, J, 2 or 3) for one person, x and y in pixels
and a score; `stamps` (F,) in seconds, or `fps`; `width`, `height`; `layout`; and, where wanted,
`scores` (F, P, J), `ids` (P,), `truth` (F, P, 17, 3). Of JSON, the dialects in
`pstmo_core.keypoints.clip_json`.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.clip_json import DialectError, read_dialect
from pstmo_core.keypoints.frame import KeypointFrame, keypoint_frame
from pstmo_core.keypoints.layouts import LAYOUTS, LayoutError, get_layout
from pstmo_core.skeleton import JOINTS

#: int64 nanoseconds hold 292 years: what is beyond was not given in seconds.
LARGEST_STAMP = 9.2e9
#: What the zip and npy readers raise on damaged files.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, RuntimeError, MemoryError,
)  # fmt: skip


class ClipError(PstmoError):
    """A clip that cannot be used; says what is wrong, where, and what to do."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Keypoints of P people over F frames of one camera.

    Raises:
        ClipError: if shapes, ids, sizes or the layout do not fit together.
    """

    keypoints: np.ndarray
    """(F, P, J, 2) float32 pixels; NaN = not known."""
    scores: np.ndarray
    """(F, P, J) float32, 0 (not seen) to 1."""
    stamps: np.ndarray
    """(F,) int64 nanoseconds, as recorded: they need not increase."""
    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""
    layout: str
    """Name of the layout of the J points, see `pstmo_core.keypoints.layouts`."""
    ids: tuple[str, ...]
    """P ids."""
    truth: np.ndarray | None = None
    """(F, P, 17, 3) float32 metres relative to the hip, camera's optical frame; NaN = not known."""

    def __post_init__(self) -> None:
        if self.keypoints.ndim != 4 or self.keypoints.shape[-1] != 2:
            raise ClipError(f"keypoints have the shape {self.keypoints.shape}, not (F, P, J, 2)")
        frames, people, points, _ = self.keypoints.shape
        if frames == 0:
            raise ClipError("the clip has no frames")
        try:
            expected = len(get_layout(self.layout).joint_names)
        except LayoutError as error:
            raise ClipError(str(error)) from error
        if points != expected:
            raise ClipError(
                f"keypoints have {points} points a person, but the layout {self.layout} has "
                f"{expected}: give the layout of these points"
            )
        _check_shape("scores", self.scores, (frames, people, points))
        _check_shape("stamps", self.stamps, (frames,))
        if self.truth is not None:
            _check_shape("truth", self.truth, (frames, people, JOINTS, 3))
        if self.width <= 0 or self.height <= 0:
            raise ClipError(f"the image size is {self.width} x {self.height}, but must be above 0")
        if len(self.ids) != people or len(set(self.ids)) != people:
            raise ClipError(f"ids are {list(self.ids)}, but must be {people} different names")

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.stamps)

    def __iter__(self) -> Iterator[KeypointFrame]:
        """Go through the frames in the order of recording."""
        return (self.frame(index) for index in range(len(self)))

    def present(self, index: int | slice) -> np.ndarray:
        """Say who is in a frame (P,), or in frames (F, P): those of whom some point is known."""
        there: np.ndarray = np.isfinite(self.keypoints[index]).all(-1).any(-1)
        return there

    def frame(self, index: int) -> KeypointFrame:
        """Return one frame on the Human3.6M layout, of the people who are in it."""
        present = self.present(index)
        return keypoint_frame(
            int(self.stamps[index]),
            tuple(self.ids[person] for person in np.flatnonzero(present)),
            self.keypoints[index][present],
            self.scores[index][present],
            (self.width, self.height),
            self.layout,
        )


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
    """Load a clip from an npz or a JSON file; without a path, the shipped sample.

    Args:
        path: the file.
        fps: frames a second; needed where the file has neither `stamps` nor `fps`.
        size: image width and height in pixels; needed where the file does not say them.
        layout: name of the keypoints' layout; needed where it cannot be told from the file.

    What is given here wins over what the file says.

    Raises:
        ClipError: if the file is missing, broken, or no such clip.
    """
    path = sample_path() if path is None else Path(path)
    try:
        fields = _read(path)
        given = {"fps": fps, "layout": layout}
        if size is not None:
            given |= {"width": size[0], "height": size[1]}
        if fps is not None:
            fields.pop("stamps", None)
        fields |= {name: np.asarray(value) for name, value in given.items() if value is not None}
        return _clip(fields)
    except (ClipError, DialectError) as error:
        raise ClipError(f"{path}: {error}") from error


def save_clip(clip: Clip, path: Path | str) -> None:
    """Write a clip as the npz that `load_clip` reads, atomically.

    Stamps are kept to a microsecond or better.

    Raises:
        OSError: if the file cannot be written.
    """
    truth: dict[str, Any] = {} if clip.truth is None else {"truth": clip.truth}
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            keypoints=clip.keypoints,
            scores=clip.scores,
            stamps=clip.stamps / 1e9,
            width=np.int64(clip.width),
            height=np.int64(clip.height),
            layout=np.str_(clip.layout),
            ids=np.array(clip.ids, dtype=np.str_),
            **truth,
        )


def _read(path: Path) -> dict[str, np.ndarray]:
    """Read the fields of a file as arrays, whichever kind it is."""
    try:
        with path.open("rb") as file:
            zipped = file.read(4) == b"PK\x03\x04"
        if not zipped and path.suffix == ".npz":
            raise ClipError("is not an npz file, or its beginning is lost: record or copy it again")
        return _read_npz(path) if zipped else read_dialect(path.read_bytes())
    except OSError as error:
        raise ClipError(f"cannot be read ({error.strerror or error}): check the path") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        # NumPy leaves a damaged file open when it opens it itself.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            fields = {name: file[name] for name in file.files}
    except _DAMAGED as error:
        raise ClipError(f"is truncated or damaged ({error}): copy or record it again") from error
    except ValueError as error:
        raise ClipError(f"holds what is no plain array ({error}): save it without") from error
    fields.pop("frame_numbers", None)
    if "keypoints" not in fields:
        raise ClipError(f"has no key 'keypoints', only {sorted(fields)}: it is no keypoint clip")
    return fields


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
    frames, people, points = keypoints.shape[:3]
    if "scores" in fields:
        scores = _numbers("scores", fields, np.float32)
        scores = scores[:, None] if single and scores.ndim == 2 else scores
    else:
        scores = keypoints[..., 2] if keypoints.shape[-1] == 3 else np.ones_like(keypoints[..., 0])
    _check_shape("scores", scores, (frames, people, points))
    known = np.isfinite(keypoints[..., :2]).all(-1)
    truth = _numbers("truth", fields, np.float32) if "truth" in fields else None
    return Clip(
        keypoints=np.where(known[..., None], keypoints[..., :2], np.float32(np.nan)),
        scores=np.where(known, np.clip(np.nan_to_num(scores, nan=0.0), 0, 1), np.float32(0)),
        stamps=_stamps(fields, frames),
        width=_count("width", fields),
        height=_count("height", fields),
        layout=_layout(fields, points),
        ids=_ids(fields, people),
        truth=truth[:, None] if truth is not None and single and truth.ndim == 3 else truth,
    )


def _stamps(fields: Mapping[str, np.ndarray], frames: int) -> np.ndarray:
    """Return the stamps (F,) int64 nanoseconds, from `stamps` or from `fps`."""
    if "stamps" in fields:
        seconds = _numbers("stamps", fields, np.float64)
        _check_shape("stamps", seconds, (frames,))
        wrong = np.flatnonzero(~(np.abs(seconds) < LARGEST_STAMP))
        if len(wrong):
            raise ClipError(
                f"stamp {wrong[0]} is {seconds[wrong[0]]}, but stamps must be finite seconds"
            )
    elif "fps" in fields:
        rate = _scalar("fps", fields)
        if not 0 < rate < np.inf:
            raise ClipError(f"fps is {rate}, but must be a number above 0")
        seconds = fields.get("frame_numbers", np.arange(frames)) / rate
    else:
        raise ClipError("has no time stamps: give the frame rate (fps)")
    return np.rint(seconds * 1e9).astype(np.int64)


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


def _check_shape(name: str, value: np.ndarray, shape: tuple[int, ...]) -> None:
    if value.shape != shape:
        raise ClipError(f"{name} has the shape {value.shape}, but the keypoints ask for {shape}")
