"""Where people stand: exact on exact input, robust, and honest about what it does not know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.streaming.root import FEWEST_JOINTS, SPREADS, solve_roots, stature

POSITIONS = np.array([[0.0, 0.0, 2.0], [1.0, -0.3, 4.0], [-3.0, 0.5, 9.0], [0.2, 1.0, 15.0]])


@pytest.fixture(scope="module")
def skeletons(mocap_file: Path) -> np.ndarray:
    """Real poses (4, 17, 3) relative to the pelvis, turned into a camera's frame."""
    poses = load_mocap(mocap_file).positions[::97][: len(POSITIONS)]
    poses = poses - poses[:, :1]
    return np.stack([poses[..., 0], -poses[..., 2], poses[..., 1]], -1).astype(np.float64)


def rays_of(skeletons: np.ndarray) -> np.ndarray:
    points = skeletons + POSITIONS[:, None]
    return points[..., :2] / points[..., 2:]


def test_an_exact_skeleton_is_placed_exactly(skeletons: np.ndarray) -> None:
    roots = solve_roots(skeletons, rays_of(skeletons), np.ones((4, 17)))
    np.testing.assert_allclose(roots.position, POSITIONS, atol=1e-6)


def test_keypoints_that_lie_elsewhere_have_little_say(skeletons: np.ndarray) -> None:
    rays = rays_of(skeletons)
    rng = np.random.default_rng(0)
    rays += rng.normal(0, 0.001, rays.shape)
    rays[:, [3, 13, 16]] += 0.2
    error = solve_roots(skeletons, rays, np.ones((4, 17))).position - POSITIONS
    assert (np.linalg.norm(error, axis=-1) < 0.03 * POSITIONS[:, 2]).all()


def test_joints_that_were_not_seen_have_no_say(skeletons: np.ndarray) -> None:
    rays, weights = rays_of(skeletons), np.ones((4, 17))
    rays[:, 9:] = np.nan
    weights[:, 9:] = 0
    roots = solve_roots(skeletons, rays, weights)
    np.testing.assert_allclose(roots.position, POSITIONS, atol=1e-6)


def test_a_person_twice_as_large_is_twice_as_far_away(skeletons: np.ndarray) -> None:
    roots = solve_roots(2 * skeletons, rays_of(skeletons), np.ones((4, 17)))
    np.testing.assert_allclose(roots.position, 2 * POSITIONS, atol=1e-6)


def test_the_covariance_holds_what_the_size_does_not_tell(skeletons: np.ndarray) -> None:
    rays, weights = rays_of(skeletons), np.ones((4, 17))
    for source, spread in SPREADS.items():
        covariance = solve_roots(skeletons, rays, weights, source).covariance
        depth = np.sqrt(covariance[:, 2, 2])
        assert (depth > spread * POSITIONS[:, 2]).all()
        assert (depth < 1.5 * spread * POSITIONS[:, 2] + 0.2).all()
        np.testing.assert_allclose(covariance, covariance.swapaxes(1, 2))
        assert (np.linalg.eigvalsh(covariance) > 0).all()


def test_too_few_joints_and_people_behind_the_camera_have_no_root_position(
    skeletons: np.ndarray,
) -> None:
    weights = np.ones((4, 17))
    weights[0, FEWEST_JOINTS - 1 :] = 0
    rays = rays_of(skeletons)
    rays[1] = -rays[1]
    roots = solve_roots(skeletons, rays, weights)
    assert np.isnan(roots.position[:2]).all() and np.isnan(roots.covariance[:2]).all()
    np.testing.assert_allclose(roots.position[2:], POSITIONS[2:], atol=1e-6)


def test_of_nobody_there_are_no_root_positions() -> None:
    nobody = np.empty((0, 17, 3))
    assert solve_roots(nobody, nobody[..., :2], nobody[..., 0]).position.shape == (0, 3)


def test_statures_are_those_of_people(skeletons: np.ndarray) -> None:
    assert ((stature(skeletons) > 1.5) & (stature(skeletons) < 1.95)).all()
    np.testing.assert_allclose(stature(1.1 * skeletons), 1.1 * stature(skeletons))
