"""TDS as a grid in time: a window of evenly spaced moments, whatever the camera's frame rate.

The paper samples every s-th frame of a 50 fps video (section 3.3.2). What the network learned is
the time between its frames, so the window is laid over time stamps instead: any frame rate, and a
stream with holes, gives it what it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """The moments of a window relative to its target frame, and how keypoints are found there."""

    offsets: np.ndarray
    """(F,) int64 nanoseconds relative to the target frame."""
    tolerance: int
    """Nanoseconds by which a frame may miss its moment and still be taken as it is."""
    max_gap: int
    """Longest time between two sightings of a joint that is interpolated, nanoseconds."""

    @classmethod
    def of(
        cls, frames: int, step: float, look_ahead: int, tolerance: float, max_gap: float
    ) -> Grid:
        """Lay out F moments, `step` seconds apart, `look_ahead` of them after the target."""
        step_ns = round(step * 1e9)
        offsets = (np.arange(frames, dtype=np.int64) - (frames - 1 - look_ahead)) * step_ns
        return cls(offsets, round(tolerance * 1e9), round(max_gap * 1e9))


@dataclass(frozen=True)
class Samples:
    """Keypoints of P people at the F moments of a window."""

    points: np.ndarray
    """(P, F, J, 2) float32 pixels, 0 where not seen."""
    seen: np.ndarray
    """(P, F, J) float32, 1.0 or 0.0."""
    observed: np.ndarray
    """(P,) float32, share of the moments with a frame of the person within the tolerance."""


def sample(
    stamps: np.ndarray, points: np.ndarray, seen: np.ndarray, target: int, grid: Grid
) -> Samples:
    """Find everybody's keypoints in the window round a target frame.

    A moment takes the person's nearest frame if that lies within the tolerance. Joints that it
    lacks, and moments without such a frame, are interpolated linearly between the joint's last
    sighting before and first sighting after, if these are no further apart than `max_gap`. Moments
    before a person's first frame and after the last repeat that frame.

    Args:
        stamps: (N,) int64 nanoseconds, increasing.
        points: (N, P, J, 2) pixels.
        seen: (N, P, J) bool; a person must be seen in at least one frame.
        target: stamp of the target frame, nanoseconds.
        grid: the window's layout.
    """
    present: np.ndarray = np.any(seen, axis=-1)
    first, last = stamps[present.argmax(0)], stamps[-1 - present[::-1].argmax(0)]
    moments = (target + grid.offsets)[:, None]
    inside = np.clip(moments, first, last)

    marks = np.concatenate([seen, present[..., None]], -1)
    before, after = _sightings(stamps, marks, inside)
    nearest = _nearest(stamps, before[..., -1], after[..., -1], inside)
    distance = stamps[nearest] - moments
    near = np.abs(stamps[nearest] - inside) <= grid.tolerance
    person = np.arange(points.shape[1])
    taken = near[..., None] & seen[nearest, person]

    bridged, between = _interpolate(stamps, points, before[..., :-1], after[..., :-1], inside, grid)
    values = np.where(taken[..., None], points[nearest, person], between)
    known = taken | bridged
    values = np.where(known[..., None], values, np.float32(0))
    return Samples(
        np.ascontiguousarray(values.swapaxes(0, 1), np.float32),
        np.ascontiguousarray(known.swapaxes(0, 1), np.float32),
        (np.abs(distance) <= grid.tolerance).mean(0, dtype=np.float32),
    )


def _sightings(
    stamps: np.ndarray, marks: np.ndarray, moments: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (F, P, M) of each mark's last sighting up to a moment and first sighting from it on.

    `marks` is (N, P, M) bool, `moments` (F, P). Row -1 says none before, row N none after.
    """
    count = len(stamps)
    rows = np.arange(count, dtype=np.int32)[:, None, None]
    last = np.maximum.accumulate(np.where(marks, rows, np.int32(-1)), axis=0)
    next_ = np.minimum.accumulate(np.where(marks, rows, np.int32(count))[::-1], axis=0)[::-1]
    person = np.arange(marks.shape[1])
    up_to = np.searchsorted(stamps, moments, side="right") - 1
    from_on = np.searchsorted(stamps, moments, side="left")
    return last[up_to, person], next_[from_on, person]


def _nearest(
    stamps: np.ndarray, before: np.ndarray, after: np.ndarray, moments: np.ndarray
) -> np.ndarray:
    """Row (F, P) of the nearest of two frames; the earlier of two that are equally near."""
    return np.where(moments - stamps[before] <= stamps[after] - moments, before, after)


def _interpolate(
    stamps: np.ndarray,
    points: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    moments: np.ndarray,
    grid: Grid,
) -> tuple[np.ndarray, np.ndarray]:
    """Which joints (F, P, J) can be interpolated at the moments (F, P), and where they are then."""
    possible = (before >= 0) & (after < len(stamps))
    before, after = np.where(possible, before, 0), np.where(possible, after, 0)
    gap = stamps[after] - stamps[before]
    weight = (moments[..., None] - stamps[before]) / np.maximum(gap, 1)
    person = np.arange(points.shape[1])[:, None]
    joint = np.arange(points.shape[2])
    start = points[before, person, joint]
    step = points[after, person, joint] - start
    weight = np.where(possible, weight, 0).astype(np.float32)
    return possible & (gap <= grid.max_gap), start + weight[..., None] * step
