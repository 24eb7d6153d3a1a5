"""The pre-norm Transformer layer of TEM, of the decoder of stage I and of one variant of SEM."""

from __future__ import annotations

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
