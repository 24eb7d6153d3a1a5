"""TEM, the temporal encoding module (paper, section 3.3.2): a Transformer over the frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pstmo_core.model.attention import SelfAttention

#: The authors add 1e-6 to the standard deviation; folded into the native norm it is negligible.
NORM_EPS = 1e-6


class TransformerLayer(nn.Module):
    """A pre-norm Transformer layer."""

    def __init__(self, width: int, feedforward: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = SelfAttention(width, heads, dropout)
        self.norm_feedforward = nn.LayerNorm(width, eps=NORM_EPS)
        self.feedforward = nn.Sequential(
            nn.Linear(width, feedforward),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(feedforward, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, width) -> (B, F, width)."""
        x = x + self.dropout(self.attention(self.norm_attention(x)))
        return x + self.dropout(self.feedforward(self.norm_feedforward(x)))


class TEM(nn.Module):
    """Learned positions, then Transformer layers over all frames of the window."""

    def __init__(
        self, frames: int, layers: int, width: int, feedforward: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, frames, width) * 0.02)
        self.layers = nn.ModuleList(
            TransformerLayer(width, feedforward, heads, dropout) for _ in range(layers)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, F, width) -> tokens (B, F, width) that know of one another."""
        tokens = tokens + self.positions
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens
