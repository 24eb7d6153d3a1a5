"""The layers of TEM and MOFA for inference: only the frames that are asked for, in few products."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pstmo_core.model.folding import Product, flat, length_of, product_of, scaled_qkv
from pstmo_core.model.mofa import StridedLayer
from pstmo_core.model.transformer import TransformerLayer

#: From this many frames on each head has its own products: what it makes, its square of scores
#: above all, then stays in the cache of a CPU core, and nothing is copied between layouts. A GPU
#: wants few large products instead, hence `heads_apart`.
_APART_FROM = 64


class FoldedAttention(nn.Module):
    """Norm, attention and skip connection; all heads in one product, or each with its own."""

    def __init__(
        self, layer: TransformerLayer | StridedLayer, length: int, apart: bool, split_query: bool
    ) -> None:
        super().__init__()
        attention = layer.attention
        self.heads, self.width = attention.heads, attention.out.in_features
        self.depth = self.width // self.heads
        self.apart = apart and length >= _APART_FROM
        self.norm = copy.deepcopy(layer.norm_attention)
        sizes = [self.width, 2 * self.width] if split_query else [3 * self.width]
        if self.apart:
            sizes = [self.depth] * (3 * self.heads)
        weight, bias = scaled_qkv(attention)
        self.products = nn.ModuleList(
            Product.of(w, b) for w, b in zip(weight.split(sizes), bias.split(sizes), strict=True)
        )
        self.out = product_of(attention.out)

    def forward(self, tokens: Tensor, qkv: Tensor | None, frames: Tensor | None = None) -> Tensor:
        """Tokens (B, F, width) -> (B, F', width) of the frames `frames` (F',), or of all.

        `qkv` (B, F, 3 width) are query, key and value if these are there already.
        """
        if qkv is not None:
            parts = self._by_head(qkv)
            query, rest = parts[: len(parts) // 3], parts[len(parts) // 3 :]
            if frames is not None:
                query = [part.index_select(-2, frames) for part in query]
        else:
            normed = self.norm(tokens)
            if frames is None:
                parts = self._project(normed, self.products)
                query, rest = parts[: len(parts) // 3], parts[len(parts) // 3 :]
            else:
                count = self.heads if self.apart else 1
                query = self._project(normed.index_select(1, frames), self.products[:count])
                rest = self._project(normed, self.products[count:])
        if frames is not None:
            tokens = tokens.index_select(1, frames)
        key, value = rest[: len(query)], rest[len(query) :]
        mixed = [
            (q @ k.transpose(-2, -1)).softmax(-1) @ v
            for q, k, v in zip(query, key, value, strict=True)
        ]
        joined = torch.cat(mixed, -1) if self.apart else mixed[0].transpose(1, 2)
        out = self.out(joined.reshape(-1, self.width))
        return tokens + out.view(-1, length_of(tokens), self.width)

    def _project(self, normed: Tensor, products: Iterable[nn.Module]) -> list[Tensor]:
        """Products of normed tokens (B, F, width), see `_by_head`."""
        rows, length = flat(normed, self.width), length_of(normed)
        results = [product(rows).view(-1, length, product.out_features) for product in products]
        return [head for result in results for head in self._by_head(result)]

    def _by_head(self, part: Tensor) -> list[Tensor]:
        """Products (B, F, n depth) as n parts (B, F, depth), or as parts (B, heads, F, depth)."""
        heads = int(part.shape[-1]) // self.depth
        if self.apart:
            return list(part.split(self.depth, -1)) if heads > 1 else [part]
        stacked = part.view(-1, length_of(part), heads, self.depth).transpose(1, 2)
        return list(stacked.split(self.heads, 1)) if heads > self.heads else [stacked]


class FoldedLayer(nn.Module):
    """A layer of TEM."""

    def __init__(
        self, layer: TransformerLayer, length: int, heads_apart: bool, split_query: bool
    ) -> None:
        super().__init__()
        self.attention = FoldedAttention(layer, length, heads_apart, split_query)
        self.norm = copy.deepcopy(layer.norm_feedforward)
        self.expand, self.reduce = (
            product_of(layer.feedforward[0]),
            product_of(layer.feedforward[3]),
        )

    def forward(self, tokens: Tensor, qkv: Tensor | None, frames: Tensor | None = None) -> Tensor:
        """(B, F, width) -> (B, F', width); arguments as of `FoldedAttention`."""
        tokens = self.attention(tokens, qkv, frames)
        width = self.reduce.out_features
        hidden = self.expand(flat(self.norm(tokens), width)).relu()
        return tokens + self.reduce(hidden).view(-1, length_of(tokens), width)


class FoldedStridedLayer(nn.Module):
    """A layer of MOFA."""

    reached: Tensor
    """The frames (F',) that its convolution reaches."""
    anchors: Tensor
    """Which of these are in the middle of the kernel, and go on by the skip connection."""

    def __init__(self, layer: StridedLayer, length: int, heads_apart: bool) -> None:
        super().__init__()
        anchors = torch.arange(layer.offset, length, layer.stride)
        taps = (anchors[:, None] + torch.arange(-1, 2)).flatten()
        reached = taps[(taps >= 0) & (taps < length)].unique()
        # Leaving out frames costs a copy of the others: worth it where a stride skips many.
        self.selects = layer.stride > taps.numel() // anchors.numel()
        if not self.selects:
            reached = torch.arange(length)
        self.register_buffer("reached", reached)
        self.register_buffer("anchors", torch.searchsorted(reached, anchors))
        self.padding = (int(taps[0] < 0), max(0, int(taps[-1]) + 1 - length))
        self.unused = max(0, int(reached[-1]) - int(taps[-1]))
        self.outputs, self.overlaps = anchors.numel(), layer.stride < 3
        self.attention = FoldedAttention(layer, length, heads_apart, split_query=self.selects)
        self.norm = copy.deepcopy(layer.norm_feedforward)
        self.expand = product_of(layer.expand)
        self.reduce = Product.of(layer.reduce.weight.transpose(1, 2).flatten(1), layer.reduce.bias)

    def forward(self, tokens: Tensor, qkv: Tensor | None) -> Tensor:
        """(B, F, width) -> (B, F / stride, width); `qkv` as of `FoldedAttention`."""
        tokens = self.attention(tokens, qkv, self.reached if self.selects else None)
        width, hidden_width = self.reduce.out_features, self.expand.out_features
        hidden = self.expand(flat(self.norm(tokens), width)).relu()
        unfolded = self._unfold(hidden.view(-1, length_of(tokens), hidden_width))
        reduced = self.reduce(flat(unfolded, 3 * hidden_width))
        return tokens.index_select(1, self.anchors) + reduced.view(-1, self.outputs, width)

    def _unfold(self, hidden: Tensor) -> Tensor:
        """The kernel's three frames round each anchor, in a row: (B, F / stride, 3 feedforward)."""
        if self.unused:
            hidden = hidden[:, : -self.unused]
        if any(self.padding):
            hidden = functional.pad(hidden, (0, 0, *self.padding))
        if self.overlaps:
            steps = [hidden[:, tap : tap + self.outputs] for tap in range(3)]
            return torch.cat(steps, -1)
        return hidden.reshape(-1, self.outputs, 3 * self.expand.out_features)


class FoldedMOFA(nn.Module):
    """MOFA; with query, key and value at hand, its tokens are in their places already."""

    def __init__(self, mofa: Any, frames: int, heads_apart: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for layer in mofa.layers:
            self.layers.append(FoldedStridedLayer(layer, frames, heads_apart))
            frames //= layer.stride
        self.positions = nn.ParameterList(position.detach().clone() for position in mofa.positions)

    def forward(self, tokens: Tensor, qkv: Tensor | None) -> Tensor:
        """Tokens (B, F, width) -> the target's (B, width)."""
        for index, layer in enumerate(self.layers):
            if qkv is None and index < len(self.positions):
                tokens = tokens + self.positions[index]
            tokens, qkv = layer(tokens, qkv), None
        return tokens.flatten(1)
