"""Skeletons of motion-capture files: trees of turning bones, and where these end."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pstmo_core.errors import PstmoError

MOST_BYTES = 1 << 28
"""Of a text file of motion; CMU's, with 750 bytes a frame, fill it in 50 minutes."""
MOST_BONES = 1000
MOST_PLACES = 20_000_000
"""Frames times bones of a recording: 100 bytes of memory for each."""
SLOWEST, FASTEST = 5.0, 2000.0
"""Frames/s: below, motion between frames is not known; above, no camera records."""


class MotionError(PstmoError):
    """A motion-capture file that cannot be converted; says what is wrong with it."""


@dataclass(frozen=True)
class Recording:
    """Where the bones of one body end, in the units and axes of the file."""

    places: dict[str, np.ndarray]
    """Bone -> (F, 3)."""
    fps: float
    resting: int = 0
    """Frames at the beginning that show the rest pose and not the person."""


@dataclass(frozen=True)
class Bone:
    """A bone that turns about the end of its parent."""

    name: str
    parent: int
    """Index of the parent, -1 for the root."""
    offset: np.ndarray
    """(3,) from the parent's end to this one's; turned by this bone in ASF, by that in BVH."""
    channels: tuple[str, ...] = ()
    """What the motion holds of it, in the file's order, such as `rx`, `ry`, `tx`."""
    axes: np.ndarray = field(default_factory=lambda: np.eye(3))
    """(3, 3) rotation of the axes that it turns about (ASF)."""


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read a text file of bounded size.

    Raises:
        MotionError: if it cannot be read, is no plain file or has more than `most` bytes.
    """
    try:
        if not path.exists():
            raise MotionError(f"{path}: no such file")
        if not path.is_file():
            raise MotionError(f"{path}: is not a plain file")
        if (size := path.stat().st_size) > most:
            raise MotionError(
                f"{path}: has {size:,} bytes, more than {most:,}: divide it into several files"
            )
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise MotionError(f"{path}: cannot be read ({error.strerror})") from error


def require_possible(frames: int, bones: Sequence[Bone]) -> None:
    """Check sizes before memory is taken for them.

    Raises:
        MotionError: if there are too many bones or frames.
    """
    if len(bones) > MOST_BONES:
        raise MotionError(f"has {len(bones)} bones, more than {MOST_BONES}")
    if frames * len(bones) > MOST_PLACES:
        raise MotionError(
            f"{frames} frames of {len(bones)} bones are too many at once: "
            f"divide it into files of {MOST_PLACES // len(bones)} frames"
        )


def number(word: str) -> float:
    """Return a finite number.

    Raises:
        ValueError: if it is none.
    """
    value = float(word)
    if not math.isfinite(value):
        raise ValueError(f"{word[:64]} is no length or angle")
    return value


def plain(name: str) -> str:
    """Return a bone's name in lower case, without the prefix of its character, `_` and `-`."""
    name = re.sub(r"^(.*:|mixamorig\d*_?|character\d*_)", "", name.lower())
    return re.sub(r"[^a-z0-9]", "", name)


def rotation(axis: str, degrees: np.ndarray) -> np.ndarray:
    """Return rotations (F, 3, 3) about the axis x, y or z by angles (F,)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    a, b, c = ((1, 2, 0), (2, 0, 1), (0, 1, 2))["xyz".index(axis)]
    turn = np.zeros((len(degrees), 3, 3))
    turn[:, a, a] = turn[:, b, b] = cos
    turn[:, a, b], turn[:, b, a] = -sin, sin
    turn[:, c, c] = 1
    return turn


def turns(bone: Bone, values: np.ndarray) -> np.ndarray:
    """Return rotations (F, 3, 3) of a bone's values (F, C): the first one turns last."""
    turn = np.broadcast_to(np.eye(3), (len(values), 3, 3))
    for column, channel in enumerate(bone.channels):
        if channel[0] == "r":
            turn = turn @ rotation(channel[1], values[:, column])
    return turn


def moved(bone: Bone, values: np.ndarray) -> np.ndarray:
    """Return translations (F, 3) of a bone's values (F, C)."""
    by = np.zeros((len(values), 3))
    for column, channel in enumerate(bone.channels):
        if channel[0] == "t":
            by[:, "xyz".index(channel[1])] = values[:, column]
    return by
