"""Metrics against values known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pstmo_core.evaluation.metrics import (
    acceleration_error,
    auc,
    frame_metrics,
    group_means,
    joint_means,
    mpjpe,
    mpjve,
    n_mpjpe,
    p_mpjpe,
    pck,
)


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


def shifted(poses: np.ndarray, *by: float) -> np.ndarray:
    """Move all joints but the first by so many metres along x, pose by pose."""
    moved = poses.copy()
    moved[:, 1:, 0] += np.array(by)[:, None]
    return moved


def test_velocity_errors_see_jitter_and_not_a_constant_offset(poses: np.ndarray) -> None:
    np.testing.assert_allclose(mpjve(poses + 0.1, poses), 0, atol=1e-12)
    jitter = poses.copy()
    jitter[::2] += [0.03, 0.04, 0]
    np.testing.assert_allclose(mpjve(jitter, poses), 0.05)
    np.testing.assert_allclose(mpjve(jitter, poses, fps=50), 2.5)
    assert mpjve(poses, poses).shape == (len(poses) - 1,)


def test_acceleration_errors_see_jitter_and_not_constant_velocity(poses: np.ndarray) -> None:
    drift = np.arange(len(poses))[:, None, None] * 0.01
    np.testing.assert_allclose(acceleration_error(poses + drift, poses), 0, atol=1e-12)
    jitter = poses.copy()
    jitter[::2] += [0.03, 0.04, 0]
    np.testing.assert_allclose(acceleration_error(jitter, poses), 0.1)
    np.testing.assert_allclose(acceleration_error(jitter, poses, fps=10), 10)


def test_pck_counts_joints_strictly_within_150_mm(poses: np.ndarray) -> None:
    # One of 17 joints, the root, is right however far the others are.
    at, below, above = (pck(shifted(poses[:1] * 0, x), poses[:1] * 0) for x in (0.15, 0.149, 0.151))
    np.testing.assert_allclose([at[0], below[0], above[0]], [1 / 17, 1, 1 / 17])
    assert pck(shifted(poses[:1], 1.0), poses[:1], joints=range(1, 15))[0] == 0


def test_auc_is_the_mean_of_pck_over_31_thresholds(poses: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    predicted = poses + rng.normal(scale=0.08, size=poses.shape)
    for joints in (None, tuple(range(14))):
        one_by_one = [pck(predicted, poses, joints, t / 1000) for t in range(0, 151, 5)]
        np.testing.assert_allclose(auc(predicted, poses, joints), np.mean(one_by_one, axis=0))
    np.testing.assert_allclose(auc(poses, poses), 30 / 31)


def test_joint_means_leave_unknown_joints_out(poses: np.ndarray) -> None:
    predicted = shifted(poses, *np.full(len(poses), 0.1))
    predicted[3, 5] = np.nan
    predicted[:, 7] = np.nan
    means = joint_means(predicted, poses)
    assert np.isnan(means[7])
    np.testing.assert_allclose(np.delete(means, 7), [0] + [0.1] * 15, atol=1e-9)


def test_frames_that_do_not_count_are_left_out_of_every_metric(poses: np.ndarray) -> None:
    valid = np.ones(len(poses), dtype=bool)
    valid[10] = False
    predicted = poses + 0.01
    predicted[10] += 5
    values = frame_metrics(predicted, poses, valid)
    unknown = {"mpjve": [0, 10, 11], "acceleration": [0, 9, 10, 11, len(poses) - 1]}
    for name, value in values.items():
        assert value.shape == (len(poses),)
        assert np.flatnonzero(np.isnan(value)).tolist() == unknown.get(name, [10])
    np.testing.assert_allclose(group_means([values["mpjpe"]], ["a"]).means, 0.01 * 3**0.5)


def test_even_one_frame_has_metrics(poses: np.ndarray) -> None:
    for count in (1, 2, 3):
        for value in frame_metrics(poses[:count], poses[:count]).values():
            assert value.shape == (count,)


def test_every_frame_counts_for_its_own_action() -> None:
    values = [np.array([1.0, 3.0]), np.array([10.0, np.nan]), np.array([5.0])]
    means = group_means(values, ["Walking", "Eating", "Walking"])
    assert means.as_dict() == {"Eating": 10.0, "Walking": 3.0}
    assert means.counts.tolist() == [1, 3]
    assert means.over_groups == 6.5  # Human3.6M: actions count alike
    assert means.over_frames == 19 / 4  # MPI-INF-3DHP: frames count alike
    assert np.isnan(group_means([np.array([np.nan])], ["a"]).over_frames)
