"""STMO, the network of stage II (paper, section 3.3): SEM, TEM, MOFA and two heads."""

from __future__ import annotations

from torch import Tensor, nn

from pstmo_core.model.config import ModelConfig
from pstmo_core.model.mofa import MOFA, TargetFrame
from pstmo_core.model.sem import build_sem
from pstmo_core.model.tem import TEM
from pstmo_core.skeleton import JOINTS


class PoseHead(nn.Module):
    """BatchNorm and a linear map from a token to 17 joints."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.linear = nn.Linear(width, JOINTS * 3)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, width) -> (N, 17, 3)."""
        return self.linear(self.norm(tokens)).view(-1, JOINTS, 3)


class STMO(nn.Module):
    """Lifts a window of encoded 2D poses to 3D poses relative to the pelvis, in metres.

    Both outputs lie in the camera's optical frame (x right, y down, z forward).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.width, config.feedforward, config.heads, config.dropout)
        self.sem = build_sem(config)
        self.tem = TEM(config.frames, config.layers, *shape) if config.layers else nn.Identity()
        self.mofa = (
            MOFA(config.frames, config.strides, *shape, config.mofa_anchor)
            if config.mofa
            else TargetFrame()
        )
        self.head_all = PoseHead(config.width)
        self.head_target = PoseHead(config.width)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Lift a batch of windows.

        Args:
            frames: (B, F, rows, channels), encoded as `config.encoding` says.

        Returns:
            The poses of all frames (B, F, 17, 3), the multi-frame head of section 3.4.2, and the
            pose of the target frame (B, 17, 3).
        """
        tokens = self.tem(self.sem(frames))
        all_frames = self.head_all(tokens.flatten(0, 1)).view(-1, self.config.frames, JOINTS, 3)
        return all_frames, self.head_target(self.mofa(tokens))
