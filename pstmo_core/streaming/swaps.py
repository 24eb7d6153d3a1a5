"""Finds out whether a detector mixed up left and right, from how the limbs moved before."""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINT_NAMES, JOINTS

#: The limbs that change sides together: arms and legs, three pairs each from the trunk outward.
LIMBS = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
_RIGHT = np.array([[JOINT_NAMES.index("r" + name) for name in limb] for limb in LIMBS])
_LEFT = np.array([[JOINT_NAMES.index("l" + name) for name in limb] for limb in LIMBS])
_SIDES = np.stack([_RIGHT, _LEFT])
#: Pairs that lie nearer than this share of the person's size tell nothing.
_APART = 0.12
#: As long as no keypoint misses its place by more than this share of it, none is exchanged: half of
#: what an exchange of the nearest such pair would make is more.
LEAST_ERROR = _APART / np.sqrt(2)


def exchanged_joints(
    points: np.ndarray,
    seen: np.ndarray,
    expected: np.ndarray,
    followed: np.ndarray,
    size: np.ndarray,
    held: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the limbs whose left and right have changed places.

    The outer joints of a limb may be exchanged alone. They are if, exchanged back, they lie nearer
    to where left and right are expected, by more than half of what an exchange of both would make.
    Detectors mostly mix up the whole body: arms and legs go by one another where one of them is
    in doubt, and while an exchange lasts, any gain is enough. None twists a trunk that is reported
    straight: the whole body is exchanged then, or nothing.

    Args:
        points: (P, 17, 2) pixels.
        seen: (P, 17) bool.
        expected: (P, 17, 2) pixels, where the joints should be now.
        followed: (P, 17) bool, whether that is known.
        size: (P,) pixels, how large people are.
        held: (P, 2) bool, whether arms and legs were exchanged up to now.

    Returns:
        How many joints of arms and legs (P, 2), counted from the end, have changed sides; whether
        that cannot be told (P, 2); and which limbs (P, 2) are not as they were expected, since that
        would twist the trunk.
    """
    both = seen & followed
    usable = both[:, _RIGHT] & both[:, _LEFT]
    if not held.any():
        # Exchanged, a pair lies nearer to where it is expected if it points the other way.
        across, expected_across = (each[:, _RIGHT] - each[:, _LEFT] for each in (points, expected))
        if not (usable & ((across * expected_across).sum(-1) < 0)).any():
            nothing = np.zeros(held.shape, np.intp)
            return nothing, nothing > 0, nothing > 0
    scale = size[:, None, None] ** 2
    there, expected_there = points[:, _SIDES], expected[:, _SIDES]

    def squares(difference: np.ndarray) -> np.ndarray:
        """Of right and left (P, 2, limbs, 3, 2) together: (P, limbs, 3)."""
        return np.where(usable, (difference**2).sum(-1).sum(1) / scale, 0)

    as_is = squares(there - expected_there)
    other = squares(there - expected_there[:, ::-1])
    apart = squares(expected_there[:, :1] - expected_there[:, 1:])
    # A pair that fits neither way has an outlier in it, and that tells nothing.
    usable &= (np.minimum(as_is, other) < apart) | held[..., None]
    gain = np.clip(as_is - other, -2 * apart, 2 * apart)
    gain = np.cumsum(np.where(usable, gain, 0)[..., ::-1], -1)
    apart = np.cumsum(np.where(usable, apart, 0)[..., ::-1], -1)
    least = np.cumsum(usable[..., ::-1], -1) * _APART**2
    best = gain.argmax(-1)[..., None]
    shares = gain[..., -1] / np.maximum(apart[..., -1], 1e-6)  # -2 to 2
    body = shares.sum(-1) > np.where(held.any(-1), 0, 1)
    gain, apart, least = (np.take_along_axis(v, best, -1)[..., 0] for v in (gain, apart, least))
    clear = apart > least
    certain = clear & (gain > apart)
    other_certain, other_not = certain[:, ::-1], (clear & (gain < -apart))[:, ::-1]
    lenient = other_certain | (held & ~other_not)
    found = clear & (gain > np.where(lenient, 0, apart))
    along = ~clear & other_certain
    count = np.where(found, best[..., 0] + 1, np.where(along, len(LIMBS[0]), 0))
    twisted = _twisting(count, points, both, size)[:, None]
    straight = np.where(twisted, np.where(body[:, None], len(LIMBS[0]), 0), count)
    return straight, ~clear & ~other_not & ~twisted, straight != count


def _twisting(
    count: np.ndarray, points: np.ndarray, known: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Say whose (P,) straight trunk an exchange of so many joints (P, 2) would twist.

    Shoulders and hips that point the same way would then point opposite ways.
    """
    right, left = _RIGHT[:, 0], _LEFT[:, 0]
    across = (points[:, right] - points[:, left]) / size[:, None, None]  # shoulders, hips
    wide = known[:, right] & known[:, left] & ((across**2).sum(-1) > _APART**2)
    straight = wide.all(-1) & ((across[:, 0] * across[:, 1]).sum(-1) > 0)
    whole = count == len(LIMBS[0])
    return np.asarray(straight & (whole[:, 0] != whole[:, 1]))


def exchange_order(joints: np.ndarray) -> np.ndarray:
    """Return the order (P, 17) of joints that undoes an exchange of so many joints (P, 2)."""
    order = np.tile(np.arange(JOINTS), (len(joints), 1))
    swap = np.arange(3) >= 3 - joints[..., None]
    order[:, _RIGHT] = np.where(swap, _LEFT, _RIGHT)
    order[:, _LEFT] = np.where(swap, _RIGHT, _LEFT)
    return order


def of_limbs(limbs: np.ndarray) -> np.ndarray:
    """Return which joints (P, 17) belong to chosen limbs (P, 2) bool."""
    chosen = np.zeros((len(limbs), JOINTS), bool)
    for limb in range(len(LIMBS)):
        chosen[:, np.concatenate([_RIGHT[limb], _LEFT[limb]])] = limbs[:, limb, None]
    return chosen


def any_of_limbs(joints: np.ndarray) -> np.ndarray:
    """Return of which limbs (P, 2) any of the chosen joints (P, 17) bool is one."""
    return np.asarray((joints[:, _RIGHT] | joints[:, _LEFT]).any(-1))
