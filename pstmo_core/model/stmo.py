"""STMO, the network of stage II (paper, section 3.3): SEM, TEM, MOFA and two heads.

    frames    (B, F, rows, channels)   a window of encoded 2D poses, see pstmo_core.encoding
       |
     unseen   the rows of joints that are not seen become an embedding (encoding `view`)
       |
      SEM     an MLP on each frame by itself: its joints become one token
       |
    tokens    (B, F, width)
       |
      TEM     a Transformer: each frame attends to all frames of the window
       |
    tokens    (B, F, width) ----------------> head_all       all frames' poses (B, F, 17, C)
       |
      MOFA    strided Transformer layers, F -> ... -> 9 -> 3 -> 1 frames
       |
    token     (B, width) -------------------> head_target    the target's pose (B, 17, C)

C is 3 (x, y, z), or 4 if the network also estimates its error. Stage I trains SEM and TEM on masked
windows (`masked`). In live use each frame passes through SEM once, however many windows it is part
of (`step`). Code that only makes training on CPUs faster is in pstmo_core.training.fast_on_cpu.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pstmo_core.encoding import get_encoding
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.mofa import MOFA, TargetFrame
from pstmo_core.model.sem import build_sem
from pstmo_core.model.tem import TEM
from pstmo_core.model.trained_on import TrainedOn
from pstmo_core.skeleton import JOINTS


class PoseHead(nn.Module):
    """BatchNorm and a linear map from a token to 17 joints of C numbers, see `STMO`."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.norm = nn.BatchNorm1d(width)
        self.linear = nn.Linear(width, JOINTS * outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, width) -> (N, 17, C)."""
        return self.linear(self.norm(tokens)).view(-1, JOINTS, self.outputs)


class UnseenJoints(nn.Module):
    """The embedding e_S of joints that are not seen (paper, equation 4).

    Stage I hides joints on purpose; in use, the joints that a detector misses are hidden ones, too.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(channels))

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (..., rows, channels), `view`: the rows of unseen joints replaced."""
        joints = frames[..., :JOINTS, :]
        unseen = joints[..., 2:] <= 0
        joints = torch.where(unseen, self.embedding.to(joints.dtype), joints)
        return torch.cat([joints, frames[..., JOINTS:, :]], -2)


class STMO(nn.Module):
    """Lifts a window of encoded 2D poses to 3D poses relative to the pelvis, in metres.

    Both outputs lie in the camera's optical frame (x right, y down, z forward); under the encoding
    `view`, in that of the camera turned to the person. Each joint has C numbers: x, y, z, and with
    `config.sigma` the log of its expected error in metres.
    """

    trained_on = TrainedOn()
    """The joint orders of its training data."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        shape = (config.width, config.feedforward, config.heads, config.dropout)
        encoding = get_encoding(config.encoding)
        embeds = encoding.embeds_unseen
        self.unseen = UnseenJoints(encoding.shape[1]) if embeds else nn.Identity()
        self.sem = build_sem(config)
        self.tem = TEM(config.frames, config.layers, *shape) if config.layers else nn.Identity()
        self.mofa = (
            MOFA(config.frames, config.strides, *shape, config.mofa_anchor)
            if config.mofa
            else TargetFrame()
        )
        self.head_all = PoseHead(config.width, config.outputs)
        self.head_target = PoseHead(config.width, config.outputs)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Lift a batch of windows.

        Args:
            frames: (B, F, rows, channels), encoded as `config.encoding` says.

        Returns:
            The poses of all frames (B, F, 17, C), the multi-frame head of section 3.4.2, and the
            pose of the target frame (B, 17, C).
        """
        tokens = self.tem(self.sem(self.unseen(frames)))
        all_frames = self.head_all(tokens.flatten(0, 1))
        return all_frames.unflatten(0, (-1, self.config.frames)), self.head_target(
            self.mofa(tokens)
        )
