"""Bones stay as long as they were: they turn in depth where they look too short or too long."""

from __future__ import annotations

import numpy as np
import pytest

from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import PARENTS
from pstmo_core.streaming.bone_lengths import BoneLengths
from pstmo_core.streaming.frame_ages import FrameAges

FRAMES, STEP = 100, 40_000_000
SLOTS, VISITS = np.array([2, 0]), np.array([7, 3])


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    """(F, 2, 17, 3) metres relative to the pelvis in a camera's frame; bones keep their lengths."""
    moving = MovingPeople.shipped(2)
    view = View(1280, 720, 1000.0, (4.0, 1.0, 1.4), (0.0, 1.0, 0.9))
    bodies = np.stack([view.to_camera(moving.joints(row / 25)) for row in range(FRAMES)])
    return (bodies - bodies[:, :, :1]).astype(np.float32)


def bones(joints: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(joints - joints[..., np.maximum(PARENTS, 0), :], axis=-1)
    return lengths[..., 1:]


def ahead(people: int = 2) -> np.ndarray:
    return np.tile(np.float32([0, 0, 1]), (people, 1))


class Bones:
    """The bones of people, frame by frame."""

    def __init__(self, memory: float = 4.0) -> None:
        self._ages, self._lengths = FrameAges(4), BoneLengths(4, memory)

    def hold(self, stamp: int, joints: np.ndarray, visits: np.ndarray = VISITS) -> np.ndarray:
        age = self._ages.advance(stamp, SLOTS, visits)
        return self._lengths.hold(age, SLOTS, joints, joints, ahead())


def held(motion: np.ndarray, memory: float = 4.0) -> np.ndarray:
    bones = Bones(memory)
    return np.stack([bones.hold((row + 1) * STEP, joints) for row, joints in enumerate(motion)])


def test_a_skeleton_whose_bones_keep_their_lengths_stays_as_it_is(motion: np.ndarray) -> None:
    spread = (bones(motion) - bones(motion).mean(0)).std()
    assert np.abs(held(motion) - motion).max() < max(1e-4, 20 * spread)


def test_depth_that_comes_and_goes_becomes_steadier_and_nearer_to_the_truth(
    motion: np.ndarray,
) -> None:
    wave = 1 + 0.3 * np.sin(np.arange(FRAMES) / 6)[:, None, None]
    wrong = motion.copy()
    wrong[..., 2] *= wave
    better = held(wrong)
    np.testing.assert_array_equal(better[..., :2], wrong[..., :2])
    settled = slice(FRAMES // 2, None)
    before, after = (np.abs(each - motion)[settled, ..., 2].mean() for each in (wrong, better))
    assert after < 0.8 * before
    assert bones(better)[settled].std(0).mean() < 0.8 * bones(wrong)[settled].std(0).mean()


def test_a_bone_never_turns_by_more_than_half_its_depth(motion: np.ndarray) -> None:
    both = Bones()
    long, short = motion[0] * 3, motion[1]
    both.hold(STEP, long)
    turned = both.hold(2 * STEP, short)
    parents = np.maximum(PARENTS, 0)
    deep, now = (each[..., 2] - each[:, parents, 2] for each in (short, turned))
    assert (np.abs(now - deep) <= 0.5 * np.abs(deep) + 1e-6).all()


def test_nothing_is_remembered_of_somebody_else_or_once_time_jumps_back(motion: np.ndarray) -> None:
    for stamp, visits in ((2 * STEP, VISITS + 1), (STEP // 2, VISITS)):
        both = Bones()
        both.hold(STEP, motion[0] * 3)
        first = both.hold(stamp, motion[1], visits)
        np.testing.assert_allclose(first, motion[1], atol=1e-6)


def test_lengths_are_those_of_the_last_seconds(motion: np.ndarray) -> None:
    grown = np.concatenate([1.2 * motion[:50], motion[50:]])
    long, short = held(grown, memory=60.0), held(grown, memory=0.2)
    assert (
        np.abs(short[-20:] - motion[-20:]).mean() < 0.1 * np.abs(long[-20:] - motion[-20:]).mean()
    )


def test_nobody_has_no_bones() -> None:
    nobody, none = np.empty((0, 17, 3), np.float32), np.empty(0, np.intp)
    assert BoneLengths(4, 4.0).hold(none, none, nobody, nobody, ahead(0)).shape == (0, 17, 3)


def test_a_pose_that_is_no_number_is_not_remembered(motion: np.ndarray) -> None:
    both = Bones()
    both.hold(STEP, motion[0])
    both.hold(2 * STEP, np.full_like(motion[1], np.nan))
    np.testing.assert_allclose(both.hold(3 * STEP, motion[2]), motion[2], atol=0.01)
