"""A keypoint layout and its conversion to the Human3.6M layout."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.layouts.tables import Table
from pstmo_core.skeleton import JOINT_NAMES

#: A coordinate beyond this many pixels comes from no image; the point counts as not seen.
FARTHEST = 1e6


class LayoutError(PstmoError):
    """A layout that is not known, or points that do not fit it; says what would be right."""


@dataclass(frozen=True, eq=False)
class Layout:
    """The points of one keypoint convention and how they become the 17 joints."""

    name: str
    joint_names: tuple[str, ...]
    """J names of the source points, in order."""
    table: Table
    """What makes each joint; nothing for a joint that is never seen."""
    _used: np.ndarray | slice = field(init=False, repr=False, compare=False)
    """Which points serve a joint."""
    _weights: np.ndarray = field(init=False, repr=False, compare=False)
    """(17 * E, J) float32, the entries of all joints, padded to E entries each."""
    _needed: np.ndarray = field(init=False, repr=False, compare=False)
    """(17 * E, J) bool, the points without which an entry is not seen."""
    _real: np.ndarray = field(init=False, repr=False, compare=False)
    """(17, E) bool, which entries exist."""

    def __post_init__(self) -> None:
        """Turn the table into matrices."""
        entries = max(len(row) for row in self.table.values())
        weights = np.zeros((len(JOINT_NAMES), entries, len(self.joint_names)), dtype=np.float32)
        for joint, name in enumerate(JOINT_NAMES):
            for rank, entry in enumerate(self.table[name]):
                columns = [self.joint_names.index(point) for point in entry]
                weights[joint, rank, columns] = list(entry.values())
        flat = weights.reshape(-1, len(self.joint_names))
        # Points of faces and hands serve no joint.
        used = np.flatnonzero(flat.any(0)) if len(self.joint_names) > 40 else slice(None)
        object.__setattr__(self, "_used", used)
        object.__setattr__(self, "_weights", flat[:, used])
        object.__setattr__(self, "_needed", flat[:, used] != 0)
        object.__setattr__(self, "_real", (weights != 0).any(-1))

    @property
    def derived(self) -> tuple[bool, ...]:
        """Say of each of the 17 joints whether it is computed from several points."""
        return tuple(any(len(e) > 1 for e in self.table[name][:1]) for name in JOINT_NAMES)

    def convert(self, points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Convert points of this layout to the Human3.6M layout.

        A point that is NaN, infinite or beyond `FARTHEST`, or whose score is NaN or not above 0,
        is not seen. A joint is seen if all points of one of its entries are; its score is the
        lowest of theirs.

        Args:
            points: (..., J, 2) pixels.
            scores: (..., J), 0 (not seen) to 1; more than 1 counts as 1.

        Returns:
            Points (..., 17, 2) float32, all finite, 0 where not seen, and scores (..., 17)
            float32, 0 where not seen.

        Raises:
            LayoutError: if the shapes do not fit the layout.
        """
        self._check(points, scores)
        with np.errstate(over="ignore", invalid="ignore"):
            points = np.asarray(points, dtype=np.float32)[..., self._used, :]
            scores = np.asarray(scores, dtype=np.float32)[..., self._used]
            seen = (np.abs(points) <= FARTHEST).all(-1) & (scores > 0)
        points = np.where(seen[..., None], points, np.float32(0))
        scores = np.where(seen, np.minimum(scores, np.float32(1)), np.float32(0))

        values = self._weights @ points
        lowest = np.where(self._needed, scores[..., None, :], np.float32(1)).min(-1)
        lowest = lowest.reshape(*scores.shape[:-1], *self._real.shape) * self._real
        first = (lowest > 0).argmax(-1)
        # The first entry of each joint that is seen, counted through all entries of everybody.
        entry = np.arange(0, lowest.size, lowest.shape[-1]).reshape(first.shape) + first
        value, score = values.reshape(-1, 2).take(entry, axis=0), lowest.take(entry)
        value[score <= 0] = 0
        return value, score

    def _check(self, points: np.ndarray, scores: np.ndarray) -> None:
        count = len(self.joint_names)
        if points.ndim < 2 or points.shape[-2:] != (count, 2):
            raise LayoutError(
                f"points have the shape {points.shape}, but the layout {self.name} has {count} "
                f"points, so it must be (..., {count}, 2)"
            )
        if scores.shape != points.shape[:-1]:
            raise LayoutError(
                f"scores have the shape {scores.shape}, but must have {points.shape[:-1]}, "
                "one for each point"
            )
