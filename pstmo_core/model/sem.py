"""SEM, the spatial encoding module (paper, section 3.3.1): the joints of one frame to one token.

An MLP shared by all frames; a frame's token depends on that frame alone. The paper's Table 4
compares it with one linear layer and with a Transformer over the joints; these are here too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pstmo_core.encoding import input_shape
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.transformer import TransformerLayer
from pstmo_core.skeleton import JOINTS


class ResidualBlock(nn.Module):
    """Two times linear, BatchNorm, LeakyReLU and dropout, with a skip connection."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *linear_norm_act(width, width, dropout), *linear_norm_act(width, width, dropout)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, width) -> (N, width)."""
        return x + self.body(x)


def linear_norm_act(inputs: int, outputs: int, dropout: float) -> list[nn.Module]:
    """Return the building block of SEM's MLP."""
    return [
        nn.Linear(inputs, outputs),
        nn.BatchNorm1d(outputs),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Dropout(dropout),
    ]


class SEM(nn.Module):
    """The paper's SEM: an MLP of residual blocks."""

    def __init__(self, inputs: int, hidden: int, width: int, dropout: float, blocks: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            *linear_norm_act(inputs, hidden, dropout),
            *(ResidualBlock(hidden, dropout) for _ in range(blocks)),
            nn.Linear(hidden, width),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (B, F, rows, channels) -> tokens (B, F, width)."""
        tokens = self.mlp(frames.flatten(2).flatten(0, 1))
        return tokens.view(-1, frames.shape[1], tokens.shape[-1])


class LinearSEM(nn.Module):
    """Table 4's `fc`: one linear layer."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width)

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (B, F, rows, channels) -> tokens (B, F, width)."""
        return self.linear(frames.flatten(2))


class TransformerSEM(nn.Module):
    """Table 4's `Transformer`: attention among the joints of a frame, whose tokens are joined.

    Its layers' hidden width is twice their width. A row that is no joint (the place of encoding
    `person`) is given to every joint.
    """

    def __init__(
        self, rows: int, channels: int, width: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        joint_width = width // JOINTS
        self.embed = nn.Linear(channels * (1 + rows - JOINTS), joint_width)
        self.positions = nn.Parameter(torch.randn(1, JOINTS, joint_width) * 0.02)
        self.layers = nn.Sequential(
            *(TransformerLayer(joint_width, 2 * joint_width, heads, dropout) for _ in range(layers))
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (B, F, rows, channels) -> tokens (B, F, width)."""
        rows = frames.flatten(0, 1)
        joints = rows[:, :JOINTS]
        shared = rows[:, JOINTS:].flatten(1)[:, None].expand(-1, JOINTS, -1)
        tokens = self.layers(self.embed(torch.cat([joints, shared], -1)) + self.positions)
        return tokens.reshape(-1, frames.shape[1], tokens.shape[-1] * JOINTS)


def build_sem(config: ModelConfig) -> SEM | LinearSEM | TransformerSEM:
    """Make the SEM that a configuration names."""
    rows, channels = input_shape(config.encoding)
    blocks, dropout = config.sem_blocks, config.dropout
    if config.sem == "fc":
        return LinearSEM(rows * channels, config.width)
    if config.sem == "transformer":
        return TransformerSEM(rows, channels, config.width, blocks, config.heads, dropout)
    return SEM(rows * channels, config.sem_width, config.width, dropout, blocks)
