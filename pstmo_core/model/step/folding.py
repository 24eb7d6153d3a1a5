"""Parts of the network for inference, with norms of fixed statistics folded into linear maps."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pstmo_core.model.attention import SelfAttention, use_explicit_attention
from pstmo_core.model.sem import SEM, ResidualBlock
from pstmo_core.model.stmo import PoseHead


class Product(nn.Linear):
    """A linear map in the number format of its weights, whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        if x.dtype != self.weight.dtype:
            x = x.to(self.weight.dtype)
        return functional.linear(x, self.weight, self.bias)

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None) -> Product:
        """Make a product of weights (outputs, inputs) and a bias."""
        product = cls(weight.shape[1], weight.shape[0], bias=bias is not None)
        product.weight = nn.Parameter(weight.detach().clone())
        if bias is not None:
            product.bias = nn.Parameter(bias.detach().clone())
        return product


class _FoldedSEM(nn.Module):
    """The paper's SEM without BatchNorm."""

    def __init__(self, sem: SEM) -> None:
        super().__init__()
        first, norm, *_ = sem.mlp
        self.first = fold_norm(first, norm)
        blocks = [part.body for part in sem.mlp if isinstance(part, ResidualBlock)]
        self.slope = float(sem.mlp[2].negative_slope)  # type: ignore[arg-type]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                fold_norm(body[0], body[1]),
                nn.LeakyReLU(self.slope),
                fold_norm(body[4], body[5]),
            )
            for body in blocks
        )
        self.last = product_of(sem.mlp[-1])

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (R, rows, channels) -> tokens (R, width)."""
        tokens = self._act(self.first(frames.flatten(1)))
        for block in self.blocks:
            tokens = tokens + self._act(block(tokens))
        return as_format_of(self.last(tokens), frames)

    def _act(self, tokens: Tensor) -> Tensor:
        return functional.leaky_relu(tokens, self.slope)


class _OtherSEM(nn.Module):
    """One of Table 4's other forms of SEM, as it is."""

    def __init__(self, sem: nn.Module) -> None:
        super().__init__()
        self.sem = copy.deepcopy(sem)
        use_explicit_attention(self.sem)

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (R, rows, channels) -> tokens (R, width)."""
        tokens: Tensor = self.sem(frames[:, None])
        return tokens.flatten(1)


def fold_sem(sem: nn.Module) -> nn.Module:
    """SEM of any form, for encoded frames (R, rows, channels) -> tokens (R, width)."""
    return _FoldedSEM(sem) if isinstance(sem, SEM) else _OtherSEM(sem)


def fold_norm(linear: Any, norm: Any) -> Product:
    """A linear map and the BatchNorm behind it."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = (linear.bias - norm.running_mean) * scale + norm.bias
    return Product.of(linear.weight * scale[:, None], bias)


def fold_head(head: PoseHead) -> Product:
    """A BatchNorm and the linear map behind it."""
    norm, linear = head.norm, head.linear
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    bias = linear.bias + linear.weight @ (norm.bias - norm.running_mean * scale)
    return Product.of(linear.weight * scale, bias)


def scaled_qkv(attention: SelfAttention) -> tuple[Tensor, Tensor]:
    """Weight (3 width, width) and bias of query, key and value, the query with its scale."""
    scale = torch.ones_like(attention.qkv.bias)
    scale[: len(scale) // 3] = attention.scale
    return attention.qkv.weight * scale[:, None], attention.qkv.bias * scale


def product_of(linear: Any) -> Product:
    """A copy of a linear map."""
    return Product.of(linear.weight, linear.bias)


def as_format_of(values: Tensor, like: Tensor) -> Tensor:
    """Values in the number format of other ones."""
    return values if values.dtype == like.dtype else values.to(like.dtype)


def flat(tokens: Tensor, width: int) -> Tensor:
    """(B, F, width) as (B F, width)."""
    return tokens.reshape(-1, width)


def length_of(tokens: Tensor) -> int:
    """F of (B, F, width); a plain number, so that an exported graph does not compute it."""
    return int(tokens.shape[1])
