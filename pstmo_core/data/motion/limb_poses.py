"""Arms and legs in poses that were not captured, drawn from what human joints can do.

The people in the motion capture walk, work and dance, but few of them hold their arms out in front,
squat or balance on one leg. A network that has never seen such a limb guesses its depth from those
that it has seen, and often turns it to the wrong side.

A limb is drawn in the frame of the part of the body that it hangs on: left, forward and up. It is
held, or moves to and fro between two poses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pstmo_core.data.motion.bodies import bones_of, joints_of, upright
from pstmo_core.skeleton import JOINT_NAMES, JOINTS, LOWER_BODY, ROOT

#: Range of the seconds that a limb takes to move to its other pose, and share of those that rest.
_DURATION = (0.4, 3.0)
_AT_REST = 0.4
#: Deviation in degrees, forward and to a side, of the lean of those who stand on one leg.
_LEAN = (15.0, 20.0)

_THORAX = JOINT_NAMES.index("thorax")
_ABOVE = [joint for joint in range(JOINTS) if joint not in (ROOT, *LOWER_BODY)]
_HIPS, _SHOULDERS, _ARMS, _LEGS = (
    tuple([JOINT_NAMES.index(side + name) for name in names] for side in "lr")
    for names in (("hip",), ("shoulder",), ("elbow", "wrist"), ("knee", "ankle"))
)
#: By what to multiply directions that are given for a left limb.
_LEFT, _RIGHT = (1.0, 1.0, 1.0), (-1.0, 1.0, 1.0)


@dataclass(frozen=True)
class _Draws:
    """Random numbers for the windows of a batch."""

    generator: torch.Generator
    count: int
    device: torch.device

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """(B, *shape) between two bounds."""
        drawn = torch.rand(self.count, *shape, generator=self.generator, device=self.device)
        return low + (high - low) * drawn

    def normal(self, *shape: int) -> Tensor:
        """(B, *shape) of mean 0 and deviation 1."""
        return torch.randn(self.count, *shape, generator=self.generator, device=self.device)


def reach(poses: Tensor, moments: Tensor, generator: torch.Generator) -> Tensor:
    """Give people (B, F, 17, 3), at moments (B, F) in seconds, arms drawn from their range.

    One arm of each, or both, which half of the time do the same.
    """
    draws = _Draws(generator, len(poses), poses.device)
    frames = _frames(poses, _SHOULDERS, poses[:, :, _THORAX] - poses[:, :, ROOT])
    bones = bones_of(poses)
    both, alike = draws.uniform(0, 1) < 0.6, draws.uniform(0, 1) < 0.5
    first = draws.uniform(0, 1) < 0.5
    weight = _to_and_fro(moments, draws)
    left, right = _arm(draws, weight), _arm(draws, weight)
    right = torch.where(alike[:, None, None, None], left, right)
    _place(bones, _ARMS[0], left, frames, _LEFT, both | first)
    _place(bones, _ARMS[1], right, frames, _RIGHT, both | ~first)
    return joints_of(bones, poses[:, :, ROOT])


def balance(poses: Tensor, moments: Tensor, generator: torch.Generator) -> Tensor:
    """Let people (B, F, 17, 3), at moments (B, F) in seconds, lift one leg and stand on the other.

    The body leans over the leg that stands. Those who are not upright stay as they are.
    """
    draws = _Draws(generator, len(poses), poses.device)
    frames = _level_frames(poses)
    bones = bones_of(poses)
    left, standing_up = draws.uniform(0, 1) < 0.5, upright(poses)
    weight = _to_and_fro(moments, draws)
    standing, lifted = _STANDING.draw(draws, weight), _LIFTED.draw(draws, weight)
    leaning = standing_up[:, None].repeat(1, JOINTS)
    for joints, side, lifts in zip(_LEGS, (_LEFT, _RIGHT), (left, ~left), strict=True):
        leg = torch.where(lifts[:, None, None, None], lifted, standing)
        _place(bones, joints, leg, frames, side, standing_up)
        leaning[:, joints] &= lifts[:, None]
    forward, sideways = (_moving(draws.normal(2) * degrees, weight) for degrees in _LEAN)
    _turn(bones, frames, forward, sideways, leaning)
    return joints_of(bones, poses[:, :, ROOT])


def squat(poses: Tensor, moments: Tensor, generator: torch.Generator) -> Tensor:
    """Let people (B, F, 17, 3), at moments (B, F) in seconds, squat, more or less deep.

    Feet stay where the squat puts them relative to the pelvis; the trunk leans forward. Those who
    are not upright stay as they are.
    """
    draws = _Draws(generator, len(poses), poses.device)
    frames = _level_frames(poses)
    bones = bones_of(poses)
    standing = upright(poses)
    weight = _to_and_fro(moments, draws)
    bend = _moving(torch.cat([draws.uniform(0, 130, 1), draws.uniform(30, 130, 1)], 1), weight)
    deep = bend / math.radians(130)
    lean, shin, apart, stance = (
        torch.deg2rad(draws.uniform(low, high, 1))
        for low, high in ((0, 60), (10, 40), (-5, 40), (-3, 12))
    )
    for joints, side in zip(_LEGS, (_LEFT, _RIGHT), strict=True):
        outward = apart * deep + stance
        thigh = _leg_direction(bend + torch.deg2rad(draws.normal(1) * 4), outward)
        below = _leg_direction(-shin * deep, outward * draws.uniform(-0.6, 0.3, 1))
        _place(bones, joints, torch.stack([thigh, below], 2), frames, side, standing)
    above = torch.zeros(len(poses), JOINTS, dtype=torch.bool, device=poses.device)
    above[:, _ABOVE] = standing[:, None]
    _turn(bones, frames, lean * deep, torch.zeros_like(deep), above)
    return joints_of(bones, poses[:, :, ROOT])


def _arm(draws: _Draws, weight: Tensor) -> Tensor:
    """Directions (B, F, 2, 3) of upper arm and forearm, for the left side."""
    # Azimuth from sideways to forward and a little across the chest; elevation from hanging to up.
    forward = _moving((60 + 35 * draws.normal(2)).clamp(-25, 115), weight)
    raised = _moving(draws.uniform(-75, 80, 2), weight)
    level = raised.cos()
    upper = torch.stack([level * forward.cos(), level * forward.sin(), raised.sin()], -1)
    straight = draws.uniform(0, 1, 1) < 0.35
    bend = torch.where(straight, draws.uniform(0, 25, 2), draws.uniform(10, 140, 2))
    inward = draws.normal(1, 3) * 0.6 + torch.tensor([-0.5, 0.8, 0.3], device=draws.device)
    return torch.stack([upper, _bent(upper, inward, _moving(bend, weight))], 2)


@dataclass(frozen=True)
class _LegRange:
    """What a left leg does, in degrees; a knee bends backward, more or less straight."""

    flexion: tuple[float, float]
    abduction: tuple[float, float]
    bend: tuple[float, float]
    """How the knee's bend grows with an even draw between 0 and 1: power and most."""
    backward: tuple[float, float, float]
    """Where the knee bends to."""
    spread: float
    """Deviation of that."""

    def draw(self, draws: _Draws, weight: Tensor) -> Tensor:
        """Directions (B, F, 2, 3) of thigh and shin."""
        flexion, abduction = draws.uniform(*self.flexion, 2), draws.uniform(*self.abduction, 2)
        thigh = _leg_direction(_moving(flexion, weight), _moving(abduction, weight))
        power, most = self.bend
        bend = _moving(draws.uniform(0, 1, 2) ** power * most, weight)
        backward = draws.normal(1, 3) * self.spread
        backward = backward + torch.tensor(self.backward, device=draws.device)
        return torch.stack([thigh, _bent(thigh, backward, bend)], 2)


