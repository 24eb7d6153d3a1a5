"""Filters keypoints before lifting: undoes swaps, drops outliers, reduces jitter.

Every joint of everybody is followed from frame to frame (`pstmo_core.streaming.one_euro`). The
filter's state after each frame is kept with it. When a frame comes late, filtering resumes from the
frame before it and repeats the later ones, so the result does not depend on the order of arrival.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINTS
from pstmo_core.streaming import one_euro, swaps
from pstmo_core.streaming.buffer import StreamBuffer
from pstmo_core.streaming.config import StreamConfig

#: A stamp before all others: something never happened.
NEVER = np.iinfo(np.int64).min
#: Seconds after which a joint that comes back is followed from where it is then.
_MEMORY = 0.5
#: Seconds within which the motion until then says which limb is left.
_SURE = 0.15
#: How fast a joint may move without being an outlier, in sizes of the person a second.
_FASTEST = 10.0
#: Cut-off in Hz by which joints are followed where the keypoints themselves are not filtered.
_FOLLOWING = 3.0

#: What is known of a joint after a frame; `reported` is where it was said to be, outlier or not.
TRACK = np.dtype([
    ("points", np.float32, 2), ("velocity", np.float32, 2), ("reported", np.float32, 2),
    ("stamp", np.int64),
])  # fmt: skip

#: What is known of arms or legs after a frame: since when left and right have been the sides that
#: they are, and since when a detector has exchanged them.
SIDES = np.dtype([("known", np.int64), ("exchanged", np.int64)])


def nobodys_sides(*shape: int) -> np.ndarray:
    """Return (*shape, 2) of `SIDES` of people's arms and legs that were never seen."""
    return np.full((*shape, len(swaps.LIMBS)), NEVER, np.int64).astype(SIDES)


class Steadier:
    """Makes the keypoints in a buffer steady, row by row.

    Args:
        config: the settings.
        buffer: where the keypoints go.
        places: number of the buffer's places.
    """

    def __init__(self, config: StreamConfig, buffer: StreamBuffer, places: int) -> None:
        self._config = config
        self._buffer = buffer
        slots = config.max_people
        self._points = np.zeros((places, slots, JOINTS, 2), np.float32)
        self._scores = np.zeros((places, slots, JOINTS), np.float32)
        self._tracks = np.zeros((places, slots, JOINTS), TRACK)
        self._sides = nobodys_sides(places, slots)

    def put(self, row: int, slots: np.ndarray, points: np.ndarray, scores: np.ndarray) -> range:
        """Take in people of a new row of the buffer, as `StreamBuffer.put`.

        Returns:
            The rows whose keypoints are new or have changed.
        """
        buffer = self._buffer
        place = buffer.places[row]
        self._scores[place] = 0
        self._scores[place, slots] = scores
        self._points[place, slots] = points
        changed = range(row, len(buffer))
        for each in changed:
            self._steady(each)
        return changed

    def forget(self, slot: int) -> None:
        """Forget the person in a slot."""
        self._scores[:, slot] = 0
        self._tracks["stamp"][:, slot] = NEVER
        self._sides[:, slot] = nobodys_sides()

    def _steady(self, row: int) -> None:
        buffer = self._buffer
        place = buffer.places[row]
        if row and (buffer.sizes[row] == buffer.sizes[row - 1]).all():
            before = buffer.places[row - 1]
            self._tracks[place], self._sides[place] = self._tracks[before], self._sides[before]
        else:
            self._tracks["stamp"][place] = NEVER
            self._sides[place] = nobodys_sides()
        (slots,) = self._scores[place].any(-1).nonzero()
        if not len(slots):
            return
        tracks, sides, points, scores = follow(
            self._tracks[place, slots],
            self._sides[place, slots],
            int(buffer.stamps[row]),
            self._points[place, slots],
            self._scores[place, slots],
            self._config,
        )
        self._tracks[place, slots], self._sides[place, slots] = tracks, sides
        buffer.put(row, slots, points, scores, tracks["velocity"])


