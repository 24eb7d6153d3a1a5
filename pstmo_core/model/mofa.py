"""MOFA, the many-to-one frame aggregator (paper, section 3.3.3): many frames to one token.

A strided Transformer: the feed-forward block ends in a convolution with stride, so that each layer
leaves fewer frames until one is left. Where the stride starts is a choice. The authors' code
anchors it on frame 0 (`anchor="first"`): later frames reach the output through attention alone,
and the target frame itself is not on the skip path. `anchor="centre"` keeps the middle of each
group instead, so that the target frame's own token arrives and every frame of the window counts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pstmo_core.model.attention import SelfAttention
from pstmo_core.model.transformer import NORM_EPS

KERNEL = 3
_EMBEDDED_LAYERS = 3


class StridedLayer(nn.Module):
    """Attention over the frames, then a strided convolution that leaves every `stride`-th."""

    def __init__(
        self, width: int, feedforward: int, heads: int, dropout: float, stride: int, anchor: str
    ) -> None:
        super().__init__()
        self.offset = (stride - 1) // 2 if anchor == "centre" else 0
        self.stride = stride
        self.norm_attention = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = SelfAttention(width, heads, dropout)
        self.norm_feedforward = nn.LayerNorm(width, eps=NORM_EPS)
        self.expand = nn.Linear(width, feedforward)
        self.reduce = nn.Conv1d(feedforward, width, KERNEL, stride=stride, padding=KERNEL // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, width) -> (B, ceil((F - offset) / stride), width)."""
        x = x + self.dropout(self.attention(self.norm_attention(x)))
        hidden = self.dropout(self.expand(self.norm_feedforward(x)).relu())
        return x[:, self.offset :: self.stride] + self.dropout(self.shrink(hidden))

    def shrink(self, hidden: Tensor) -> Tensor:
        """Convolve with stride: (B, F, feedforward) -> (B, ceil((F - offset) / stride), width)."""
        hidden = hidden.transpose(1, 2)
        if self.offset == 0:
            return self.reduce(hidden).transpose(1, 2)
        # The kernel's first tap lies one frame before the anchor: no padding is needed there.
        hidden = hidden[..., self.offset - 1 :]
        weight, bias = self.reduce.weight, self.reduce.bias
        return nn.functional.conv1d(hidden, weight, bias, self.stride).transpose(1, 2)


class MOFA(nn.Module):
    """Strided Transformer layers until one frame is left, with positions added to the first."""

    def __init__(
        self,
        frames: int,
        strides: tuple[int, ...],
        width: int,
        feedforward: int,
        heads: int,
        dropout: float,
        anchor: str,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            StridedLayer(width, feedforward, heads, dropout, stride, anchor) for stride in strides
        )
        lengths = [frames]
        for stride in strides:
            lengths.append(lengths[-1] // stride)
        if lengths[-1] != 1:
            raise ValueError(f"strides {strides} leave {lengths[-1]} of {frames} frames, not 1")
        self.positions = nn.ParameterList(
            nn.Parameter(torch.randn(1, length, width) * 0.02)
            for length in lengths[: min(_EMBEDDED_LAYERS, len(strides))]
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, F, width) -> one token (B, width) for the target frame."""
        for index, layer in enumerate(self.layers):
            if index < len(self.positions):
                tokens = tokens + self.positions[index]
            tokens = layer(tokens)
        return tokens[:, 0]


class TargetFrame(nn.Module):
    """What stands in MOFA's place where it is left out (paper, Table 3)."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, F, width) -> the target frame's (B, width)."""
        return tokens[:, tokens.shape[1] // 2]