_LIFTED = _LegRange((-35, 100), (-8, 45), (1.3, 125), (0.0, -1.0, -0.2), 0.2)
_STANDING = _LegRange((-8, 15), (-12, 8), (2, 35), (0.0, -1.0, 0.0), 0.1)


def _leg_direction(flexion: Tensor, abduction: Tensor) -> Tensor:
    """Directions (B, F, 3) of a left leg's segment, radians forward and outward from downward."""
    flexion, abduction = torch.broadcast_tensors(flexion, abduction)
    level = abduction.cos()
    return torch.stack([abduction.sin(), flexion.sin() * level, -flexion.cos() * level], -1)


def _bent(first: Tensor, towards: Tensor, angle: Tensor) -> Tensor:
    """Turn directions (B, F, 3) by angles (B, F) in radians towards vectors (B, 1, 3)."""
    across = normalize(towards - (towards * first).sum(-1, keepdim=True) * first, dim=-1)
    return first * angle.cos()[..., None] + across * angle.sin()[..., None]


def _to_and_fro(moments: Tensor, draws: _Draws) -> Tensor:
    """Weights (B, F) of the second pose at moments (B, F): smooth, between 0 and 1; some rest."""
    low, high = _DURATION
    duration = low * (high / low) ** draws.uniform(0, 1, 1)
    phase = draws.uniform(0, 2 * math.pi, 1)
    moving = draws.uniform(0, 1, 1) > _AT_REST
    return 0.5 + 0.5 * torch.cos(math.pi * moments / duration * moving + phase)


