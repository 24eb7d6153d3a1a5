"""Bends legs so that their ankles move to given positions while bones keep their lengths."""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINT_NAMES

#: Hip, knee and ankle of the right leg and the left.
LEGS = np.array(
    [[JOINT_NAMES.index(f"{side}{name}") for name in ("hip", "knee", "ankle")] for side in "rl"]
)
#: A leg is not made wholly straight, and a knee moves out by no more than this (metres): a straight
#: leg that is a centimetre too long would bend by seven.
_STRAIGHTEST, _FARTHEST = 0.999, 0.03
#: Metres by which a knee must move out for its leg to bend where legs do, rather than as it did.
_FREELY = 0.02
#: How much of the direction of an almost straight leg's knee comes from where knees point, metres.
_FORWARD = 0.03
_TINY = 1e-6


def bend_legs(joints: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Move ankles and bend the legs for it; hips stay.

    An ankle gets as near to its goal as bones and a knee's small movement allow.

    Args:
        joints: (P, 17, 3) metres.
        moves: (P, 2, 3) metres by which the right and the left ankle are to move.

    Returns:
        (P, 17, 3), the same but for knees and ankles.
    """
    hip, knee, ankle = np.moveaxis(joints[:, LEGS].astype(np.float64), 2, 0)
    thigh, shin = _length(knee - hip), _length(ankle - knee)
    before, reach = ankle - hip, np.maximum(_length(ankle - hip), _TINY)
    goal = before + moves
    distance = np.maximum(_length(goal), _TINY)
    along = goal / distance
    out = _out(thigh, shin, reach)
    farthest = np.maximum(reach, _STRAIGHTEST * (thigh + shin))
    distance = np.clip(distance, _nearest(thigh, shin, out + _FARTHEST), farthest)
    new_out = _out(thigh, shin, distance)
    aside = (knee - hip) - _part(knee - hip, before / reach)
    bent = np.minimum(np.abs(new_out - out) / _FREELY, 1.0) * _FORWARD
    aside = _turned(aside + bent * _forward(joints, before / reach), before / reach, along)
    aside = aside / np.maximum(_length(aside), _TINY)
    foot = (thigh**2 - shin**2 + distance**2) / (2 * distance)
    bent_joints = joints.copy()
    bent_joints[:, LEGS[:, 1]] = hip + foot * along + new_out * aside
    bent_joints[:, LEGS[:, 2]] = hip + distance * along
    return bent_joints


def _out(thigh: np.ndarray, shin: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return how far (P, 2, 1) a knee is from the line between hip and ankle."""
    foot = (thigh**2 - shin**2 + distance**2) / (2 * np.maximum(distance, _TINY))
    return np.sqrt(np.maximum(thigh**2 - foot**2, 0.0))


def _nearest(thigh: np.ndarray, shin: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return the distance of hip and ankle at which the knee is so far from their line."""
    return np.sqrt(np.maximum(thigh**2 - out**2, 0.0)) + np.sqrt(np.maximum(shin**2 - out**2, 0.0))


def _forward(joints: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return where knees point, (P, 2, 3) unit vectors across their legs' axes."""
    across = joints[:, LEGS[1, 0]] - joints[:, LEGS[0, 0]]  # from right to left
    forward = np.cross(across[:, None], -axis)
    return forward / np.maximum(_length(forward), _TINY)


def _turned(vectors: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Turn vectors (P, 2, 3) by the shortest way from one unit vector to another."""
    axis, cosine = np.cross(first, second), (first * second).sum(-1, keepdims=True)
    along = (axis * vectors).sum(-1, keepdims=True) / np.maximum(1 + cosine, 1e-3)
    return cosine * vectors + np.cross(axis, vectors) + along * axis


def _part(vectors: np.ndarray, axis: np.ndarray) -> np.ndarray:
    part: np.ndarray = (vectors * axis).sum(-1, keepdims=True) * axis
    return part


def _length(vectors: np.ndarray) -> np.ndarray:
    length: np.ndarray = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return length
