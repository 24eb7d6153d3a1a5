"""TDS as a grid in time: a window of evenly spaced moments, whatever the camera's frame rate.

The paper samples every s-th frame of a 50 fps video (section 3.3.2). The network has learned how
much time lies between its frames, so here the window is laid over time stamps: at any frame rate,
and in a stream with gaps, it gets frames as far apart as in training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.streaming.one_euro import advance


@dataclass(frozen=True)
class Grid:
    """The moments of a window relative to its target frame, and how keypoints are found there."""

    offsets: np.ndarray
    """(F,) int64 nanoseconds relative to the target frame."""
    tolerance: int
    """Nanoseconds by which a frame may miss its moment and still be taken as it is."""
    max_gap: int
    """Longest time between two sightings of a joint that is interpolated, nanoseconds."""
    carry: int = 0
    """How long a joint moves on after its last sighting, nanoseconds."""

    @classmethod
    def of(
        cls,
        frames: int,
        step: float,
        look_ahead: int,
        tolerance: float,
        max_gap: float,
        carry: float = 0.0,
    ) -> Grid:
        """Lay out F moments, `step` seconds apart, `look_ahead` of them after the target."""
        step_ns = round(step * 1e9)
        offsets = (np.arange(frames, dtype=np.int64) - (frames - 1 - look_ahead)) * step_ns
        return cls(offsets, *(round(seconds * 1e9) for seconds in (tolerance, max_gap, carry)))


@dataclass(frozen=True)
class Samples:
    """Where the keypoints of P people come from at the F moments of a window."""

    rows: np.ndarray
    """(P, F), the row of the person's frame nearest to a moment."""
    whole: np.ndarray
    """(P, F) bool, whether the moment takes that frame exactly as it came."""
    points: np.ndarray
    """(M, 17, 2) float32 pixels of the other moments, in the order of `~whole`; 0 if not seen."""
    scores: np.ndarray
    """(M, 17) float32 of their joints, 0 if not seen."""
    observed: np.ndarray
    """(P,) float32, share of the moments with a frame of the person within the tolerance."""

    def written_out(
        self, points: np.ndarray, scores: np.ndarray, slots: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the windows themselves, (P, F, 17, 2) pixels and (P, F, 17) scores.

        The arguments are those that `sample` was given.
        """
        of_all = points[self.rows, slots[:, None]], scores[self.rows, slots[:, None]]
        for values, others in zip(of_all, (self.points, self.scores), strict=True):
            values[~self.whole] = others
        return of_all

    def at(
        self, moment: int, points: np.ndarray, scores: np.ndarray, slots: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return one moment of the windows, (P, 17, 2) pixels and (P, 17) scores; as above."""
        rows, other = self.rows[:, moment], ~self.whole[:, moment]
        of_all = points[rows, slots], scores[rows, slots]
        if other.any():
            order = np.cumsum(~self.whole).reshape(self.whole.shape)[other, moment] - 1
            for values, others in zip(of_all, (self.points, self.scores), strict=True):
                values[other] = others[order]
        return of_all


def sample(
    stamps: np.ndarray,
    points: np.ndarray,
    scores: np.ndarray,
    present: np.ndarray,
    slots: np.ndarray,
    target: int,
    grid: Grid,
    velocities: np.ndarray | None = None,
) -> Samples:
    """Find people's keypoints in the window round a target frame.

    A moment takes the person's nearest frame if that lies within the tolerance. Joints that it
    lacks, and moments without such a frame, are interpolated linearly between the joint's last
    sighting before and first sighting after, if these are no further apart than `max_gap`, with the
    lower of both scores. A joint without a later sighting moves on from its last one for `carry`,
    while its score fades. Moments before a person's first frame and after the last repeat that
    frame.

    Args:
        stamps: (N,) int64 nanoseconds, increasing.
        points: (N, S, 17, 2) pixels.
        scores: (N, S, 17) float32, 0 where not seen.
        present: (N, S) bool, whether any joint was seen.
        slots: (P,) which of the S people are meant; they must be present in the target frame.
        target: stamp of the target frame, nanoseconds.
        grid: the window's layout.
        velocities: (N, S, 17, 2) pixels a second, how joints move on; None: not at all.
    """
    velocities = np.zeros_like(points) if velocities is None else velocities
    moments = target + grid.offsets
    inside = _inside(stamps, present.take(slots, axis=1), moments)
    # What is older cannot reach into the window: a long ring is not searched in vain.
    reach = max(grid.tolerance, grid.max_gap, grid.carry)
    skip = max(0, int(stamps.searchsorted(moments[0] - reach)) - 1)
    stamps, points, scores = stamps[skip:], points[skip:], scores[skip:]
    velocities = velocities[skip:]
    seen = scores.take(slots, axis=1) > 0

    before, after = _sightings(seen, stamps, inside)
    nearest = _nearest(stamps, before.max(-1), after.min(-1), inside)
    stood = stamps[nearest]
    near = np.abs(stood - inside) <= grid.tolerance
    known = _of_people(seen, nearest) & near[..., None]
    other, values, certainty = ~known.all(-1), points[:0, 0], scores[:0, 0]
    if other.any():
        # Joints that are seen where they are looked for are interpolated, too: from there to there.
        person, moment = other.nonzero()
        taken, own = known[other], nearest[other][:, None]
        between, certain = _interpolate(
            stamps,
            points,
            scores,
            velocities,
            np.where(taken, own, before[other]),
            np.where(taken, own, after[other]),
            inside[other],
            slots[person],
            grid,
        )
        bridged = certain > 0
        changed = ~near[other] | (bridged != taken).any(-1)
        other[person, moment] = changed
        values, certainty = between[changed], certain[changed]
    hits = (np.abs(stood - moments) <= grid.tolerance).sum(-1, dtype=np.float32)
    observed = hits / np.float32(len(moments))
    return Samples(nearest + skip, ~other, values, certainty, observed)


def _inside(stamps: np.ndarray, present: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """The window's moments (F,), drawn into each person's first and last frame (P, F).

    `present` is (N, P) bool, with everybody in one frame at least.
    """
    first, last = stamps[present.argmax(0)], stamps[-1 - present[::-1].argmax(0)]
    return np.minimum(np.maximum(moments, first[:, None]), last[:, None])


def _sightings(
    seen: np.ndarray, stamps: np.ndarray, moments: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (P, F, J) of each joint's last sighting up to a moment, and of its first from then on.

    `seen` is (N, P, J) bool, `moments` (P, F). Row -1 says none before, row N none after.
    """
    count = len(stamps)
    rows = np.arange(count)[:, None, None]
    last = np.maximum.accumulate(np.where(seen, rows, -1), axis=0)
    from_end = np.minimum.accumulate(np.where(seen, rows, count)[::-1], axis=0)
    return (
        _of_people(last, stamps.searchsorted(moments, "right") - 1),
        _of_people(from_end, count - 1 - stamps.searchsorted(moments, "left")),
    )


def _of_people(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of values (N, P, J), those in some rows (P, F) of each person's own: (P, F, J)."""
    people, joints = values.shape[1:]
    return values.reshape(-1, joints).take(rows * people + np.arange(people)[:, None], axis=0)


def _nearest(
    stamps: np.ndarray, before: np.ndarray, after: np.ndarray, moments: np.ndarray
) -> np.ndarray:
    """Rows (P, F) of the nearer of two frames; the earlier of two that are equally near.

    At a moment within a person's first and last frame there is one after, and one before unless
    that is too old to matter (-1).
    """
    later = stamps[after] - moments < moments - stamps[before]
    return np.where(later | (before < 0), after, before)


def _interpolate(
    stamps: np.ndarray,
    points: np.ndarray,
    scores: np.ndarray,
    velocities: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    moments: np.ndarray,
    slots: np.ndarray,
    grid: Grid,
) -> tuple[np.ndarray, np.ndarray]:
    """Where joints (M, J) are at the moments (M,), pixels (M, J, 2), and their scores (M, J).

    `before` and `after` are rows of `stamps` and `points`, the same one for a joint that stands
    where that row says, and -1 or N for none. What is not known is 0.
    """
    earlier, later = before >= 0, after < len(stamps)
    begin = stamps.take(before, mode="clip")
    gap = stamps.take(after, mode="clip") - begin
    passed = moments[:, None] - begin
    known = earlier & later & (gap <= grid.max_gap)
    weight = (passed / np.maximum(gap, 1)).astype(np.float32)
    _, people, joints, _ = points.shape
    flat, first = points.reshape(-1, 2), slots[:, None] * joints + np.arange(joints)
    begins, ends = (row * (people * joints) + first for row in (before, after))
    start = flat.take(begins, axis=0, mode="clip")
    step = flat.take(ends, axis=0, mode="clip") - start
    places = start + weight[..., None] * step
    places[~known] = 0
    score = scores.reshape(-1).take(begins, mode="clip")
    certain = np.minimum(score, scores.reshape(-1).take(ends, mode="clip")) * known
    carried = earlier & ~later & (passed < grid.carry)
    if carried.any():
        velocity = velocities.reshape(-1, 2).take(begins[carried], axis=0)
        age = passed[carried].astype(np.float32)
        places[carried] = advance(start[carried], velocity, age / np.float32(1e9))[0]
        certain[carried] = score[carried] * (1 - age / np.float32(grid.carry))
    return places, certain
