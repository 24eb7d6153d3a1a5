"""Multi-head self-attention, shared by TEM and MOFA."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional


class SelfAttention(nn.Module):
    """Multi-head self-attention with query, key and value in one product.

    `explicit` selects matmul-softmax-matmul in place of torch's fused kernel: for the ONNX export,
    because TensorRT builds nothing reliable from the fused form.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.explicit = False
        self.scale = 1 / math.sqrt(width // heads)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, F, width) -> (B, F, width)."""
        length, width = x.shape[1:]
        qkv = self.qkv(x).view(-1, length, 3, self.heads, width // self.heads)
        return self.out(self.mix(qkv).reshape(-1, length, width))

    def mix(self, qkv: Tensor) -> Tensor:
        """Query, key and value (B, F, 3, heads, d) -> mixed values (B, F, heads, d)."""
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.dropout if self.training else 0.0
        if self.explicit:
            weights = (query @ key.transpose(-2, -1) * self.scale).softmax(-1)
            mixed = functional.dropout(weights, dropout) @ value if dropout else weights @ value
        else:
            mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return mixed.transpose(1, 2)


def use_explicit_attention(model: nn.Module, explicit: bool = True) -> None:
    """Select plain matrix products for all attention in a model, or torch's fused kernel."""
    for module in model.modules():
        if isinstance(module, SelfAttention):
            module.explicit = explicit
