"""Keypoints of people who come and go: one row per person and frame in which they are seen.

An array of all frames times all people would be mostly empty for a recording of passers-by, and
grow with the square of its length; these rows grow with what was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pstmo_core.keypoints.frame import MIN_SCORE, KeypointFrame, keypoint_frame, placeholders
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.keypoints.npz.dense_rows import DenseRows
from pstmo_core.keypoints.recorded import Clip, ClipError, check_ids, check_layout
from pstmo_core.keypoints.tracking import Tracker


@dataclass(frozen=True, eq=False)
class Sightings:
    """N sightings of P people in F frames of one camera."""

    frames: np.ndarray
    """(N,) int64: index of the frame; does not decrease."""
    people: np.ndarray
    """(N,) int64: index into `ids`; nobody is twice in a frame."""
    points: np.ndarray
    """(N, J, 2) float32 pixels; NaN = not known."""
    scores: np.ndarray
    """(N, J) float32, 0 (not seen) to 1."""
    stamps: np.ndarray
    """(F,) int64 nanoseconds, as recorded: they need not increase."""
    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""
    layout: str
    """Name of the layout of the J points."""
    ids: tuple[str, ...]
    """P ids."""
    truth: np.ndarray | None = None
    """Not known."""
    notes: tuple[str, ...] = ()
    """Notes for the user on how the file was read: sentences."""

    def __post_init__(self) -> None:
        """Check what a file decides.

        Raises:
            ClipError: if the points do not fit the layout, or somebody is twice in a frame.
        """
        check_layout(self.layout, self.points.shape[1])
        check_ids(self.ids)

    @classmethod
    def collect(
        cls,
        frames: Sequence[tuple[int, Sequence[str], np.ndarray, np.ndarray]],
        size: tuple[int, int],
        layout: str,
    ) -> Sightings:
        """Collect frames of people: of each its stamp, P ids, points (P, J, 2), scores (P, J).

        Raises:
            ClipError: if there are no frames.
        """
        if not frames:
            raise ClipError("the clip has no frames")
        joints = len(get_layout(layout).joint_names)
        people: dict[str, int] = {}
        columns = [people.setdefault(name, len(people)) for _, ids, *_ in frames for name in ids]
        counts = [len(ids) for _, ids, *_ in frames]
        points = _stacked((each[2] for each in frames), (joints, 2))
        known = np.isfinite(points).all(-1)
        scores = np.nan_to_num(_stacked((each[3] for each in frames), (joints,)), nan=0.0)
        return cls(
            np.repeat(np.arange(len(frames)), counts),
            np.array(columns, np.int64),
            np.where(known[..., None], points, np.float32(np.nan)),
            np.where(known, np.clip(scores, 0, 1), np.float32(0)),
            np.array([each[0] for each in frames], np.int64),
            *size,
            layout,
            tuple(people),
        )

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.stamps)

    def __iter__(self) -> Iterator[KeypointFrame]:
        """Go through the frames in the order of recording."""
        return (self.frame(index) for index in range(len(self)))

    @cached_property
    def _ends(self) -> np.ndarray:
        """(F + 1,): where the sightings of each frame begin and end."""
        return np.searchsorted(self.frames, np.arange(len(self) + 1))

    def rows(self, index: int) -> slice:
        """Return which sightings are of a frame."""
        return slice(int(self._ends[index]), int(self._ends[index + 1]))

    def frames_of(self, part: range) -> list[KeypointFrame]:
        """Return frames that follow one another."""
        return [self.frame(index) for index in part]

    def frame(self, index: int) -> KeypointFrame:
        """Return one frame on the Human3.6M layout, of the people of whom some point is known."""
        rows = self.rows(index)
        there = np.isfinite(self.points[rows]).all(-1).any(-1)
        return keypoint_frame(
            int(self.stamps[index]),
            tuple(self.ids[person] for person in self.people[rows][there].tolist()),
            self.points[rows][there],
            self.scores[rows][there],
            (self.width, self.height),
            self.layout,
        )

    def tracked(self) -> Sightings:
        """Return the same with ids from the tracker: nothing is known of who is who.

        Raises:
            PstmoError: if the tracker's library is missing.
        """
        if len(self.frames) == len(np.unique(self.frames)):  # one person at a time
            return replace(self, people=np.zeros_like(self.people), ids=("p0",))
        tracker, people = Tracker(), dict[str, int]()
        columns: list[int] = []
        for index, stamp in enumerate(self.stamps.tolist()):
            rows = self.rows(index)
            scores = np.where(placeholders(self.points[rows]), 0, self.scores[rows])
            joints, seen = get_layout(self.layout).convert(self.points[rows], scores)
            for name in tracker.identify(stamp, joints, seen >= MIN_SCORE):
                columns.append(people.setdefault(name, len(people)))  # noqa: PERF401
        return replace(self, people=np.array(columns, np.int64), ids=tuple(people))

    def members(self) -> dict[str, DenseRows]:
        """Return `keypoints` (F, P, J, 2) and `scores` (F, P, J) as they are written."""
        size = len(self), len(self.ids)
        return {
            "keypoints": DenseRows(self.points, self.frames, self.people, size, np.nan),
            "scores": DenseRows(self.scores, self.frames, self.people, size, 0),
        }

    def dense(self) -> Clip:
        """Return the same as arrays of all frames and people."""
        points, scores = (member.array() for member in self.members().values())
        return Clip(
            points, scores, self.stamps, self.width, self.height, self.layout, self.ids,
            self.truth, self.notes,
        )  # fmt: skip


def _stacked(arrays: Iterable[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    with np.errstate(over="ignore"):
        parts = [np.asarray(array, np.float32).reshape(-1, *shape) for array in arrays]
    return np.concatenate(parts)
