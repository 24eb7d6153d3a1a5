"""Lifted joints move to the rays of their keypoints, as far as the network doubts them."""

from __future__ import annotations

import numpy as np
import pytest

from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.frame_ages import FrameAges
from pstmo_core.streaming.ray_fit import RayFit, towards

ERROR = 0.02
PEOPLE = 4


@pytest.fixture(scope="module")
def people() -> np.ndarray:
    """(N, 17, 3) metres in the frame of a camera that sees them at the image's border, too."""
    moving = MovingPeople.shipped(PEOPLE)
    world = np.concatenate([moving.joints(second) for second in np.arange(0.0, 12.0, 0.5)])
    view = View(1280, 720, 800.0, (3.5, 1.3, 1.2), (0.0, 1.0, 0.9))
    bodies = view.to_camera(world)
    return bodies[bodies[..., 2].min(-1) > 0.5]


def move_to_rays(joints: np.ndarray, *seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Skeletons moved by the first frame of people."""
    new, slots = np.full(len(joints), np.inf), np.arange(len(joints))
    return RayFit(max(len(joints), 1), ERROR).move(new, slots, joints, *seen)


def relative(bodies: np.ndarray) -> np.ndarray:
    return bodies - bodies[:, :1]


def rays_of(bodies: np.ndarray) -> np.ndarray:
    return bodies[..., :2] / bodies[..., 2:]


def distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.linalg.norm(one - other, axis=-1)


def everything(bodies: np.ndarray) -> np.ndarray:
    return np.ones(bodies.shape[:2], bool)


def test_skeletons_that_fit_stay_as_they_are(people: np.ndarray) -> None:
    sigma = np.full(people.shape[:2], 0.05)
    moved, off = move_to_rays(relative(people), sigma, rays_of(people), everything(people))
    np.testing.assert_allclose(moved, relative(people), atol=1e-9)
    np.testing.assert_allclose(off, 0, atol=1e-9)


def test_joints_move_as_far_as_the_network_doubts_them(people: np.ndarray) -> None:
    wrong = relative(people).copy()
    right, across = wrong.copy(), np.array([0.6, -0.8, 0]) * 0.03
    wrong[:, 16] += across
    for doubt, share in ((0.001, 0.0), (0.02, 0.5), (0.4, 1.0)):
        sigma = np.full(people.shape[:2], 0.002)
        sigma[:, 16] = doubt
        moved, _ = move_to_rays(wrong, sigma, rays_of(people), everything(people))
        left = distances(moved[:, 16], wrong[:, 16]).mean() / 0.03
        assert left == pytest.approx(share, abs=0.08)
        assert distances(moved, right)[:, :16].max() < 0.003


def test_a_keypoint_far_off_moves_its_joint_by_5_cm_at_most(people: np.ndarray) -> None:
    rays = rays_of(people).copy()
    rays[:, 13] += 0.3
    sigma = np.full(people.shape[:2], 0.03)
    sigma[:, 13] = 1.0
    moved, off = move_to_rays(relative(people), sigma, rays, everything(people))
    assert off[:, 13].min() > 0.2
    assert distances(moved, relative(people))[:, 13].max() < 0.055
    assert np.delete(distances(moved, relative(people)), 13, 1).max() < 0.02


def test_joints_that_are_not_seen_stay_and_so_does_a_person_of_whom_little_is(
    people: np.ndarray,
) -> None:
    rng = np.random.default_rng(3)
    wrong = relative(people) + rng.normal(0, 0.02, people.shape)
    wrong[:, 0] = 0
    seen = everything(people)
    seen[:, 4:7] = False
    seen[0, 3:] = False
    rays = rays_of(people).copy()
    rays[~seen] = 100.0  # anything
    sigma = np.full(people.shape[:2], 0.05)
    sigma[:, 0] = 0.0001
    moved, off = move_to_rays(wrong, sigma, rays, seen)
    np.testing.assert_allclose(moved[~seen], wrong[~seen], atol=1e-4)
    np.testing.assert_array_equal(moved[0], wrong[0])
    assert (off[~seen] == 0).all()
    assert distances(moved, relative(people))[1:].mean() < distances(wrong, relative(people)).mean()
    assert np.isfinite(moved).all()


def test_skeletons_move_less_along_the_rays_than_across(people: np.ndarray) -> None:
    wrong = relative(people) + np.random.default_rng(4).normal(0, 0.02, people.shape)
    wrong[:, 0] = 0
    rays, sigma = rays_of(people), np.full(people.shape[:2], 0.05)
    sigma[:, 0] = 0.0001
    moved, _ = move_to_rays(wrong, sigma, rays, everything(people))
    along = np.concatenate([rays, np.ones_like(rays[..., :1])], -1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    np.testing.assert_allclose(((moved - wrong) * along).sum(-1)[:, 1:], 0, atol=1e-3)


def test_the_direction_to_people_is_the_mean_of_what_is_seen(people: np.ndarray) -> None:
    seen = everything(people)
    seen[:, 8:] = False
    rays = rays_of(people).copy()
    rays[~seen] = 100.0
    ahead = towards(rays, seen)
    np.testing.assert_allclose(np.linalg.norm(ahead, axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(
        ahead[:, :2] / ahead[:, 2:], rays[:, :8].mean(1), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(towards(rays, np.zeros_like(seen))[0], [0, 0, 1])


def test_nobody_is_moved() -> None:
    nobody = np.empty((0, 17, 3), np.float32)
    moved, off = move_to_rays(nobody, nobody[..., 0], nobody[..., :2], nobody[..., 0] > 0)
    assert moved.shape == (0, 17, 3) and off.shape == (0, 17)
    assert towards(nobody[..., :2], nobody[..., 0] > 0).shape == (0, 3)


def test_what_trembles_moves_joints_less_than_what_lasts(people: np.ndarray) -> None:
    one = people[:1]
    sigma, seen, slot = np.full((1, 17), 0.05), everything(one), np.array([0])
    moves = {}
    for name, of_frame in (("lasts", lambda _: 1), ("trembles", lambda row: (-1) ** row)):
        fit, age = RayFit(1, ERROR), np.array([np.inf])
        for row in range(60):
            wrong = relative(one).copy()
            wrong[:, 16, 1] += 0.02 * of_frame(row)
            moved, _ = fit.move(age, slot, wrong, sigma, rays_of(one), seen)
            age = np.array([1 / 60])
        moves[name] = float(distances(moved, wrong)[0, 16])
    assert moves["lasts"] == pytest.approx(0.02 * 0.86, rel=0.2)
    assert moves["trembles"] < 0.3 * moves["lasts"]


def test_moves_are_those_of_one_person_until_time_jumps_back(people: np.ndarray) -> None:
    wrong = relative(people[:2]) + np.array([0, 0.02, 0]) * (np.arange(17) == 16)[:, None]
    sigma, rays, seen = np.full((2, 17), 0.05), rays_of(people[:2]), everything(people[:2])
    slot, first = np.array([0]), slice(0, 1)
    alone, _ = move_to_rays(wrong[first], sigma[first], rays[first], seen[first])
    for stamp, visit in ((2, 1), (1, 0)):
        fit, ages = RayFit(1, ERROR), FrameAges(1)
        age = ages.advance(1, slot, slot)
        fit.move(age, slot, wrong[1:], sigma[1:], rays[1:], seen[1:])
        age = ages.advance(stamp, slot, np.array([visit]))
        moved, _ = fit.move(age, slot, wrong[first], sigma[first], rays[first], seen[first])
        np.testing.assert_array_equal(moved, alone)


def test_a_pose_that_is_no_number_is_not_remembered(people: np.ndarray) -> None:
    fit, slot, age = RayFit(1, ERROR), np.array([0]), np.array([0.1])
    sigma, rays, seen = np.full((1, 17), 0.05), rays_of(people[:1]), everything(people[:1])
    fit.move(age, slot, np.full((1, 17, 3), np.nan), sigma, rays, seen)
    moved, _ = fit.move(age, slot, relative(people[:1]), sigma, rays, seen)
    np.testing.assert_allclose(moved, relative(people[:1]), atol=1e-6)
