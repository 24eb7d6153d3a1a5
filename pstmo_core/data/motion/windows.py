"""Windows of frames, cut out of motion-capture clips by indexing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pstmo_core.data.motion.mocap import Mocap


@dataclass(frozen=True)
class Clips:
    """Motion-capture clips as tensors on the training device."""

    positions: Tensor
    """(N, 17, 3) metres, world."""
    start: Tensor
    """(C,) first row of a clip."""
    length: Tensor
    """(C,) rows of a clip."""
    fps: float
    cumulative: Tensor | None = None
    """(N,) float64, the probability that a target is one of the rows up to each; None: even."""

    @classmethod
    def of(
        cls,
        mocap: Mocap,
        device: torch.device | str = "cpu",
        probability: np.ndarray | None = None,
    ) -> Clips:
        """Copy the clips to a device; `probability` (N,) is that of a row to be a target."""
        return cls(
            positions=torch.as_tensor(mocap.positions, device=device),
            start=torch.as_tensor(mocap.start, device=device),
            length=torch.as_tensor(mocap.length, device=device),
            fps=mocap.fps,
            cumulative=None
            if probability is None
            else torch.as_tensor(probability.cumsum(), device=device),
        )

    def draw_targets(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw target frames: clip (B,) and row within the clip (B,)."""
        total, device = self.positions.shape[0], self.start.device
        if self.cumulative is None:
            rows = torch.randint(total, (count,), generator=generator, device=device)
        else:
            place = torch.rand(count, generator=generator, device=device, dtype=torch.float64)
            rows = torch.searchsorted(self.cumulative, place * self.cumulative[-1])
            rows = rows.clamp(max=total - 1)
        clip = torch.searchsorted(self.start, rows, right=True) - 1
        return clip, rows - self.start[clip]

    def windows(self, clip: Tensor, target: Tensor, step: Tensor | float, frames: int) -> Tensor:
        """Cut windows round target frames (TDS, paper section 3.3.2).

        Frames that fall between two rows are interpolated; beyond the ends of a clip its first and
        last rows are repeated, on both sides at once.

        Args:
            clip: (B,) clip of each window.
            target: (B,) row of the target frame within the clip.
            step: rows between neighbouring frames, a number or (B, 1); may be fractional.
            frames: window length F, odd.

        Returns:
            (B, F, 17, 3) metres, world.
        """
        offsets = torch.arange(frames, device=target.device) - frames // 2
        return self.at(clip, target[:, None] + offsets * step)

    def fitted(self, clip: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        """Move rows (B, F) about targets (B,) into their clips, where these are long enough.

        Args:
            clip: (B,) clip of each sequence.
            target: (B,) row of its target within the clip.
            rows: (B, F) rows after the target, 0 among them; may be fractional.

        Returns:
            (B,) targets, which may be fractional.
        """
        last = self.length[clip] - 1
        before, after = -rows.amin(1), rows.amax(1)
        earliest, latest = before, last - after
        middle = (earliest + latest) / 2
        fits = earliest <= latest
        moved = torch.minimum(torch.maximum(target.to(rows.dtype), earliest), latest)
        return torch.where(fits, moved, middle)

    def at(self, clip: Tensor, place: Tensor) -> Tensor:
        """Gather rows of clips (B,) at places (B, F) within them, interpolated where fractional."""
        last = (self.length[clip] - 1)[:, None]
        place = torch.minimum(place.clamp(min=0), last)
        below = place.floor().long()
        start = self.start[clip][:, None]
        first = self.positions[start + below]
        if not torch.is_floating_point(place):
            return first
        second = self.positions[start + torch.minimum(below + 1, last)]
        return torch.lerp(first, second, (place - below)[..., None, None])
