"""Joint definitions: every detector puts joints elsewhere, and none where motion capture does.

People who label images put hips on the trochanters, which lie lower and further out than the
capture's centres of rotation, and shoulders on top; ankles are taken higher. It is some centimetres
that stay with the person and turn with the bones, and makes trunks longer over legs. Each window
draws such offsets about these means; the joints move in 3D, so what the network is to give is what
its keypoints show.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pstmo_core.data.motion.bodies import transform
from pstmo_core.skeleton import JOINT_NAMES, JOINTS, ROOT


@dataclass(frozen=True)
class _Shift:
    """A shift of a pair of joints (or one) along the vector between two others."""

    joints: tuple[str, ...]
    begin: tuple[str, ...]
    end: tuple[str, ...]
    mean: float
    deviation: float
    """Both as shares of that vector's length."""


def _pair(name: str) -> tuple[str, str]:
    return "l" + name, "r" + name


_SHIFTS = (
    _Shift(("hip", *_pair("hip")), ("hip",) * 3, ("thorax",) * 3, -0.03, 0.035),
    _Shift(_pair("hip"), ("hip",) * 2, _pair("hip"), 0.15, 0.20),
    _Shift(_pair("knee"), _pair("hip"), _pair("knee"), 0.02, 0.04),
    _Shift(_pair("ankle"), _pair("knee"), _pair("ankle"), -0.03, 0.05),
    _Shift(_pair("shoulder"), ("hip",) * 2, ("thorax",) * 2, 0.04, 0.035),
    _Shift(_pair("shoulder"), ("thorax",) * 2, _pair("shoulder"), -0.03, 0.10),
    _Shift(_pair("elbow"), _pair("shoulder"), _pair("elbow"), 0.0, 0.05),
    _Shift(_pair("wrist"), _pair("elbow"), _pair("wrist"), 0.0, 0.07),
    _Shift(("head",), ("thorax",), ("head",), 0.0, 0.12),
)
#: Mean and deviation in metres of a shift to the front of the body.
_FORWARD = {
    "hip": (0.0, 0.018), "knee": (0.0, 0.018), "ankle": (0.0, 0.018), "shoulder": (0.0, 0.018),
    "elbow": (0.0, 0.012), "wrist": (0.0, 0.012), "head": (0.02, 0.035),
}  # fmt: skip


def displace(poses: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Move the joints of the chosen (B,) windows (B, F, 17, 3), metres."""
    batch, device = poses.shape[0], poses.device
    chosen = chosen.float()
    mixing = torch.eye(JOINTS, device=device).repeat(batch, 1, 1)
    for shift in _SHIFTS:
        noise = torch.randn(batch, generator=generator, device=device)
        amount = chosen * (shift.mean + shift.deviation * noise)
        for joint, begin, end in zip(shift.joints, shift.begin, shift.end, strict=True):
            row = JOINT_NAMES.index(joint)
            mixing[:, row, JOINT_NAMES.index(end)] += amount
            mixing[:, row, JOINT_NAMES.index(begin)] -= amount
    forward = _forward(poses)
    moved = transform(poses, mixing, None)
    amounts = torch.zeros(batch, JOINTS, device=device)
    for name, (mean, deviation) in _FORWARD.items():
        rows = [row for row, joint in enumerate(JOINT_NAMES) if joint.endswith(name)]
        noise = torch.randn(batch, 1, generator=generator, device=device)
        amounts[:, rows] = chosen[:, None] * (mean + deviation * noise)
    return moved + amounts[:, None, :, None] * forward[:, :, None]


def _forward(poses: Tensor) -> Tensor:
    """Unit vectors (B, F, 3) to the front of the trunk."""
    up = poses[:, :, JOINT_NAMES.index("thorax")] - poses[:, :, ROOT]
    left = poses[:, :, JOINT_NAMES.index("lhip")] - poses[:, :, JOINT_NAMES.index("rhip")]
    return normalize(torch.linalg.cross(left, up), dim=-1)
