"""The root position: where the pelvis is in the camera's frame, from a skeleton and its keypoints.

A skeleton relative to the pelvis, in metres, is shifted until its joints lie on the viewing rays of
their keypoints. The shift is the least-squares solution of two linear equations a joint; a few
rounds of reweighting suppress joints that do not fit. The distance is proportional to the size of
the person: an error of 5 % in stature is 5 % in distance, and no single camera can do better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.room.root_fusion import KNOWN_SPREAD, STATURE_SPREAD, RootSource
from pstmo_core.skeleton import JOINT_NAMES, bone_vectors

#: Relative deviation of people's size, by what it was taken from.
SPREADS = {RootSource.ASSUMED: STATURE_SPREAD, RootSource.HEIGHT: KNOWN_SPREAD}
#: Fewest joints from which a root position is solved.
FEWEST_JOINTS = 4
_ROUNDS = 4
#: Least residual (ray units, so radians) that is taken as noise; keypoints are never better.
_NOISE_FLOOR = 0.002
#: Residuals up to this many deviations have full weight, larger ones a square less.
_TRUSTED = 1.5
#: A skeleton's joints err together. The covariance is that of this many independent ones.
_INDEPENDENT_JOINTS = 7.0
_NEAREST = 0.2

_INDEX = {name: row for row, name in enumerate(JOINT_NAMES)}
#: The bones that add up to a body's height; legs are averaged over both sides.
_LEGS = [_INDEX[name] for name in ("rknee", "rankle", "lknee", "lankle")]
_TRUNK = [_INDEX[name] for name in ("spine", "thorax", "neck_nose", "head")]
#: Height over the sum of those bones' lengths: median of the training split's class `own`, whose
#: heights follow from their legs as those of the bodies that training draws (`data.bodies`).
HEIGHT_OVER_BONES = 1.08


@dataclass(frozen=True)
class Roots:
    """The root positions of P people."""

    position: np.ndarray
    """(P, 3) float64 metres, pelvis in the camera's optical frame; NaN where it is not known."""
    covariance: np.ndarray
    """(P, 3, 3) square metres; NaN where it is not known."""
    source: np.ndarray
    """(P,) uint8 of `RootSource`: what the distance rests on."""

    @classmethod
    def unknown(cls, people: int) -> Roots:
        """Return unknown root positions, as without a calibrated camera."""
        source = np.full(people, RootSource.NONE, np.uint8)
        return cls(np.full((people, 3), np.nan), np.full((people, 3, 3), np.nan), source)

    @property
    def distance(self) -> np.ndarray:
        """(P,) metres, NaN where it is not known."""
        away: np.ndarray = np.linalg.norm(self.position, axis=-1)
        return away

    @property
    def spread(self) -> np.ndarray:
        """(P,) metres, deviation of the distance, NaN where it is not known."""
        along = np.einsum("pi,pij,pj->p", self.position, self.covariance, self.position)
        deviation: np.ndarray = np.sqrt(np.maximum(along, 0.0)) / self.distance
        return deviation

    @property
    def jitter(self) -> np.ndarray:
        """(P,), relative variance of the distance but for that of people's size."""
        along = np.einsum("pi,pij,pj->p", self.position, self._sizeless, self.position)
        relative: np.ndarray = along / self.distance**4
        return relative

    @property
    def _sizeless(self) -> np.ndarray:
        """(P, 3, 3), the covariance but for that of people's size."""
        spread = np.array([SPREADS.get(RootSource(kind), 0.0) for kind in self.source.tolist()])
        left: np.ndarray = self.covariance - (spread**2)[:, None, None] * _outer(self.position)
        return left

    def moved_to(self, distance: np.ndarray, variance: np.ndarray, source: np.ndarray) -> Roots:
        """Return root positions in the same directions at other distances.

        Args:
            distance: (P,) metres.
            variance: (P,), relative, of the distance, which replaces the old.
            source: (P,) of `RootSource`.
        """
        scale = distance / self.distance
        position = self.position * scale[:, None]
        across = np.eye(3) - _outer(position) / (distance**2)[:, None, None]
        left = across @ self._sizeless @ across * scale[:, None, None] ** 2
        covariance = left + variance[:, None, None] * _outer(position)
        known = self.source != RootSource.NONE
        return Roots(
            position, covariance, np.where(known, source, RootSource.NONE).astype(np.uint8)
        )


def stature(joints: np.ndarray) -> np.ndarray:
    """Return the height (P,) in metres of the people with these skeletons (P, 17, 3)."""
    legs, trunk = bone_sums(joints)
    height: np.ndarray = HEIGHT_OVER_BONES * (legs + trunk)
    return height


