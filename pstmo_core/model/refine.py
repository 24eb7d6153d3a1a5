"""The refine module (paper, Table 1, marked with an asterisk): an optional last step of stage II.

It blends a lifted pose with the same pose moved onto the viewing rays of its 2D keypoints. For
those rays `back_project` needs the camera's intrinsics and the true depth of the root, which a
benchmark has and no application does: this module is for comparing numbers on benchmarks only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pstmo_core.model.config import WIDEST, JsonConfig
from pstmo_core.model.trained_on import TrainedOn
from pstmo_core.settings import check_settings, setting
from pstmo_core.skeleton import JOINTS, ROOT


@dataclass(frozen=True)
class RefineConfig(JsonConfig):
    """Shape of a refine module.

    Raises:
        ConfigError: if a value cannot be used.
    """

    noun = "refine module"
    key = "pstmo_refine_config"

    hidden: int = setting(1024, "Width of the hidden layer.", low=1, high=WIDEST)
    dropout: float = setting(0.5, "Dropout probability while training.", low=0.0, below=1.0)

    def __post_init__(self) -> None:
        check_settings(self)


class Refine(nn.Module):
    """Weighs, joint by joint and for x and y alone, between two versions of a pose."""

    trained_on = TrainedOn()
    """The joint orders of its training data."""

    def __init__(self, config: RefineConfig | None = None) -> None:
        super().__init__()
        self.config = config or RefineConfig()
        self.weigh = nn.Sequential(
            nn.Linear(JOINTS * 6, self.config.hidden),
            nn.ReLU(),
            nn.Dropout(self.config.dropout),
            nn.Linear(self.config.hidden, JOINTS * 2),
            nn.Sigmoid(),
        )

    def forward(self, lifted: Tensor, projected: Tensor) -> Tensor:
        """Blend poses relative to the root, in metres.

        Args:
            lifted: (B, 17, 3), STMO's poses of the target frames.
            projected: (B, 17, 3), the same on the rays of their keypoints, see `back_project`.

        Returns:
            (B, 17, 3), with the depth of `lifted`.
        """
        weights = self.weigh(torch.cat([lifted, projected], -1).flatten(1)).view(-1, JOINTS, 2)
        # The layers may compute in bf16; the blend of metres does not.
        blended = torch.lerp(projected[..., :2], lifted[..., :2], weights.to(lifted.dtype))
        return torch.cat([blended, lifted[..., 2:]], -1)


def back_project(
    keypoints: Tensor, depths: Tensor, root_depth: Tensor, focal: Tensor, centre: Tensor
) -> Tensor:
    """Move poses onto the viewing rays of their keypoints.

    Args:
        keypoints: (..., 17, 2), in the unit of `focal` and `centre`.
        depths: (..., 17) metres relative to the root; the root's own is taken as 0.
        root_depth: (...,) metres, the root's true distance along the optical axis.
        focal: (..., 2) focal lengths.
        centre: (..., 2) principal point.

    Returns:
        (..., 17, 3) metres, relative to the root, in the camera's optical frame.
    """
    is_root = torch.arange(JOINTS, device=depths.device) == ROOT
    depths = depths.masked_fill(is_root, 0.0) + root_depth[..., None]
    rays = (keypoints - centre[..., None, :]) / focal[..., None, :]
    points = torch.cat([rays * depths[..., None], depths[..., None]], -1)
    return points - points[..., ROOT : ROOT + 1, :]
