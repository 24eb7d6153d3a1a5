"""The masks of masked pose modelling (paper, section 3.2): what stage I hides and must restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pstmo_core.errors import ConfigError
from pstmo_core.settings import check_settings, setting
from pstmo_core.skeleton import JOINTS

#: The authors draw from the first 16 joints only: the last, the right wrist, is never masked.
_CHOICES = {"per_sample": JOINTS, "per_batch": JOINTS - 1}


class Masks(NamedTuple):
    """What is hidden from the encoder; True = masked.

    `per_batch` masks lack the dimension B; `pstmo_core.model.masked` takes both.
    """

    temporal: Tensor
    """(B, F) or (F,): frames that the encoder does not see at all."""
    spatial: Tensor
    """(B, F, 17) or (F, 17): joints that are replaced by the spatial padding embedding."""


@dataclass(frozen=True)
class Masking:
    """A masking strategy of section 3.2 and how its masks are drawn.

    Temporal masking alone has `joints=0`, spatial masking alone `temporal_ratio=0`, and both
    together are the spatial-temporal masking of section 3.2.3. The defaults are the paper's best.

    Raises:
        ConfigError: if a value cannot be used, or nothing would be masked.
    """

    temporal_ratio: float = setting(
        0.8,
        "q_T, the share of frames that are masked; the number of frames is rounded down.",
        low=0.0,
        below=1.0,
    )
    joints: int = setting(
        2, "m_S, joints masked in each frame; different ones in each.", low=0, high=JOINTS - 1
    )
    form: str = setting(
        "per_sample",
        "per_sample: each sample has its own masks. per_batch: the authors' form, one temporal and "
        "one spatial mask for the whole batch, with joint 16 never masked.",
        choices=tuple(_CHOICES),
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.temporal_ratio == 0.0 and self.joints == 0:
            raise ConfigError("temporal_ratio and joints are both 0: nothing would be masked")

    @property
    def spatial_ratio(self) -> float:
        """q_S = m_S / J, the share of joints masked in a visible frame."""
        return self.joints / JOINTS

    @property
    def overall_ratio(self) -> float:
        """q_ST = q_T + (1 - q_T) q_S, the share of all joints that the encoder does not see."""
        return self.temporal_ratio + (1 - self.temporal_ratio) * self.spatial_ratio

    def masked_frames(self, frames: int) -> int:
        """Return how many of a window's frames are masked.

        As in the authors' code q_T F is rounded down, 194 of 243 at 0.8; the paper rounds the
        visible frames down instead and so masks one more (195).
        """
        return int(frames * self.temporal_ratio)

    def draw(self, batch: int, frames: int, generator: torch.Generator) -> Masks:
        """Draw masks on the generator's device; the same seed draws the same masks.

        Args:
            batch: B, of no consequence to `per_batch` masks.
            frames: window length F.
            generator: source of the randomness.
        """
        samples = (batch,) if self.form == "per_sample" else ()
        choices = _CHOICES[self.form]
        temporal = _choose((*samples, frames), self.masked_frames(frames), generator)
        spatial = _choose((*samples, frames, choices), self.joints, generator)
        return Masks(temporal, torch.nn.functional.pad(spatial, (0, JOINTS - choices)))


def _choose(shape: tuple[int, ...], count: int, generator: torch.Generator) -> Tensor:
    """Return a mask with `count` True in each last row, every choice being equally likely."""
    noise = torch.rand(shape, generator=generator, device=generator.device)
    mask = torch.zeros(shape, dtype=torch.bool, device=generator.device)
    return mask.scatter_(-1, noise.argsort(-1)[..., :count], True)
