"""Decides whether two sets of keypoints are the same person."""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints.frame import MIN_SCORE

#: Distance of two keypoints, in sizes of the person, at which they are alike by 1 / e.
_REACH = 0.1
#: From this likeness on, two sets of keypoints are of one person.
SAME = 0.5
#: How much farther than the other person's, in sizes of its own, a joint must have moved for that.
_JUMP = 0.1


def likeness(
    points: np.ndarray, scores: np.ndarray, others: np.ndarray, other_scores: np.ndarray
) -> np.ndarray:
    """Return how alike the poses of P and Q people are in the image, (P, Q) from 0 to 1.

    Args:
        points: (P, J, 2) pixels.
        scores: (P, J).
        others: (Q, J, 2) pixels.
        other_scores: (Q, J).
    """
    apart = np.linalg.norm(points[:, None] - others[None], axis=-1)
    size = np.minimum(_size(points)[:, None], _size(others)[None])
    alike = np.exp(-((apart / (_REACH * size[..., None])) ** 2))
    weight = np.minimum(scores[:, None], other_scores[None]) + 1e-6
    return (alike * weight).sum(-1) / weight.sum(-1)


def jumped_to_others(points: np.ndarray, scores: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return (P, J) which joints are another person's: they left their own position for theirs.

    Args:
        points: (P, J, 2) pixels, of people each of whom was looked for separately.
        scores: (P, J).
        before: (P, J, 2), the points of the image before.
    """
    size = _size(before)[:, None]
    moved = np.linalg.norm(points - before, axis=-1) / size
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    apart[np.arange(len(points)), np.arange(len(points))] = np.inf
    met = apart < _REACH * np.minimum(size[:, None], size[None])
    calmer = moved[:, None] > _JUMP + moved[None]
    return np.asarray((met & calmer & (scores[None] >= MIN_SCORE)).any(1))


def _size(points: np.ndarray) -> np.ndarray:
    """Return the longer sides (P,) of boxes round points (P, J, 2)."""
    return np.maximum(np.ptp(points, axis=1).max(-1), 1.0)


def without_repeats(
    points: np.ndarray,
    scores: np.ndarray,
    sure: np.ndarray | None = None,
    same: float = SAME,
) -> np.ndarray:
    """Return (P,) who is left if of repeated people only the surest stays.

    Args:
        points: (P, J, 2) pixels.
        scores: (P, J).
        sure: (P,); by default the mean score.
        same: likeness from which on two are one.
    """
    alike = likeness(points, scores, points, scores) >= same
    sure = scores.mean(-1) if sure is None else sure
    left = np.zeros(len(points), bool)
    for person in np.argsort(-sure, kind="stable"):
        left[person] = not (alike[person] & left).any()
    return left


def one_to_one(alike: np.ndarray) -> np.ndarray:
    """Return (P, Q) who of P is who of Q, the most alike first: of (P, Q) likenesses, each once."""
    left, matched = alike.copy(), np.zeros(alike.shape, bool)
    for _ in range(min(alike.shape)):
        person, other = np.unravel_index(left.argmax(), left.shape)
        if left[person, other] < SAME:
            break
        matched[person, other] = True
        left[person], left[:, other] = -1, -1
    return matched