def _moving(ends: Tensor, weight: Tensor) -> Tensor:
    """Angles (B, F) in radians between two ends (B, 2) in degrees."""
    return torch.deg2rad(ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * weight)


def _place(
    bones: Tensor,
    joints: list[int],
    directions: Tensor,
    frames: Tensor,
    side: tuple[float, float, float],
    chosen: Tensor,
) -> None:
    """Give the bones (B, F, 17, 3) of two joints other directions, in the chosen (B,) windows.

    Args:
        bones: changed in place.
        joints: the limb's two, from the body outward.
        directions: (B, F, 2, 3) in the frame of a left limb.
        frames: (B, F, 3, 3), rows left, forward, up.
        side: `_LEFT` or `_RIGHT`.
        chosen: which windows.
    """
    turned = (directions * directions.new_tensor(side)) @ frames
    lengths = bones[:, :, joints].norm(dim=-1, keepdim=True)
    bones[:, :, joints] = torch.where(
        chosen[:, None, None, None], lengths * turned, bones[:, :, joints]
    )


def _turn(bones: Tensor, frames: Tensor, forward: Tensor, sideways: Tensor, chosen: Tensor) -> None:
    """Turn some bones (B, F, 17, 3), in place, forward and to the left by radians (B, F).

    Args:
        bones: changed in place.
        frames: (B, F, 3, 3), rows left, forward, up.
        forward: of the turn about the axis to the left, which comes first.
        sideways: of the turn about the axis forward.
        chosen: (B, 17) bool.
    """
    left, ahead, up = frames.unbind(-2)
    (sin, cos), (roll, level) = (
        (a.sin()[..., None], a.cos()[..., None]) for a in (forward, sideways)
    )
    ahead, up = ahead * cos - up * sin, ahead * sin + up * cos
    left, up = left * level - up * roll, left * roll + up * level
    rotation = torch.stack([left, ahead, up], -2).mT @ frames
    bones.copy_(torch.where(chosen[:, None, :, None], bones @ rotation.mT, bones))


def _level_frames(poses: Tensor) -> Tensor:
    """Return rows left, forward and up (B, F, 3, 3) of a pelvis whose up is the world's."""
    up = poses.new_tensor([0, 0, 1.0]).expand_as(poses[:, :, ROOT])
    return _frames(poses, _HIPS, up)


def _frames(poses: Tensor, sides: tuple[list[int], ...], up: Tensor) -> Tensor:
    """Return rows left, forward and up (B, F, 3, 3) of a part of the body, unit vectors.

    Args:
        poses: (B, F, 17, 3).
        sides: the left and the right joint.
        up: (B, F, 3), about upward.
    """
    left = normalize(poses[:, :, sides[0][0]] - poses[:, :, sides[1][0]], dim=-1)
    forward = normalize(torch.linalg.cross(left, up, dim=-1), dim=-1)
    return torch.stack([left, forward, torch.linalg.cross(forward, left, dim=-1)], -2)
