"""A simple model of a keypoint detector: jitter, bias, outliers and joints not seen.

All sizes are shares of the person's apparent size (the RMS distance of joints from the pelvis), so
that near and far people are treated alike. Each window draws its own level between clean and bad.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pstmo_core.skeleton import JOINT_NAMES, JOINTS, LOWER_BODY, ROOT


@dataclass(frozen=True)
class DetectorNoise:
    """The worst level of each fault; windows draw a level between 0 and it."""

    clean_share: float = 0.3
    """Share of windows with no fault at all."""
    jitter: float = 0.06
    """Deviation of independent noise per frame and joint; wrists and ankles get 1.5 times."""
    bias: float = 0.04
    """Deviation of an offset that a joint keeps through the window."""
    outliers: float = 0.03
    """Probability that a joint in a frame lies anywhere near the person."""
    dropped: float = 0.15
    """Probability that a joint in a frame is not seen."""
    dropped_span: float = 0.15
    """Probability that a joint is not seen in a stretch of the window."""
    legs_hidden: float = 0.05
    """Probability that the legs are not seen in the whole window (a table, a near camera)."""


def apply(rays: Tensor, noise: DetectorNoise, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Make clean rays (B, F, 17, 2) look like a detector's.

    Returns:
        Rays (B, F, 17, 2) and the flag seen (B, F, 17), 1.0 or 0.0.
    """
    batch, frames = rays.shape[:2]
    device = rays.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    offsets = (rays - rays[:, :, ROOT : ROOT + 1]).flatten(2)
    size = (offsets.square().sum(-1) / JOINTS).sqrt()[..., None, None]
    level = uniform(batch, 1, 1, 1).square()
    level = level * (uniform(batch, 1, 1, 1) > noise.clean_share)
    distal = torch.tensor([1.5 if "wrist" in n or "ankle" in n else 1.0 for n in JOINT_NAMES])
    jitter = (noise.jitter * distal[:, None]).repeat(1, 2).to(device)
    bias = normal(batch, 1, JOINTS, 2) * noise.bias
    shift = torch.addcmul(bias, normal(batch, frames, JOINTS, 2), jitter)
    wild = uniform(batch, frames, JOINTS, 1) < noise.outliers * level.sqrt()
    shift *= level
    anywhere = wild[..., 0].nonzero(as_tuple=True)  # few: drawing for all would take as long as
    shift[anywhere] += normal(len(anywhere[0]), 2)  # everything else here

    fault = level[..., 0].sqrt()
    hidden = uniform(batch, frames, JOINTS) < noise.dropped * fault * 2 * uniform(batch, 1, 1)
    first = torch.randint(frames, (batch, 1, JOINTS), generator=generator, device=device)
    length = torch.randint(1, frames, (batch, 1, JOINTS), generator=generator, device=device)
    index = torch.arange(frames, device=device)[None, :, None]
    span = (index >= first) & (index < first + length)
    hidden |= span & (uniform(batch, 1, JOINTS) < noise.dropped_span * fault)
    legs = torch.zeros(JOINTS, dtype=torch.bool, device=device)
    legs[list(LOWER_BODY)] = True
    hidden |= legs & (uniform(batch, 1, 1) < noise.legs_hidden * (fault > 0))
    return torch.addcmul(rays, shift, size), (~hidden).float()
