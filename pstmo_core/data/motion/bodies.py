"""Augments bodies: other proportions, mirrored sides, limbs combined from several clips.

The motion capture shows few people. Proportions are therefore drawn from the ranges of people in
general, so that the network does not learn how those few were built.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

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


#: Deviation in degrees of the turn of a part of the body about the joint that it hangs on, at
#: strength 1.
_TURNS: dict[tuple[str, ...], float] = {
    tuple(name for name in JOINT_NAMES if JOINT_NAMES.index(name) not in (ROOT, *LOWER_BODY)): 18.0,
    ("rknee", "rankle"): 15.0,
    ("lknee", "lankle"): 15.0,
    ("relbow", "rwrist"): 20.0,
    ("lelbow", "lwrist"): 20.0,
}
#: Deviation in degrees of the lean of everything but the leg that stands.
_LEAN = 15.0
#: The legs without the hips, either of which may be the one that stands.
_LEGS = (("rknee", "rankle"), ("lknee", "lankle"))
#: What `join_limbs` takes: an arm from the shoulder on, or a leg from the hip on.
_LIMBS = (*_LEGS, ("relbow", "rwrist"), ("lelbow", "lwrist"))
_LEG_JOINTS = [[JOINT_NAMES.index(s + n) for n in ("hip", "knee", "ankle")] for s in "rl"]
#: Cosine of a knee's bend up to which a leg is made straight.
_NEARLY_STRAIGHT = math.cos(math.radians(40))
#: Range of the strength of a window's turns, drawn evenly in its logarithm: most stay near what was
#: captured, some go as far as balancing on one leg or a high kick does.
_STRENGTH = (0.3, 2.2)


#: A product with joints (17, 3) gives bone vectors, joint less parent; zero for the root.
_TO_BONES = np.eye(JOINTS, dtype=np.float32)
_TO_BONES[range(JOINTS), np.maximum(PARENTS, 0)] -= 1
#: A product with bone vectors gives joints relative to the root.
_TO_JOINTS = ancestry()
_FROM_ROOT = np.zeros((JOINTS, JOINTS), dtype=np.float32)
_FROM_ROOT[:, ROOT] = 1
_SWAP_SIDES = np.eye(JOINTS, dtype=np.float32)[mirror_order()]


def bones_of(poses: Tensor) -> Tensor:
    """Joints (..., 17, 3) -> bone vectors (..., 17, 3), joint less parent; zero for the root."""
    parents = torch.tensor([max(parent, 0) for parent in PARENTS], device=poses.device)
    return poses - poses[..., parents, :]


def joints_of(bones: Tensor, root: Tensor) -> Tensor:
    """Bone vectors (..., 17, 3) and the root's position (..., 3) -> joints (..., 17, 3)."""
    to_joints = torch.as_tensor(_TO_JOINTS, device=bones.device)
    return to_joints @ bones + root[..., None, :]


