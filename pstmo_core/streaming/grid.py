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
    """Where the keypoints of P people come from at the F moments of a window."""

    rows: np.ndarray
    """(P, F), the row of the person's frame nearest to a moment."""
    whole: np.ndarray
    """(P, F) bool, whether the moment takes that frame exactly as it came."""
    points: np.ndarray
    """(M, 17, 2) float32 pixels of the other moments, in the order of `~whole`; 0 if not seen."""
    seen: np.ndarray
    """(M, 17) bool, likewise."""
    ever_seen: np.ndarray
    """(P, 17) bool, whether a joint is known at any moment."""
    observed: np.ndarray
    """(P,) float32, share of the moments with a frame of the person within the tolerance."""

    def written_out(
        self, points: np.ndarray, seen: np.ndarray, slots: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the windows themselves, (P, F, 17, 2) pixels and (P, F, 17) bool.

        The arguments are those that `sample` was given.
        """
        of_all = points[self.rows, slots[:, None]], seen[self.rows, slots[:, None]]
        for values, others in zip(of_all, (self.points, self.seen), strict=True):
            values[~self.whole] = others
        return of_all


def sample(
    stamps: np.ndarray,
    points: np.ndarray,
    seen: np.ndarray,
    present: np.ndarray,
    slots: np.ndarray,
    target: int,
    grid: Grid,
) -> Samples:
    """Find people's keypoints in the window round a target frame.

    A moment takes the person's nearest frame if that lies within the tolerance. Joints that it
    lacks, and moments without such a frame, are interpolated linearly between the joint's last
    sighting before and first sighting after, if these are no further apart than `max_gap`. Moments
    before a person's first frame and after the last repeat that frame.

    Args:
        stamps: (N,) int64 nanoseconds, increasing.
        points: (N, S, 17, 2) pixels.
        seen: (N, S, 17) bool.
        present: (N, S) bool, whether any joint was seen.
        slots: (P,) which of the S people are meant; they must be present in the target frame.
        target: stamp of the target frame, nanoseconds.
        grid: the window's layout.
    """
    present = present[:, slots]
    moments, inside = _moments(stamps, present, target, grid)
    # What is older cannot reach into the window: a long ring is not searched in vain.
    reach = max(grid.tolerance, grid.max_gap)
    skip = max(0, int(np.searchsorted(stamps, moments[0, 0] - reach)) - 1)
    stamps, present = stamps[skip:], present[skip:]
    points, seen = points[skip:, slots], seen[skip:, slots]

    places = (np.searchsorted(stamps, inside, "right") - 1, np.searchsorted(stamps, inside, "left"))
    person = np.arange(present.shape[1])
    before, after = _sightings(present, *places, person)
    nearest = _nearest(stamps, before, after, inside)
    near = np.abs(stamps[nearest] - inside) <= grid.tolerance
    known = seen[nearest, person] & near[..., None]
    other, values = ~known.all(-1), points[:0, 0]
    if other.any():
        moment, who = np.nonzero(other)
        taken = known[moment, who]
        sightings = _sightings(seen, places[0][other], places[1][other], who)
        bridged, between = _interpolate(stamps, points, *sightings, inside[other], who, grid)
        changed = ~near[other] | (bridged & ~taken).any(-1)
        other[moment[~changed], who[~changed]] = False
        moment, who = moment[changed], who[changed]
        taken, between = taken[changed], between[changed]
        known[moment, who] = taken | bridged[changed]
        values = np.where(taken[..., None], points[nearest[moment, who], who], between)
        values = np.where(known[moment, who][..., None], values, np.float32(0))
    by_person = np.argsort(np.nonzero(other)[1], kind="stable")
    return Samples(
        (nearest + skip).T,
        ~other.T,
        values[by_person].astype(np.float32, copy=False),
        known[other][by_person],
        known.any(0),
        (np.abs(stamps[nearest] - moments) <= grid.tolerance).mean(0, dtype=np.float32),
    )


def _moments(
    stamps: np.ndarray, present: np.ndarray, target: int, grid: Grid
) -> tuple[np.ndarray, np.ndarray]:
    """The window's moments (F, 1), and within each person's first and last frame (F, P)."""
    first, last = stamps[present.argmax(0)], stamps[-1 - present[::-1].argmax(0)]
    moments = (target + grid.offsets)[:, None]
    return moments, np.clip(moments, first, last)


def _sightings(
    marks: np.ndarray, up_to: np.ndarray, from_on: np.ndarray, person: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the last sighting up to given rows, and of the first from given rows on.

    `marks` is (N, P, ...) bool; the given rows and the people whose they are broadcast to (M,).
    Row -1 says none before, row N none after.
    """
    count = len(marks)
    rows = np.arange(count, dtype=np.int32).reshape(-1, *[1] * (marks.ndim - 1))
    last = np.maximum.accumulate(np.where(marks, rows, np.int32(-1)), axis=0)
    next_ = np.minimum.accumulate(np.where(marks, rows, np.int32(count))[::-1], axis=0)[::-1]
    return last[up_to, person], next_[from_on, person]


def _nearest(
    stamps: np.ndarray, before: np.ndarray, after: np.ndarray, moments: np.ndarray
) -> np.ndarray:
    """Rows (F, P) of the nearer of two frames; the earlier of two that are equally near.

    At a moment within a person's first and last frame, one of them at least is there.
    """
    none_before, none_after = before < 0, after == len(stamps)
    earlier = moments - stamps[before] <= stamps[np.where(none_after, 0, after)] - moments
    return np.where((earlier & ~none_before) | none_after, before, after)


def _interpolate(
    stamps: np.ndarray,
    points: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    moments: np.ndarray,
    person: np.ndarray,
    grid: Grid,
) -> tuple[np.ndarray, np.ndarray]:
    """Which joints (M, J) can be interpolated at the moments (M,), and where they are then."""
    possible = (before >= 0) & (after < len(stamps))
    before, after = np.where(possible, before, 0), np.where(possible, after, 0)
    gap = stamps[after] - stamps[before]
    weight = (moments[:, None] - stamps[before]) / np.maximum(gap, 1)
    joint = np.arange(points.shape[2])
    start = points[before, person[:, None], joint]
    step = points[after, person[:, None], joint] - start
    weight = np.where(possible, weight, 0).astype(np.float32)
    return possible & (gap <= grid.max_gap), start + weight[..., None] * step
