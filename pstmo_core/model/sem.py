"""SEM, the spatial encoding module (paper, section 3.3.1): the joints of one frame to one token."""

from __future__ import annotations

from torch import Tensor, nn


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
        nn.LeakyReLU(0.2),
        nn.Dropout(dropout),
    ]


class SEM(nn.Module):
    """An MLP shared by all frames; a frame's token depends on that frame alone."""

    def __init__(self, inputs: int, hidden: int, width: int, dropout: float) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            *linear_norm_act(inputs, hidden, dropout),
            ResidualBlock(hidden, dropout),
            nn.Linear(hidden, width),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (B, F, rows, channels) -> tokens (B, F, width)."""
        tokens = self.mlp(frames.flatten(2).flatten(0, 1))
        return tokens.view(-1, frames.shape[1], tokens.shape[-1])
