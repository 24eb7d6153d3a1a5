"""Triangulates keypoints of several calibrated cameras, without the outliers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from pstmo_core.camera import Camera
from pstmo_core.errors import PstmoError

#: Radians by which a keypoint may miss a point and still be taken for it: 20 px at 1000.
TOLERANCE = 0.02
_NEAREST = 0.1
_ROUNDS = 3


class TriangulationError(PstmoError):
    """Cameras or keypoints from which no points can be made; says why."""


@dataclass(frozen=True, eq=False)
class StationedCamera:
    """A camera and where it stands: x_camera = rotation @ x_world + translation."""

    name: str
    camera: Camera
    rotation: np.ndarray
    """(3, 3), world to camera."""
    translation: np.ndarray
    """(3,) metres."""

    @property
    def centre(self) -> np.ndarray:
        """Where it stands in the world, (3,) metres."""
        return -self.rotation.T @ self.translation

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) in this camera's optical frame."""
        return points @ self.rotation.T + self.translation


@dataclass(frozen=True, eq=False)
class Triangulated:
    """Points (F, J) and how well V cameras agree on them."""

    points: np.ndarray
    """(F, J, 3) metres, world; NaN where fewer than two cameras agree."""
    inliers: np.ndarray
    """(V, F, J) bool."""
    errors: np.ndarray
    """(V, F, J) radians between the keypoint's ray and the point's; NaN where not seen."""


def triangulate(
    cameras: Sequence[StationedCamera], rays: np.ndarray, scores: np.ndarray
) -> Triangulated:
    """Find the points that most cameras agree on.

    Of all pairs of cameras that see a point the one is taken with which the others agree best; then
    all that agree give the point by weighted least squares.

    Args:
        cameras: V of them.
        rays: (V, F, J, 2), x / z and y / z, lens distortion undone; NaN where not seen.
        scores: (V, F, J), the weights.

    Raises:
        TriangulationError: if there are fewer than two cameras.
    """
    if len(cameras) < 2:
        raise TriangulationError("a point needs two cameras at least: give more")
    weights = np.where(np.isfinite(rays).all(-1), np.nan_to_num(scores), 0.0)
    rays = np.nan_to_num(rays)
    best = np.full(rays.shape[1:3], -1.0)
    inliers = np.zeros(weights.shape, bool)
    for pair in combinations(range(len(cameras)), 2):
        chosen = np.zeros_like(weights)
        chosen[list(pair)] = (weights[list(pair)] > 0).all(0)
        errors = _errors(cameras, _solve(cameras, rays, chosen), rays, weights)
        agree = (errors < TOLERANCE) & (weights > 0)
        support = (np.where(agree, weights * (1 - errors / TOLERANCE), 0)).sum(0)
        better = (support > best) & chosen.any(0) & (agree.sum(0) >= 2)
        best[better] = support[better]
        inliers[:, better] = agree[:, better]
    points = _solve(cameras, rays, np.where(inliers, weights, 0))
    errors = _errors(cameras, points, rays, weights)
    known = inliers.sum(0) >= 2
    return Triangulated(np.where(known[..., None], points, np.nan), inliers,
                        np.where((weights > 0) & known, errors, np.nan))  # fmt: skip


def refine_rotations(
    cameras: Sequence[StationedCamera], rays: np.ndarray, scores: np.ndarray, rounds: int = 20
) -> tuple[list[StationedCamera], np.ndarray]:
    """Turn each camera about its centre to where its keypoints fit the others' best.

    A tripod that was touched after the calibration is turned rather than moved.

    Returns:
        The cameras, and by how many degrees each was turned (V,).
    """
    refined = list(cameras)
    for _ in range(rounds):
        found = triangulate(refined, rays, scores)
        for index, camera in enumerate(refined):
            used = found.inliers[index] & np.isfinite(found.points).all(-1)
            if used.sum() < 10:
                continue
            wanted = _unit(np.concatenate([rays[index][used], np.ones((used.sum(), 1))], -1))
            there = _unit(found.points[used] - camera.centre)
            left, _, right = np.linalg.svd((wanted * scores[index][used][:, None]).T @ there)
            rotation = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
            refined[index] = replace(
                camera, rotation=rotation, translation=-rotation @ camera.centre
            )
    turned = [
        np.degrees(np.arccos(np.clip((np.trace(a.rotation @ b.rotation.T) - 1) / 2, -1, 1)))
        for a, b in zip(refined, cameras, strict=True)
    ]
    return refined, np.array(turned)


def _solve(cameras: Sequence[StationedCamera], rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return points (F, J, 3) by weighted least squares; any where the weights are 0."""
    matrices = np.stack([np.column_stack([c.rotation, c.translation]) for c in cameras])
    # Two rows a camera: u * third - first and v * third - second, of the 3 x 4 matrix.
    rows = rays[..., None] * matrices[:, None, None, 2:] - matrices[:, None, None, :2]
    scale = weights
    points = np.zeros((*rays.shape[1:3], 3))
    for _ in range(_ROUNDS):
        left = np.einsum("vfjr,vfjri,vfjrk->fjik", np.stack([scale] * 2, -1), rows, rows)
        normal = left[..., :3, :3] + 1e-12 * np.eye(3)
        points = np.linalg.solve(normal, -left[..., :3, 3:])[..., 0]
        depths = np.stack([c.to_camera(points)[..., 2] for c in cameras])
        # A row's residual is the angle's times the depth.
        scale = weights / np.maximum(depths, _NEAREST) ** 2
    return points


def _errors(
    cameras: Sequence[StationedCamera], points: np.ndarray, rays: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Return (V, F, J): the distance between rays of keypoints and of points; large behind."""
    errors = np.full(weights.shape, np.inf)
    for index, camera in enumerate(cameras):
        seen = camera.to_camera(points)
        front = seen[..., 2] > _NEAREST
        ray = seen[..., :2] / np.where(front, seen[..., 2], 1)[..., None]
        errors[index] = np.where(front, np.linalg.norm(ray - rays[index], axis=-1), np.inf)
    return errors


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