def follow(
    tracks: np.ndarray,
    sides: np.ndarray,
    stamp: int,
    points: np.ndarray,
    scores: np.ndarray,
    config: StreamConfig,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Follow the joints of P people into the next frame.

    Args:
        tracks: (P, 17) of `TRACK`, as they were after the frame before.
        sides: (P, 2) of `SIDES`, those of arms and legs.
        stamp: nanoseconds, of the next frame.
        points: (P, 17, 2) pixels in it.
        scores: (P, 17), 0 where not seen.
        config: the settings.

    Returns:
        The next tracks and sides, and the keypoints made steady with their scores.
    """
    age = _age(tracks["stamp"], stamp)
    expected, velocity = one_euro.advance(tracks["points"], tracks["velocity"], np.minimum(age, 9))
    seen = scores > 0
    followed = np.isfinite(age)
    size = _size(np.where(followed[..., None], expected, points), seen | followed)
    missed = ((points - expected) ** 2).sum(-1)
    if config.unswap:
        order, sides, restarted = _unswap(
            points, seen, expected, missed, age, size, sides, stamp, config.unswap
        )
        if order is not None:
            person = np.arange(len(points))[:, None]
            points, scores, seen = (values[person, order] for values in (points, scores, seen))
            missed = ((points - expected) ** 2).sum(-1)
            age[restarted] = np.inf
    outlying = np.zeros_like(seen)
    if config.outlier:
        outlying = seen & _outlying(points, missed, tracks["reported"], age, size, config.outlier)
    tracks = tracks.copy()
    np.copyto(tracks["reported"], points, where=seen[..., None])
    taken = seen & ~outlying
    cutoff = one_euro.adaptive_cutoff(
        velocity, size[:, None], config.keypoint_cutoff or _FOLLOWING, config.keypoint_beta
    ).astype(np.float32)
    filtered, velocity = one_euro.correct(expected, velocity, points, age, cutoff)
    np.copyto(tracks["points"], filtered, where=taken[..., None], casting="same_kind")
    np.copyto(tracks["velocity"], velocity, where=taken[..., None], casting="same_kind")
    np.copyto(tracks["stamp"], stamp, where=taken)
    if config.keypoint_cutoff:
        points = np.where(taken[..., None], filtered, points)
    return tracks, sides, points, np.where(outlying, np.float32(0), scores)


def _age(stamps: np.ndarray, now: int) -> np.ndarray:
    """Return how many seconds ago stamps were, infinite where that is too long or never."""
    known = stamps != NEVER
    age = (now - np.where(known, stamps, now)) / 1e9
    return np.where(known & (age <= _MEMORY), np.maximum(age, 1e-6), np.inf).astype(np.float32)


def _size(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return how large people (P,) are: the RMS distance of known joints from their middle."""
    weight = known[..., None] / np.maximum(known.sum(-1), 1)[:, None, None].astype(np.float32)
    centre = (points * weight).sum(1, keepdims=True)
    squares = ((points - centre) ** 2 * weight).sum((1, 2))
    return np.maximum(np.sqrt(squares), 1).astype(np.float32)


def _outlying(
    points: np.ndarray,
    missed: np.ndarray,
    reported: np.ndarray,
    age: np.ndarray,
    size: np.ndarray,
    limit: float,
) -> np.ndarray:
    """Say which keypoints (P, 17) are far from where they are expected, for the first time.

    A second one at the same place is no outlier: there the joint is. `missed` (P, 17) are the
    squared distances from where they are expected.
    """
    reach = (limit + _FASTEST * np.minimum(age, _MEMORY)) * size[:, None]
    far = missed > reach**2
    far &= np.isfinite(age)
    if not far.any():
        return far
    alone: np.ndarray = far & (((points - reported) ** 2).sum(-1) > reach**2)
    return alone


def _unswap(
    points: np.ndarray,
    seen: np.ndarray,
    expected: np.ndarray,
    missed: np.ndarray,
    age: np.ndarray,
    size: np.ndarray,
    sides: np.ndarray,
    stamp: int,
    longest: float,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Find exchanged limbs.

    Left and right of a moment ago do not overrule for longer than they were seen; arms and legs
    that are exchanged at the same time are believed together.

    Returns:
        The order (P, 17) of joints that undoes it, None if all are as they should be; the next
        sides (P, 2); and the joints (P, 17) of limbs that have been exchanged for too long or are
        not as they were expected: those are followed from where they are now.
    """
    sides = sides.copy()
    sides["known"][~swaps.any_of_limbs(np.isfinite(age))] = stamp
    held = sides["exchanged"] != NEVER
    sure = age <= _SURE
    error = np.where(seen & sure, missed, 0).max(-1)
    if not held.any() and (error < swaps.LEAST_ERROR**2 * size**2).all():
        return None, sides, seen
    count, unclear, restarted = swaps.exchanged_joints(points, seen, expected, sure, size, held)
    if not (held.any() or count.any()):
        return None, sides, seen
    began = np.where(held, sides["exchanged"], stamp)
    before = began - sides["known"]
    before = np.where(before > 0, before, np.inf)  # a limb that was not seen goes by the other
    overdue = held & (stamp - began > np.minimum(longest * 1e9, before))
    overdue = held & overdue.any(-1, keepdims=True)
    count = np.where(overdue, 0, count)
    lasts = ((count > 0) | (held & unclear)) & ~overdue
    restarted |= overdue
    sides["exchanged"] = np.where(lasts, began, NEVER)
    sides["known"][restarted & ~lasts] = stamp
    return swaps.exchange_order(count), sides, swaps.of_limbs(restarted)
