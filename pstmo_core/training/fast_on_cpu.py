"""Faster versions of the network's layers for training on CPUs, installed when training starts.

`install` turns the layers of a network, as `pstmo_core.model` writes them, into subclasses of
themselves that compute the same in another way. Weights, state dicts, evaluation and other devices
are not affected.

- Dropout: torch draws a mask number by number, which takes up to half of a training step of this
  network. Here one random 64-bit integer decides four values, 16 bits each; the probability is
  exact to 2^-17. The integers come from NumPy, which makes them in half of torch's time, under a
  seed that torch's own generator gives: `torch.manual_seed` decides the masks.
- Attention: the weights of a batch, (B, heads, F, F), are the largest tensors of the network: 34 MB
  a layer at 81 frames and a batch of 160. Passing over them as a whole takes longer than the matrix
  products do. Here a few windows' weights are made, masked and used while they are in the cache,
  and the backward pass writes the gradients of query, key and value into one tensor.
- MOFA's strided convolution: where its taps do not overlap it is one matrix product.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pstmo_core.model.attention import SelfAttention
from pstmo_core.model.mofa import KERNEL, StridedLayer

_LARGEST = 2**64 - 1
_WEIGHTS_AT_ONCE = 2**21


def install(model: nn.Module) -> None:
    """Make the layers of a network train fast on CPUs."""
    for module in model.modules():
        if faster := _FASTER.get(type(module)):
            module.__class__ = faster
        if isinstance(module, SelfAttention):
            module.explicit = True  # torch's fused kernel is slow there in bf16


class FastDropout(nn.Dropout):
    """`torch.nn.Dropout` with faster masks on CPUs."""

    def forward(self, x: Tensor) -> Tensor:
        """(...) -> (...): values are dropped in training mode and left alone in evaluation."""
        if not (self.training and self.p) or x.device.type != "cpu":
            return super().forward(x)
        return x * draw_mask(x.shape, self.p, x.dtype)


class ChunkedAttention(SelfAttention):
    """Self-attention that trains a few windows at a time."""

    def mix(self, qkv: Tensor) -> Tensor:
        """See `SelfAttention.mix`."""
        if self.training and qkv.device.type == "cpu":
            return attend_in_chunks(qkv, self.scale, self.dropout)
        return super().mix(qkv)


class GroupedStridedLayer(StridedLayer):
    """A layer of MOFA whose strided convolution trains as one matrix product."""

    def shrink(self, hidden: Tensor) -> Tensor:
        """See `StridedLayer.shrink`.

        The taps do not overlap: each group of frames is one row of the product. With the anchor on
        a group's first frame the groups begin one frame earlier.
        """
        if not self.training or self.stride != KERNEL or hidden.shape[1] % KERNEL:
            return super().shrink(hidden)
        if self.offset == 0:
            hidden = nn.functional.pad(hidden, (0, 0, 1, -1))
        groups = hidden.reshape(len(hidden), -1, KERNEL * hidden.shape[-1])
        weight = self.reduce.weight.transpose(1, 2).flatten(1)
        return nn.functional.linear(groups, weight, self.reduce.bias)


_FASTER: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: FastDropout,
    SelfAttention: ChunkedAttention,
    StridedLayer: GroupedStridedLayer,
}


def draw_mask(shape: torch.Size, rate: float, dtype: torch.dtype) -> Tensor:
    """Draw a mask on the CPU: 0 with the probability `rate`, else 1 / (1 - rate)."""
    count = shape.numel()
    source = np.random.Generator(np.random.SFC64(int(torch.randint(2**63 - 1, ()))))
    integers = source.integers(_LARGEST, size=-(-count // 4), dtype=np.uint64, endpoint=True)
    bits = torch.from_numpy(integers.view(np.int16))[:count].view(shape)
    mask = torch.empty(shape, dtype=dtype)
    torch.ge(bits, round(rate * 2**16) - 2**15, out=mask)
    return mask.mul_(1 / (1 - rate))


def attend_in_chunks(qkv: Tensor, scale: float, dropout: float) -> Tensor:
    """Mix values by softmax(scale x query x key), with dropout on these weights.

    Args:
        qkv: (B, F, 3, heads, d), query, key and value, on the CPU.
        scale: factor of the products of query and key.
        dropout: probability that a weight is dropped.

    Returns:
        (B, F, heads, d).
    """
    mixed: Tensor = _AttendInChunks.apply(qkv, scale, dropout)
    return mixed


class _AttendInChunks(torch.autograd.Function):
    @staticmethod
    @torch.autocast("cpu", enabled=False)
    def forward(ctx: Any, qkv: Tensor, scale: float, dropout: float) -> Tensor:
        mixed = torch.empty_like(qkv[:, :, 0], memory_format=torch.contiguous_format)
        ctx.scale, saved = scale, []
        for part, into in zip(_chunks(qkv), _chunks(mixed), strict=True):
            packed = part.permute(2, 0, 3, 1, 4).contiguous().flatten(1, 2)
            query, key, value = packed
            weights = _scaled_product(query, key.mT, scale, None).softmax(-1)
            mask = draw_mask(weights.shape, dropout, weights.dtype) if dropout else None
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
