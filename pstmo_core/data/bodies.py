"""Bodies that were not captured: other proportions, sides and combinations of real motion.

Twenty-five minutes of a few people are little; what is drawn here comes from human ranges, so that
the network learns how people are built and not how those few were.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pstmo_core.skeleton import (
    JOINT_NAMES,
    JOINTS,
    LOWER_BODY,
    PARENTS,
    ROOT,
    ancestry,
    mirror_order,
)

#: Adult stature in metres (mean, deviation), women and men together, and the share of it between
#: hip and ankle (Drillis and Contini's segment lengths: thigh 0.245, shank 0.246).
STATURE = (1.67, 0.095)
LEG_SHARE = 0.491

#: Deviation of the lengths of bone groups about their own proportion; left and right alike.
_GROUPS: dict[tuple[str, ...], float] = {
    ("rhip", "lhip"): 0.15,
    ("rknee", "lknee"): 0.05,
    ("rankle", "lankle"): 0.05,
    ("spine", "thorax"): 0.07,
    ("neck_nose", "head"): 0.10,
    ("lshoulder", "rshoulder"): 0.10,
    ("lelbow", "relbow"): 0.07,
    ("lwrist", "rwrist"): 0.07,
}


def bones_of(poses: Tensor) -> Tensor:
    """Joints (..., 17, 3) -> bone vectors (..., 17, 3), joint less parent; zero for the root."""
    parents = torch.tensor([max(parent, 0) for parent in PARENTS], device=poses.device)
    return poses - poses[..., parents, :]


def joints_of(bones: Tensor) -> Tensor:
    """Bone vectors (..., 17, 3) -> joints (..., 17, 3) relative to the root."""
    return torch.as_tensor(ancestry(), device=bones.device, dtype=bones.dtype) @ bones


def mirror(poses: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen (B,) windows (B, F, 17, 3) in the world's yz plane, sides swapped."""
    order = torch.as_tensor(mirror_order(), device=poses.device)
    flip = torch.tensor([-1.0, 1.0, 1.0], device=poses.device, dtype=poses.dtype)
    return torch.where(chosen[:, None, None, None], poses[:, :, order] * flip, poses)


def vary_proportions(poses: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Give each window (B, F, 17, 3) a body of human stature and proportions.

    The motion keeps its angles; the root's path is scaled with the legs, so that feet still meet
    the floor.
    """
    batch, device = poses.shape[0], poses.device
    bones = bones_of(poses)
    target = poses.shape[1] // 2
    legs = bones[:, target, [JOINT_NAMES.index(n) for n in ("rknee", "rankle", "lknee", "lankle")]]
    leg = legs.norm(dim=-1).sum(-1) / 2
    factors = torch.ones(batch, JOINTS, device=device)
    for names, deviation in _GROUPS.items():
        noise = torch.randn(batch, 1, generator=generator, device=device)
        factors[:, [JOINT_NAMES.index(name) for name in names]] = 1 + strength * deviation * noise
    stature = torch.randn(batch, generator=generator, device=device) * STATURE[1] + STATURE[0]
    overall = (stature.clamp(1.35, 2.0) * LEG_SHARE / leg)[:, None]
    factors = factors.clamp(0.55, 1.45) * overall
    root = poses[:, :, ROOT : ROOT + 1] * overall[..., None, None]
    return root + joints_of(bones * factors[:, None, :, None])


def join_halves(upper: Tensor, lower: Tensor) -> Tensor:
    """Put the upper bodies of one set of windows (B, F, 17, 3) on the legs of another.

    The lower half brings the root's path; the upper half is turned about the vertical so that at
    the target frame both pelvises face the same way.
    """
    turn = _heading(lower) - _heading(upper)
    cos, sin, zero = turn.cos(), turn.sin(), torch.zeros_like(turn)
    rotation = torch.stack(
        [cos, -sin, zero, sin, cos, zero, zero, zero, torch.ones_like(turn)], -1
    ).view(-1, 1, 1, 3, 3)
    bones = (rotation @ bones_of(upper)[..., None])[..., 0]
    legs = list(LOWER_BODY)
    bones[..., legs, :] = bones_of(lower)[..., legs, :]
    return lower[:, :, ROOT : ROOT + 1] + joints_of(bones)


def _heading(poses: Tensor) -> Tensor:
    """Return the yaw (B,) of the line from right to left hip at the target frame."""
    frame = poses[:, poses.shape[1] // 2]
    across = frame[:, JOINT_NAMES.index("lhip")] - frame[:, JOINT_NAMES.index("rhip")]
    return torch.atan2(across[:, 1], across[:, 0]) % (2 * math.pi)
