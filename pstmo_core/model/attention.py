"""Multi-head self-attention, shared by TEM and MOFA."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional


class SelfAttention(nn.Module):
    """Multi-head self-attention with query, key and value in one product.

    `explicit` selects matmul-softmax-matmul in place of torch's fused kernel: for the ONNX export,
    because TensorRT builds nothing reliable from the fused form, and for training in bf16 on CPUs,
    where the fused form's backward pass is slow.
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
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        dropout = self.dropout if self.training else 0.0
        if self.explicit:
            weights = (query @ key.transpose(-2, -1) * self.scale).softmax(-1)
            mixed = (functional.dropout(weights, dropout) if dropout else weights) @ value
        else:
            mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.out(mixed.transpose(1, 2).reshape(-1, length, width))


def use_explicit_attention(model: nn.Module, explicit: bool = True) -> None:
    """Select plain matrix products for all attention in a model, or torch's fused kernel."""
    for module in model.modules():
        if isinstance(module, SelfAttention):
            module.explicit = explicit