def bone_sums(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lengths (P,) of a leg, and of trunk and head, of skeletons (P, 17, 3)."""
    bones = np.linalg.norm(bone_vectors(joints), axis=-1)
    return bones[:, _LEGS].sum(-1) / 2, bones[:, _TRUNK].sum(-1)


def scale_to(joints: np.ndarray, height: float) -> np.ndarray:
    """Return skeletons (P, 17, 3) made as tall as a height in metres; 0 leaves them alone.

    So does a joint that is not known, without which nobody's height is.
    """
    if height <= 0:
        return joints
    scale = np.nan_to_num(height / np.maximum(stature(joints), 1e-3), nan=1.0)
    return np.asarray(joints * scale[:, None, None], joints.dtype)


def solve_roots(
    joints: np.ndarray,
    rays: np.ndarray,
    weights: np.ndarray,
    source: RootSource = RootSource.ASSUMED,
    off: np.ndarray | None = None,
) -> Roots:
    """Estimate the root positions of skeletons.

    Args:
        joints: (P, 17, 3) metres relative to the pelvis, camera's optical frame.
        rays: (P, 17, 2), x / z and y / z of the keypoints, lens distortion undone.
        weights: (P, 17), 0 where a keypoint was not seen, else its score.
        source: what the skeletons' size rests on, a key of `SPREADS`, for the covariance.
        off: (P, 17) metres, how far joints had been from their rays before they were moved to
            them, for the covariance: what is moved no longer shows how wrong it was.

    Returns:
        The root positions; not known where fewer than `FEWEST_JOINTS` were seen, or nothing before
        the camera fits.
    """
    joints, rays = joints.astype(np.float64), rays.astype(np.float64)
    usable = (weights > 0) & np.isfinite(joints).all(-1) & np.isfinite(rays).all(-1)
    joints = np.where(usable[..., None], joints, 0.0)
    rays = np.where(usable[..., None], rays, 0.0)
    base = np.where(usable, weights, 0.0)
    known = usable.sum(-1) >= FEWEST_JOINTS
    # One row a coordinate: t_x - u t_z = u X_z - X_x, and the like for y.
    right = rays * joints[..., 2:] - joints[..., :2]
    position = _first_guess(joints, rays, usable)
    for _ in range(_ROUNDS):
        depth = np.maximum(joints[..., 2] + position[:, None, 2], _NEAREST)
        error = np.linalg.norm(_residual(rays, right, position), axis=-1) / depth
        spread = error if off is None else np.maximum(error, off / depth)
        noise = np.maximum(_NOISE_FLOOR, 1.48 * _median(spread, usable))
        trust = np.minimum(1.0, _TRUSTED * noise[:, None] / np.maximum(error, 1e-12)) ** 2
        final = base * trust / depth**2
        position = _least_squares(rays, right, np.where(known[:, None], final, 1.0))
    covariance = _covariance(rays, final, noise, known) + SPREADS[source] ** 2 * _outer(position)
    known &= position[:, 2] > _NEAREST
    return Roots(
        np.where(known[:, None], position, np.nan),
        np.where(known[:, None, None], covariance, np.nan),
        np.where(known, source, RootSource.NONE).astype(np.uint8),
    )


def _first_guess(joints: np.ndarray, rays: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return positions (P, 3) from medians: how large people are and how large they appear."""
    flat = joints[..., :2]
    size, apparent = (
        _median(np.linalg.norm(v - _median(v, usable)[:, None], axis=-1), usable)
        for v in (flat, rays)
    )
    depth = np.clip(size / np.maximum(apparent, 1e-6), _NEAREST, 1e3)
    position = _median(rays * (joints[..., 2] + depth[:, None])[..., None] - flat, usable)
    return np.concatenate([position, depth[:, None]], -1)


def _normal_matrix(rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (P, 3, 3), the sum of weighted rows [1, 0, -u] and [0, 1, -v] times themselves."""
    total = weights.sum(-1)
    first = -(weights[..., None] * rays).sum(1)
    second = (weights[..., None] * rays**2).sum((1, 2))
    matrix = np.zeros((len(rays), 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = total
    matrix[:, :2, 2] = matrix[:, 2, :2] = first
    matrix[:, 2, 2] = second
    return matrix


def _least_squares(rays: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weighted = weights[..., None] * right
    vector = np.concatenate([weighted.sum(1), -(weighted * rays).sum((1, 2))[:, None]], -1)
    matrix = _normal_matrix(rays, weights) + 1e-12 * np.eye(3)
    return np.linalg.solve(matrix, vector[..., None])[..., 0]


def _residual(rays: np.ndarray, right: np.ndarray, position: np.ndarray) -> np.ndarray:
    return position[:, None, :2] - rays * position[:, None, 2:] - right


def _median(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return the lower median over the usable joints of values (P, 17, ...); 0 without any."""
    usable = usable.reshape(usable.shape + (1,) * (values.ndim - 2))
    ordered = np.sort(np.where(usable, values, np.inf), axis=1)
    count = usable.sum(1, keepdims=True)
    middle = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=1)[:, 0]
    return np.where(count[:, 0] > 0, middle, 0.0)


def _covariance(
    rays: np.ndarray, weights: np.ndarray, noise: np.ndarray, known: np.ndarray
) -> np.ndarray:
    """Return (P, 3, 3): the residuals' spread through the equations, as if joints were few."""
    matrix = _normal_matrix(rays, weights) + 1e-12 * np.eye(3)
    matrix = np.where(known[:, None, None], matrix, np.eye(3))
    scale = noise**2 * (weights > 0).sum(-1) / _INDEPENDENT_JOINTS
    return scale[:, None, None] * np.linalg.inv(matrix)


def _outer(vector: np.ndarray) -> np.ndarray:
    return vector[:, :, None] * vector[:, None, :]
