"""TEM, the temporal encoding module (paper, section 3.3.2): a Transformer over the frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pstmo_core.model.transformer import TransformerLayer


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

    def forward(self, tokens: Tensor, frames: Tensor | None = None) -> Tensor:
        """Let the frames of a window know of one another.

        Args:
            tokens: (B, F, width), or (B, V, width) of some frames only, as in stage I.
            frames: (B, V), which frames of the window these are; all of them by default.

        Returns:
            Tokens of the same shape.
        """
        tokens = tokens + (self.positions if frames is None else self.positions[0, frames])
        for layer in self.layers:
            tokens = layer(tokens)
        return tokens