def mirror(poses: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the chosen (B,) windows (B, F, 17, 3) in the world's yz plane, sides swapped."""
    sides = torch.as_tensor(_SWAP_SIDES, device=poses.device)
    flip = torch.tensor([-1.0, 1.0, 1.0], device=poses.device).diag()
    return torch.where(chosen[:, None, None, None], transform(poses, sides, flip), poses)


def vary_proportions(poses: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Give each window (B, F, 17, 3) a body of human stature and proportions.

    The motion keeps its angles; the root's path is scaled with the legs, so that feet still meet
    the floor.
    """
    batch, device = poses.shape[0], poses.device
    bones = bones_of(poses[:, poses.shape[1] // 2])
    legs = bones[:, [JOINT_NAMES.index(n) for n in ("rknee", "rankle", "lknee", "lankle")]]
    leg = legs.norm(dim=-1).sum(-1) / 2
    factors = torch.ones(batch, JOINTS, device=device)
    for names, deviation in _GROUPS.items():
        noise = torch.randn(batch, 1, generator=generator, device=device)
        factors[:, [JOINT_NAMES.index(name) for name in names]] = 1 + strength * deviation * noise
    stature = torch.randn(batch, generator=generator, device=device) * STATURE[1] + STATURE[0]
    overall = (stature.clamp(1.35, 2.0) * LEG_SHARE / leg)[:, None]
    factors = factors.clamp(0.55, 1.45) * overall
    to_bones, to_joints, from_root = _matrices(device)
    return transform(
        poses, to_joints * factors[:, None] @ to_bones + from_root * overall[..., None], None
    )


def join_halves(upper: Tensor, lower: Tensor) -> Tensor:
    """Put the upper bodies of one set of windows (B, F, 17, 3) on the legs of another.

    The lower half brings the root's path; see `_join`.
    """
    above = torch.ones(JOINTS, device=upper.device)
    above[list(LOWER_BODY)] = 0
    return _join(upper, lower, above)


def join_limbs(limbs: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Give each window (B, F, 17, 3) an arm or a leg of another one (B, F, 17, 3); see `_join`.

    Few of the captured people step or kick with one leg while the other stands. The bones of the
    limb get the lengths of those that they replace.
    """
    parts = torch.zeros(len(_LIMBS), JOINTS, device=limbs.device)
    for row, names in zip(parts, _LIMBS, strict=True):
        row[[JOINT_NAMES.index(name) for name in names]] = 1
    which = torch.randint(len(_LIMBS), (len(limbs),), generator=generator, device=limbs.device)
    middle = limbs.shape[1] // 2
    old, new = (bones_of(poses[:, middle]).norm(dim=-1) for poses in (others, limbs))
    return _join(limbs, others, parts[which], old / new.clamp(min=0.01))


def _join(taken: Tensor, kept: Tensor, parts: Tensor, scale: Tensor | float = 1.0) -> Tensor:
    """Take the bones of some joints from one set of windows, all others and the root from another.

    What is taken is turned about the vertical so that at the target frame both pelvises face the
    same way. Where either trunk is far from upright there, the window stays as it is: no one walks
    lying down.

    Args:
        taken: (B, F, 17, 3).
        kept: (B, F, 17, 3).
        parts: (17,) or (B, 17), 1 for the joints whose bones are taken, else 0.
        scale: (B, 17), of the bones that are taken.
    """
    turn = _heading(kept) - _heading(taken)
    cos, sin, zero = turn.cos(), turn.sin(), torch.zeros_like(turn)
    rotation = torch.stack(
        [cos, -sin, zero, sin, cos, zero, zero, zero, torch.ones_like(turn)], -1
    ).view(-1, 3, 3)
    to_bones, to_joints, from_root = _matrices(taken.device)
    scaled, others = (parts * scale)[..., None, :], 1 - parts[..., None, :]
    turned = transform(taken, to_joints * scaled @ to_bones, rotation)
    joined = turned + transform(kept, to_joints * others @ to_bones + from_root, None)
    possible = upright(taken) & upright(kept)
    return torch.where(possible[:, None, None, None], joined, kept)


def vary_poses(poses: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Turn the bodies of the chosen (B,) windows (B, F, 17, 3): upper body, arms, legs and lean.

    Each part turns rigidly, by one rotation for the whole window, which is small in some windows
    and large in others: people bend, reach and balance in more ways than were captured.
    """
    batch, device = poses.shape[0], poses.device
    low, high = _STRENGTH
    strength = low * (high / low) ** torch.rand(batch, 1, generator=generator, device=device)
    strength = torch.deg2rad(strength) * chosen[:, None]

    def turn(deviation: float) -> Tensor:
        vectors = torch.randn(batch, 3, generator=generator, device=device)
        return _rotations(vectors * deviation * strength)[:, None]

    turns = torch.eye(3, device=device).repeat(batch, JOINTS, 1, 1)
    for names, deviation in _TURNS.items():
        rows = [JOINT_NAMES.index(name) for name in names]
        turns[:, rows] = turn(deviation) @ turns[:, rows]
    leaning = torch.ones(batch, JOINTS, dtype=torch.bool, device=device)
    right = torch.rand(batch, generator=generator, device=device) < 0.5
    for leg, stands in zip(_LEGS, (right, ~right), strict=True):
        leaning[:, [JOINT_NAMES.index(name) for name in leg]] = ~stands[:, None]
    turns = torch.where(leaning[..., None, None], turn(_LEAN) @ turns, turns)
    to_bones, to_joints, from_root = _matrices(device)
    bones = transform(poses, to_bones, None).transpose(1, 2) @ turns.mT
    return transform(bones.transpose(1, 2), to_joints, None) + transform(poses, from_root, None)


def straighten_legs(poses: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Straighten the legs of the chosen (B,) windows (B, F, 17, 3) by half of their bend to all.

    This is done only where both knees are nearly straight at the target frame: people stand on
    straight legs, which the captured joints hardly show.
    """
    batch, middle = poses.shape[0], poses.shape[1] // 2
    half = 0.5 + 0.5 * torch.rand(batch, 1, 1, generator=generator, device=poses.device)
    moved = poses.clone()
    for hip, knee, ankle in _LEG_JOINTS:
        thigh, shin = poses[:, :, knee] - poses[:, :, hip], poses[:, :, ankle] - poses[:, :, knee]
        along, below = normalize(thigh, dim=-1), normalize(shin, dim=-1)
        chosen = chosen & ((along * below).sum(-1)[:, middle] > _NEARLY_STRAIGHT)
        straighter = normalize(below + half * (along - below), dim=-1)
        moved[:, :, ankle] = poses[:, :, knee] + straighter * shin.norm(dim=-1, keepdim=True)
    return torch.where(chosen[:, None, None, None], moved, poses)


def _rotations(vectors: Tensor) -> Tensor:
    """Rotation vectors (B, 3) in radians to matrices (B, 3, 3)."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    crosses = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).view(-1, 3, 3)
    angle = vectors.norm(dim=-1)[:, None, None]
    sine, cosine = torch.sinc(angle / math.pi), torch.sinc(angle / (2 * math.pi)).square() / 2
    return torch.eye(3, device=vectors.device) + sine * crosses + cosine * (crosses @ crosses)


def transform(poses: Tensor, joints: Tensor | None, axes: Tensor | None) -> Tensor:
    """Multiply poses (B, F, 17, C) by matrices that mix joints and ones that mix coordinates.

    Each window is multiplied once, by the Kronecker product of the two, which is several times
    faster than many products of small matrices.

    Args:
        poses: (B, F, 17, C); C is 3, or 2 in the image.
        joints: (17, 17) for all windows or (B, 17, 17) for each; None leaves joints alone.
        axes: (C, C) or (B, C, C); None leaves coordinates alone.
    """
    channels = poses.shape[-1]
    if joints is None:
        joints = torch.eye(JOINTS, device=poses.device)
    if axes is None:
        axes = torch.eye(channels, device=poses.device)
    both = joints[..., :, None, :, None] * axes[..., None, :, None, :]
    both = both.flatten(-4, -3).flatten(-2, -1).to(poses.dtype)
    return (poses.flatten(2) @ both.mT).unflatten(2, (JOINTS, channels))


def _matrices(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.as_tensor(_TO_BONES, device=device),
        torch.as_tensor(_TO_JOINTS, device=device),
        torch.as_tensor(_FROM_ROOT, device=device),
    )


def upright(poses: Tensor) -> Tensor:
    """Say of which windows (B,) the trunk is within 45 degrees of the vertical at the target."""
    frame = poses[:, poses.shape[1] // 2]
    trunk = frame[:, JOINT_NAMES.index("thorax")] - frame[:, ROOT]
    return trunk[:, 2] > trunk.norm(dim=-1) * math.cos(math.radians(45))


def _heading(poses: Tensor) -> Tensor:
    """Return the yaw (B,) of the line from right to left hip at the target frame."""
    frame = poses[:, poses.shape[1] // 2]
    across = frame[:, JOINT_NAMES.index("lhip")] - frame[:, JOINT_NAMES.index("rhip")]
    return torch.atan2(across[:, 1], across[:, 0]) % (2 * math.pi)
