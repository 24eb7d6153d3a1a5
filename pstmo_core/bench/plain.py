"""STMO as the authors' code computes it, operation by operation: the baseline for speed.

Convolutions of one tap where one expects linear maps, three products for query, key and value, a
LayerNorm written out with torch's `std`, all frames of the window recomputed, in torch's eager
mode. The weights are those of a network of ours, so that both give the same poses.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pstmo_core.errors import PstmoError
from pstmo_core.model.mofa import StridedLayer
from pstmo_core.model.stmo import STMO
from pstmo_core.model.transformer import NORM_EPS
from pstmo_core.skeleton import JOINTS


class PlainSTMO:
    """Lifts windows; the SEM must be the paper's MLP, and TEM and MOFA must be there."""

    def __init__(self, model: STMO) -> None:
        """Take a network in evaluation mode.

        Raises:
            PstmoError: if it is a variant of the paper's Tables 3 and 4.
        """
        config = model.config
        if config.sem != "mlp" or not config.layers or not config.mofa:
            raise PstmoError("only the paper's STMO has a plain forward: SEM, TEM and MOFA")
        self._model: Any = model.eval()
        self._heads = config.heads

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Lift encoded windows (B, F, rows, channels): what `STMO` returns."""
        model = self._model
        tokens = self._sem(model.unseen(frames).flatten(2).permute(0, 2, 1).contiguous())
        tokens = tokens.permute(0, 2, 1).contiguous() + model.tem.positions
        for layer in model.tem.layers:
            tokens = self._attend(tokens, layer)
            hidden = _norm(tokens, layer.norm_feedforward)
            tokens = tokens + layer.feedforward[3](layer.feedforward[0](hidden).relu())
        all_frames = _pose(tokens, model.head_all)
        for index, layer in enumerate(model.mofa.layers):
            if index < len(model.mofa.positions):
                tokens = tokens + model.mofa.positions[index]
            tokens = self._stride(self._attend(tokens, layer), layer)
        return all_frames, _pose(tokens, model.head_target)[:, 0]

    def _sem(self, x: Tensor) -> Tensor:
        """(B, inputs, F) -> (B, width, F)."""
        first, norm, _, _, *blocks, last = self._model.sem.mlp
        x = _linear_norm_act(x, first, norm)
        for block in blocks:
            body = block.body
            inner = _linear_norm_act(x, body[0], body[1])
            x = x + _linear_norm_act(inner, body[4], body[5])
        return _conv(x, last)

    def _attend(self, tokens: Tensor, layer: Any) -> Tensor:
        attention, normed = layer.attention, _norm(tokens, layer.norm_attention)
        batch, _, width = tokens.shape
        depth = width // self._heads
        weights, biases = attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3)
        query, key, value = (
            functional.linear(normed, weight, bias)
            .view(batch, -1, self._heads, depth)
            .transpose(1, 2)
            for weight, bias in zip(weights, biases, strict=True)
        )
        scores = torch.matmul(query, key.transpose(-2, -1)) / math.sqrt(depth)
        mixed = torch.matmul(functional.softmax(scores, dim=-1), value)
        joined = mixed.transpose(1, 2).contiguous().view(batch, -1, width)
        return tokens + attention.out(joined)

    @staticmethod
    def _stride(tokens: Tensor, layer: StridedLayer) -> Tensor:
        """MOFA's feed-forward block: (B, F, width) -> (B, F / stride, width)."""
        x = _norm(tokens, layer.norm_feedforward).permute(0, 2, 1)
        hidden = _conv(x, layer.expand).relu()
        weight, bias, offset = layer.reduce.weight, layer.reduce.bias, layer.offset
        padding = 0 if offset else 1
        reduced = functional.conv1d(
            hidden[..., max(0, offset - 1) :], weight, bias, layer.stride, padding
        )
        kept = functional.max_pool1d(tokens.permute(0, 2, 1)[..., offset:], 1, layer.stride)
        return kept.permute(0, 2, 1) + reduced.permute(0, 2, 1)


def _norm(x: Tensor, norm: Any) -> Tensor:
    """LayerNorm with the unbiased deviation of `std`, made up for in the scale."""
    width = x.shape[-1]
    scale = norm.weight * math.sqrt(width / (width - 1))
    mean, deviation = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
    return scale * (x - mean) / (deviation + NORM_EPS) + norm.bias


def _linear_norm_act(x: Tensor, linear: Any, norm: Any) -> Tensor:
    return functional.leaky_relu_(norm(_conv(x, linear)), 0.2)


def _conv(x: Tensor, linear: Any) -> Tensor:
    """(B, inputs, F) -> (B, outputs, F)."""
    return functional.conv1d(x, linear.weight[:, :, None], linear.bias)


def _pose(tokens: Tensor, head: Any) -> Tensor:
    """(B, F, width) -> (B, F, 17, C)."""
    poses = _conv(head.norm(tokens.permute(0, 2, 1).contiguous()), head.linear)
    return poses.permute(0, 2, 1).contiguous().view(len(tokens), -1, JOINTS, head.outputs)
