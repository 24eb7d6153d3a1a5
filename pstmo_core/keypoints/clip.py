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
from pstmo_core.keypoints.clip_fields import clip_of, sightings_of
from pstmo_core.keypoints.formats import reading, videopose3d
from pstmo_core.keypoints.formats.found import Found
from pstmo_core.keypoints.layouts import layout_name
from pstmo_core.keypoints.npz.bounded import is_zip, read_plain_npz
from pstmo_core.keypoints.npz.dense_rows import DenseRows, write_npz
from pstmo_core.keypoints.recorded import Clip, ClipError
from pstmo_core.keypoints.sightings import Sightings

__all__ = ["Clip", "ClipError", "load_clip", "load_keypoints", "sample_path", "save_clip"]


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
        fps: frames per second; needed where the file has neither `stamps` nor `fps`.
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
            return sightings_of(content, fps, size, layout)
        given = {"fps": fps, "layout": layout}
        if size is not None:
            given |= {"width": size[0], "height": size[1]}
        if fps is not None:
            content.pop("stamps", None)
        content |= {name: np.asarray(value) for name, value in given.items() if value is not None}
        return clip_of(content)
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
    return reading.read_file(path)


def _read_npz(path: Path) -> dict[str, np.ndarray] | Found:
    try:
        with zipfile.ZipFile(path) as archive:
            keys = {name.removesuffix(".npy") for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
        raise ClipError(f"is truncated or damaged ({error}): copy or record it again") from error
    if videopose3d.fits(keys):
        return reading.read_pickled(path)
    fields = read_plain_npz(path)
    if "keypoints" not in fields:
        raise ClipError(
            f"has no key 'keypoints', only {sorted(fields)}: it is not a keypoint clip; "
            f"{reading.PAGE}"
        )
    return fields
