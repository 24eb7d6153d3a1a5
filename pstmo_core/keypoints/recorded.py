"""Recorded keypoints as arrays of all frames and people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pstmo_core.errors import PstmoError, quoted
from pstmo_core.keypoints.frame import (
    LARGEST_SHARE,
    KeypointFrame,
    keypoint_frame,
    placeholders,
)
from pstmo_core.keypoints.layouts import LayoutError, get_layout
from pstmo_core.skeleton import JOINTS

LONGEST_ID = 1024
"""Characters of a person's id."""


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
    notes: tuple[str, ...] = ()
    """Notes for the user on how the file was read: sentences."""

    def __post_init__(self) -> None:
        if self.keypoints.ndim != 4 or self.keypoints.shape[-1] != 2:
            raise ClipError(f"keypoints have the shape {self.keypoints.shape}, not (F, P, J, 2)")
        frames, people, points, _ = self.keypoints.shape
        if frames == 0:
            raise ClipError("the clip has no frames")
        check_layout(self.layout, points)
        check_shape("scores", self.scores, (frames, people, points))
        check_shape("stamps", self.stamps, (frames,))
        if self.truth is not None:
            check_shape("truth", self.truth, (frames, people, JOINTS, 3))
        if self.width <= 0 or self.height <= 0:
            raise ClipError(f"the image size is {self.width} x {self.height}, but must be above 0")
        if len(self.ids) != people or len(set(self.ids)) != people:
            raise ClipError(
                f"ids are {quoted(list(self.ids))}, but must be {people} different names"
            )
        check_ids(self.ids)

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

    def frames_of(self, part: range) -> list[KeypointFrame]:
        """Return frames that follow one another, as `frame` does, converted together."""
        keypoints, scores = (each[part.start : part.stop] for each in (self.keypoints, self.scores))
        there = self.present(slice(part.start, part.stop))
        with np.errstate(invalid="ignore"):
            largest = np.fmax.reduce(np.abs(keypoints), axis=(1, 2, 3), initial=0.0)
        if ((largest > 0) & (largest <= LARGEST_SHARE)).any():
            return [self.frame(index) for index in part]  # which says what is wrong
        scores = np.where(placeholders(keypoints), np.float32(0), scores)
        points, scores = get_layout(self.layout).convert(keypoints, scores)
        return [
            KeypointFrame(
                int(self.stamps[index]),
                tuple(self.ids[person] for person in present.nonzero()[0].tolist()),
                points[row][present], scores[row][present], self.width, self.height,
            )
            for row, (index, present) in enumerate(zip(part, there, strict=True))
        ]  # fmt: skip

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


def check_layout(layout: str, points: int) -> None:
    """Check that a layout exists and has so many points.

    Raises:
        ClipError: if it does not, or has another number.
    """
    try:
        expected = len(get_layout(layout).joint_names)
    except LayoutError as error:
        raise ClipError(str(error)) from error
    if points != expected:
        raise ClipError(
            f"keypoints have {points} points per person, but the layout {layout} has {expected}: "
            "give the layout of these points"
        )


def check_ids(ids: tuple[str, ...]) -> None:
    """Check that ids are short: an array of them has room for the longest in each place.

    Raises:
        ClipError: if one is longer than `LONGEST_ID`.
    """
    longest = max(ids, key=len, default="")
    if len(longest) > LONGEST_ID:
        raise ClipError(f"a person's id is {quoted(longest)}, but has at most {LONGEST_ID}")


def check_shape(name: str, value: np.ndarray, shape: tuple[int, ...]) -> None:
    """Check an array that goes with keypoints.

    Raises:
        ClipError: if its shape is another.
    """
    if value.shape != shape:
        raise ClipError(f"{name} has the shape {value.shape}, but the keypoints ask for {shape}")
