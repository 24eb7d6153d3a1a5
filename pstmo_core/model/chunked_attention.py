"""Attention for training on CPUs, a few windows at a time.

The weights of a batch, (B, heads, F, F), are the largest tensors of the network: 34 MB a layer at
81 frames and a batch of 160. Passing over them as a whole takes longer than the matrix products
do. Here a few windows' weights are made, masked and used while they are in the cache, and the
backward pass writes the gradients of query, key and value into one tensor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pstmo_core.model import dropout as masks

_WEIGHTS_AT_ONCE = 2**21


def attend_in_chunks(qkv: Tensor, scale: float, dropout: float) -> Tensor:
    """Mix values by softmax(scale x query x key), with dropout on these weights.

    Args:
        qkv: (B, F, 3, heads, d), query, key and value, on the CPU.
        scale: factor of the products of query and key.
        dropout: probability that a weight is dropped.

    Returns:
        (B, F, heads, d).
    """
    mixed: Tensor = _ChunkedAttention.apply(qkv, scale, dropout)
    return mixed


class _ChunkedAttention(torch.autograd.Function):
    @staticmethod
    @torch.autocast("cpu", enabled=False)
    def forward(ctx: Any, qkv: Tensor, scale: float, dropout: float) -> Tensor:
        mixed = torch.empty_like(qkv[:, :, 0], memory_format=torch.contiguous_format)
        ctx.scale, saved = scale, []
        for part, into in zip(_chunks(qkv), _chunks(mixed), strict=True):
            packed = part.permute(2, 0, 3, 1, 4).contiguous().flatten(1, 2)
            query, key, value = packed
            weights = _scaled_product(query, key.mT, scale, None).softmax(-1)
            mask = masks.draw_mask(weights.shape, dropout, weights.dtype) if dropout else None
            product = (weights if mask is None else weights * mask) @ value
            into.copy_(product.unflatten(0, (len(part), -1)).transpose(1, 2))
            saved += [packed, weights, mask]
        ctx.save_for_backward(*saved)
        return mixed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        batch, frames, heads, depth = gradient.shape
        whole = gradient.new_empty(batch, frames, 3, heads, depth)
        saved = iter(ctx.saved_tensors)
        for part, into in zip(_chunks(gradient), _chunks(whole), strict=True):
            packed, weights, mask = next(saved), next(saved), next(saved)
            part = part.transpose(1, 2).flatten(0, 1)
            result = _gradients(part, packed, weights, mask, ctx.scale)
            into.copy_(result.unflatten(1, (-1, heads)).permute(1, 3, 0, 2, 4))
        return whole, None, None


def _gradients(
    gradient: Tensor, packed: Tensor, weights: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """Gradients (3, N, F, d) of query, key and value, from that of the result (N, F, d)."""
    query, key, value = packed
    result = torch.empty_like(packed)
    used = weights if mask is None else weights * mask
    torch.bmm(used.mT, gradient, out=result[2])
    of_weights = gradient @ value.mT
    if mask is not None:
        of_weights *= mask
    of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
    _scaled_product(of_scores, key, scale, result[0])
    _scaled_product(of_scores.mT, query, scale, result[1])
    return result


def _scaled_product(left: Tensor, right: Tensor, scale: float, out: Tensor | None) -> Tensor:
    """The factor is part of the matrix product, which saves a pass over its result."""
    unused = left.new_empty(())
    return torch.baddbmm(unused, left, right, beta=0, alpha=scale, out=out)


def _chunks(tensor: Tensor) -> tuple[Tensor, ...]:
    """Cut (B, F, ..., heads, d) so that the attention weights of a part fit into the cache."""
    frames, heads = tensor.shape[1], tensor.shape[-2]
    return tensor.split(max(1, _WEIGHTS_AT_ONCE // (heads * frames**2)))
