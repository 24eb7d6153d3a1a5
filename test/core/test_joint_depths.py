"""A depth image corrects joints along their rays, and only those that it shows."""

from __future__ import annotations

import numpy as np
import pytest

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.body_surface import hidden
from pstmo_core.room.depth_root import sample_depth
from pstmo_core.room.joint_depths import JointDepths
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.body import Look, Parts, body_parts
from pstmo_core.simulation.depth import draw_depth
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.room import room_depths
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_core.streaming.skeleton_frame import SkeletonFrame

VIEW = View(640, 480, 560.0, position=(0.3, -3.4, 1.5), target=(0.0, 0.0, 0.9))
FPS, FRAMES, SETTLED = 25.0, 70, 15
WRISTS = [JOINT_NAMES.index("rwrist"), JOINT_NAMES.index("lwrist")]


def film(without: range = range(0)) -> tuple[list[KeypointFrame], np.ndarray]:
    """Return what colour and depth camera see of somebody, and true joints (F, 17, 3).

    Depth images show the room behind limbs, have holes, and are missing in some frames.
    """
    rng = np.random.default_rng(6)
    look, room = Look.draw(rng), room_depths(VIEW)
    frames, truth = [], []
    for row in range(FRAMES):
        body = MovingPeople.shipped(1).joints(row / FPS)[0]
        in_camera = VIEW.to_camera(body)
        points = VIEW.project(in_camera) + rng.normal(0, 2.0, (17, 2))
        image = draw_depth(VIEW, Parts.join([body_parts(body, look)]), room)
        image += rng.normal(0, 0.01, image.shape)
        image[rng.random(image.shape) < 0.1] = 0
        depths = sample_depth(image, points[None], (VIEW.width, VIEW.height), 1.0)
        frames.append(
            KeypointFrame(
                round(row / FPS * 1e9), ("p",), points[None].astype(np.float32),
                np.ones((1, 17), np.float32), VIEW.width, VIEW.height, VIEW.focal, None,
                None if row in without else depths,
            )
        )  # fmt: skip
        truth.append(in_camera)
    return frames, np.stack(truth)


def lift(runtime: Runtime, frames: list[KeypointFrame], **settings: bool) -> list[SkeletonFrame]:
    lifter = StreamLifter(runtime, StreamConfig(**settings))
    return [answer for frame in frames for answer in lifter.push(frame)]


def bodies(answers: list[SkeletonFrame]) -> np.ndarray:
    return np.stack([(a.joints + a.roots.position[:, None])[0] for a in answers])


def test_measured_joints_are_nearer_to_where_they_are(shipped: Runtime) -> None:
    frames, true = film()
    lifted, measured = (lift(shipped, frames, joint_depths=on) for on in (False, True))
    errors = [
        np.linalg.norm(bodies(answers) - true, axis=-1)[SETTLED:] for answers in (lifted, measured)
    ]
    for name, joints in (("joints", np.arange(17)), ("wrists", WRISTS), ("pelvis", [0])):
        before, after = (float(each[:, joints].mean()) for each in errors)
        print(f"measured: {name} {before * 1e3:.0f} mm off, {after * 1e3:.0f} with joint_depths")
        assert after < 0.6 * before
    assert np.percentile(errors[1], 99) < np.percentile(errors[0], 99)
    relative = np.linalg.norm(
        np.stack([a.joints[0] for a in measured]) - true + true[:, :1], axis=-1
    )
    sigma = np.stack([a.sigma[0] for a in measured if a.sigma is not None])
    share = float(np.mean((relative < 2.5 * sigma)[SETTLED:, 1:]))
    print(f"measured: {share:.0%} of joints lie within 2.5 sigma")
    assert 0.84 < share < 0.98
    assert sigma[SETTLED:].mean() < 0.95 * np.stack([a.sigma for a in lifted])[SETTLED:].mean()


def test_a_depth_image_that_falls_silent_lets_no_joint_jump(shipped: Runtime) -> None:
    frames, _ = film(without=range(40, 70))
    lifted, measured = (lift(shipped, frames, joint_depths=on) for on in (False, True))
    change = np.stack(
        [m.joints[0] - free.joints[0] for m, free in zip(measured, lifted, strict=True)]
    )
    assert np.abs(change[39]).max() > 0.02
    assert np.linalg.norm(np.diff(change[38:], axis=0), axis=-1).max() < 0.03
    assert np.abs(change[-1]).max() < 0.1 * np.abs(change[39]).max()


@pytest.mark.parametrize("error", [0.9, -0.6])
def test_what_lies_far_before_or_behind_a_joint_is_something_else(error: float) -> None:
    body = VIEW.to_camera(MovingPeople.shipped(1).joints(0.0))
    depths, sigma = body[..., 2] + error, np.full((1, 17), 0.05)
    one = np.zeros(1, int)
    joints, left, farther = JointDepths(2).correct(
        0, one, one, body, sigma, np.array([0.05]), depths
    )
    np.testing.assert_array_equal(joints, body)
    np.testing.assert_array_equal(left, sigma)
    assert farther == [0.0]


def test_a_hand_behind_the_back_is_hidden_and_one_before_the_chest_is_not() -> None:
    body = VIEW.to_camera(MovingPeople.shipped(1).joints(0.0))
    chest = (body[0, 7] + body[0, 8]) / 2
    for away, covered in ((0.25, True), (-0.25, False)):
        moved = body.copy()
        moved[0, WRISTS[0]] = chest * (1 + away / chest[2])
        assert hidden(moved)[0, WRISTS[0]] == covered


def test_a_body_that_is_nowhere_is_left_alone() -> None:
    body, one = np.full((1, 17, 3), np.nan), np.zeros(1, int)
    joints, sigma, farther = JointDepths(1).correct(
        0, one, one, body, np.full((1, 17), 0.05), np.array([np.nan]), np.ones((1, 17))
    )
    assert np.isnan(joints).all()
    assert np.isfinite(sigma).all() and farther == [0.0]
