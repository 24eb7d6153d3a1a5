"""Arms and legs that were not captured: drawn from what human joints can do, on real motion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from pstmo_core.data.motion import bodies, limb_poses
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.windows import Clips
from pstmo_core.skeleton import JOINT_NAMES

_FRAMES, _STEP = 27, 0.04
_AT = {name: column for column, name in enumerate(JOINT_NAMES)}
_ARMS = [_AT[name] for name in ("lelbow", "lwrist", "relbow", "rwrist")]
_LEGS = [_AT[name] for name in ("lknee", "lankle", "rknee", "rankle")]

Draw = Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor]


@pytest.fixture
def motion(mocap_file: Path) -> torch.Tensor:
    clips, generator = (
        Clips.of(load_mocap(mocap_file, "train")),
        torch.Generator().manual_seed(3),
    )
    return clips.windows(*clips.draw_targets(200, generator), 2, _FRAMES)


def _drawn(draw: Draw, motion: torch.Tensor) -> torch.Tensor:
    moments = ((torch.arange(_FRAMES) - _FRAMES // 2) * _STEP).expand(len(motion), -1)
    return draw(motion, moments, torch.Generator().manual_seed(4))


def _bends(poses: torch.Tensor, limbs: list[int]) -> torch.Tensor:
    """Angles (B, F, 2) in degrees between the two bones of the left and the right limb."""
    bones = normalize(bodies.bones_of(poses)[:, :, limbs], dim=-1)
    return torch.rad2deg((bones[:, :, 0::2] * bones[:, :, 1::2]).sum(-1).clamp(-1, 1).acos())


def _forward(poses: torch.Tensor, left: str, right: str) -> torch.Tensor:
    """Where the body faces (B, F, 3), level."""
    across = poses[:, :, _AT[left]] - poses[:, :, _AT[right]]
    up = across.new_tensor([0, 0, 1.0]).expand_as(across)
    return normalize(torch.linalg.cross(across, up), dim=-1)


@pytest.mark.parametrize(
    ("draw", "moved"),
    [(limb_poses.reach, _ARMS), (limb_poses.balance, None), (limb_poses.squat, None)],
)
def test_bones_keep_their_lengths_and_other_parts_their_pose(
    motion: torch.Tensor, draw: Draw, moved: list[int] | None
) -> None:
    drawn = _drawn(draw, motion)
    old, new = (bodies.bones_of(poses) for poses in (motion, drawn))
    torch.testing.assert_close(new.norm(dim=-1), old.norm(dim=-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn[:, :, 0], motion[:, :, 0])
    if moved is not None:
        others = [joint for joint in range(17) if joint not in moved]
        torch.testing.assert_close(drawn[:, :, others], motion[:, :, others], atol=1e-4, rtol=0)
    assert ((drawn - motion).norm(dim=-1).amax((1, 2)) > 0.05).float().mean() > 0.8


@pytest.mark.parametrize("draw", [limb_poses.reach, limb_poses.balance, limb_poses.squat])
def test_limbs_move_no_faster_than_people_do(motion: torch.Tensor, draw: Draw) -> None:
    relative = _drawn(draw, motion) - motion[:, :, :1]
    speed = relative.diff(dim=1).norm(dim=-1) / _STEP
    assert speed.quantile(0.99) < 6 and speed.max() < 15


def test_arms_reach_forward_far_more_often_than_backward(motion: torch.Tensor) -> None:
    drawn = _drawn(limb_poses.reach, motion)
    moved = (drawn - motion).norm(dim=-1).amax(1)[:, [_AT["lwrist"], _AT["rwrist"]]] > 1e-3
    assert moved.any(1).all() and 0.3 < moved.all(1).float().mean() < 0.8
    ahead = _forward(drawn, "lshoulder", "rshoulder")
    for side, mine in zip("lr", moved.T, strict=True):
        arm = drawn[:, :, _AT[side + "wrist"]] - drawn[:, :, _AT[side + "shoulder"]]
        reach = (arm * ahead).sum(-1)[mine, _FRAMES // 2]
        assert (reach > 0.25).float().mean() > 0.4
        assert (reach < -0.1).float().mean() < 0.1


def test_who_balances_has_one_leg_nearly_straight_below_and_the_other_anywhere(
    motion: torch.Tensor,
) -> None:
    drawn = _drawn(limb_poses.balance, motion)[bodies.upright(motion)]
    bends = _bends(drawn, _LEGS)[:, _FRAMES // 2]
    assert (bends.amin(1) < 40).all()
    assert (bends.amax(1) > 60).float().mean() > 0.3


def test_who_squats_bends_both_knees_over_the_feet_and_leans_forward(
    motion: torch.Tensor,
) -> None:
    standing = bodies.upright(motion)
    drawn = _drawn(limb_poses.squat, motion)[standing]
    middle = drawn[:, _FRAMES // 2]
    bends = _bends(drawn, _LEGS)[:, _FRAMES // 2]
    assert (bends.diff(dim=1).abs() < 40).all()
    deep = bends.mean(1) > 100
    assert 0.1 < deep.float().mean() < 0.8
    ahead = _forward(drawn, "lhip", "rhip")[:, _FRAMES // 2]
    for side in "lr":
        hip, knee, ankle = (middle[:, _AT[side + name]] for name in ("hip", "knee", "ankle"))
        assert ((ankle - knee)[:, 2] < 0).all(), "feet are below the knees"
        assert (((knee - hip) * ahead).sum(-1)[deep] > 0.1).all(), "knees are ahead of the hips"
    trunk, before = (poses[:, 8] - poses[:, 0] for poses in (middle, motion[standing, 13]))
    assert ((trunk - before) * ahead).sum(-1)[deep].mean() > 0.1


def test_those_who_lie_are_left_lying(motion: torch.Tensor) -> None:
    lying = motion[..., [2, 1, 0]] * motion.new_tensor([1, 1, -1.0])
    lying = lying[~bodies.upright(lying)]
    assert len(lying) > 50
    for draw in (limb_poses.balance, limb_poses.squat):
        torch.testing.assert_close(_drawn(draw, lying), lying, atol=1e-4, rtol=0)
