"""Metrics against values known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pstmo_core.metrics import mpjpe, n_mpjpe, p_mpjpe


@pytest.fixture
def poses(sample: dict[str, np.ndarray]) -> np.ndarray:
    return sample["truth"][:50, 0].astype(np.float64)


def test_a_shift_of_3_4_0_is_an_error_of_5(poses: np.ndarray) -> None:
    np.testing.assert_allclose(mpjpe(poses + [0.03, 0.04, 0], poses), 0.05)


def test_scale_costs_mpjpe_but_not_n_mpjpe(poses: np.ndarray) -> None:
    assert mpjpe(poses * 1.1, poses).min() > 0.01
    np.testing.assert_allclose(n_mpjpe(poses * 1.1, poses), 0, atol=1e-12)


def test_p_mpjpe_forgives_scale_rotation_and_shift_of_each_pose(poses: np.ndarray) -> None:
    turns = Rotation.random(len(poses), random_state=1).as_matrix()
    moved = 0.8 * poses @ turns + np.random.default_rng(2).normal(size=(len(poses), 1, 3))
    np.testing.assert_allclose(p_mpjpe(moved, poses), 0, atol=1e-9)


def test_p_mpjpe_does_not_forgive_a_mirrored_pose(poses: np.ndarray) -> None:
    assert p_mpjpe(poses * [-1, 1, 1], poses).min() > 0.01


def test_a_pose_that_is_not_known_has_no_error_and_spoils_no_other(poses: np.ndarray) -> None:
    holed = poses.copy()
    holed[3, 5] = np.nan
    for measure in (mpjpe, n_mpjpe, p_mpjpe):
        errors = measure(holed, poses)
        assert np.isnan(errors[3])
        np.testing.assert_allclose(np.delete(errors, 3), 0, atol=1e-9)
