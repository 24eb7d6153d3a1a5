"""Moves lifted joints towards the viewing rays of the keypoints that they were lifted from.

What a network gives, projected, is near the keypoints, but not on them. Across the rays the
keypoints are a measurement with an error of their own, so each joint moves as in a Kalman filter:
the more, the less sure the network is of it. Along the rays nothing is measured.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINTS

#: Metres: of a joint that is farther from its ray, the keypoint is taken to be wrong.
_FARTHEST = 0.05
#: Seconds over which moves are averaged.
_MOMENT = 0.05
#: Fewest joints from which it can be told how the others lie.
_FEWEST = 4


class RayFit:
    """Moves everybody's joints; a row a slot.

    A keypoint trembles from frame to frame, while the network is wrong in the same way for longer:
    moves are averaged over a moment.

    Args:
        slots: how many people there may be.
        error: metres, the standard deviation of keypoints from the rays of their joints.
    """

    def __init__(self, slots: int, error: float) -> None:
        self._error = error
        self._moves = np.zeros((slots, JOINTS, 3), np.float32)

    def move(
        self,
        age: np.ndarray,
        slots: np.ndarray,
        joints: np.ndarray,
        sigma: np.ndarray,
        rays: np.ndarray,
        seen: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return skeletons whose joints are nearer to their rays.

        Args:
            age: (P,) seconds since people's last frames, as of `FrameAges`.
            slots: (P,) of the people.
            joints: (P, 17, 3) metres relative to the pelvis, camera's optical frame.
            sigma: (P, 17) metres, how far off each of them may be.
            rays: (P, 17, 2), x / z and y / z of the keypoints.
            seen: (P, 17) bool, which keypoints there are.

        Returns:
            The skeletons, relative to the pelvis, and (P, 17) metres by which joints had been off
            their rays, 0 where there are none.
        """
        moves, off = moves_to_rays(joints, sigma, rays, seen, self._error)
        age = age[:, None, None].astype(np.float32)
        before = np.where(np.isinf(age), moves, self._moves[slots])
        moves = before + (1 - np.exp(-age / _MOMENT)) * (moves - before)
        self._moves[slots] = np.nan_to_num(moves)  # a pose may be no number, the next one is
        moved = joints + moves
        return moved - moved[:, :1], off


def moves_to_rays(
    joints: np.ndarray, sigma: np.ndarray, rays: np.ndarray, seen: np.ndarray, error: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the moves (P, 17, 3) of joints in one frame, and how far they are off (P, 17).

    For the arguments see `RayFit`.
    """
    seen = seen & (seen.sum(-1, keepdims=True) >= _FEWEST)
    rays = np.where(seen[..., None], rays, 0)
    variance = sigma**2
    trust = seen / (variance + error**2)
    away = _distances(joints, rays, trust) * seen[..., None]
    off = np.linalg.norm(away, axis=-1)
    gain = variance * trust * (_FARTHEST / np.maximum(off, _FARTHEST))
    aside = gain[..., None] * away
    across = (aside * rays).sum(-1, keepdims=True) / (1 + (rays**2).sum(-1, keepdims=True))
    moves = np.concatenate([aside - across * rays, -across], -1)  # the shortest way to a ray
    return moves.astype(np.float32), off


def towards(rays: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return unit vectors (P, 3) towards people: the mean of their rays (P, 17, 2) that are seen.

    Somebody of whom nothing is seen is taken to be straight ahead.
    """
    share = seen / np.maximum(seen.sum(-1, keepdims=True), 1)
    ahead = np.ones((len(rays), 3), np.float32)
    ahead[:, :2] = (share[..., None] * np.where(seen[..., None], rays, 0)).sum(1)
    unit: np.ndarray = ahead / np.linalg.norm(ahead, axis=-1, keepdims=True)
    return unit


def _distances(joints: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return how far (P, 17, 2) joints are from their rays, at their depth, once the body fits.

    The body is put where its joints are nearest to their rays: in closed form, since for this the
    exact solution of `root.solve_roots`, which doubts outliers in several rounds, is not needed.
    """
    share = (weights / np.maximum(weights.sum(-1, keepdims=True), 1e-9))[..., None]
    needed = rays * joints[..., 2:] - joints[..., :2]
    rays = rays - (share * rays).sum(1, keepdims=True)
    needed = needed - (share * needed).sum(1, keepdims=True)
    weighted = share * rays
    depth = -(weighted * needed).sum((1, 2)) / np.maximum((weighted * rays).sum((1, 2)), 1e-12)
    return needed + depth[:, None, None] * rays
