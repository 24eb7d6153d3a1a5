"""The layers of TEM and MOFA for inference: only the frames that are asked for, in few products."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pstmo_core.model.mofa import StridedLayer
from pstmo_core.model.step.folding import Product, flat, length_of, product_of, scaled_qkv
from pstmo_core.model.transformer import TransformerLayer


class FoldedAttention(nn.Module):
    """Norm, attention and skip connection."""

    def __init__(self, layer: TransformerLayer | StridedLayer, split_query: bool) -> None:
        super().__init__()
        attention = layer.attention
        self.heads, self.width = attention.heads, attention.out.in_features
        self.norm = copy.deepcopy(layer.norm_attention)
        sizes = [self.width, 2 * self.width] if split_query else [3 * self.width]
        weight, bias = scaled_qkv(attention)
        self.products = nn.ModuleList(
            Product.of(w, b) for w, b in zip(weight.split(sizes), bias.split(sizes), strict=True)
        )
        self.out = product_of(attention.out)

    def forward(self, tokens: Tensor, qkv: Tensor | None, frames: Tensor | None = None) -> Tensor:
        """Tokens (B, F, width) -> (B, F', width) of the frames `frames` (F',), or of all.

        `qkv` (B, F, 3 width) are query, key and value if these are there already.
        """
        query, key, value = self._project(tokens, qkv, frames)
        if frames is not None:
            tokens = tokens.index_select(1, frames)
        mixed = (query @ key.transpose(-2, -1)).softmax(-1) @ value
        out = self.out(mixed.transpose(1, 2).reshape(-1, self.width))
        return tokens + out.view(-1, length_of(tokens), self.width)

    def _project(
        self, tokens: Tensor, qkv: Tensor | None, frames: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Query (B, heads, F', depth), key and value (B, heads, F, depth)."""
        if qkv is not None:
            query, key, value = self._by_head(qkv)
            return query if frames is None else query.index_select(2, frames), key, value
        normed = self.norm(tokens)
        if frames is None:
            return tuple(part for product in self.products for part in self._of(product, normed))
        asked, rest = self.products
        return *self._of(asked, normed.index_select(1, frames)), *self._of(rest, normed)

    def _of(self, product: nn.Module, normed: Tensor) -> tuple[Tensor, ...]:
        """A product of normed tokens (B, F, width), see `_by_head`."""
        results = product(flat(normed, self.width))
        return self._by_head(results.view(-1, length_of(normed), int(results.shape[-1])))

    def _by_head(self, part: Tensor) -> tuple[Tensor, ...]:
        """Products (B, F, n width) as n parts (B, heads, F, depth)."""
        depth = self.width // self.heads
        parts = int(part.shape[-1]) // self.width
        stacked = part.view(-1, length_of(part), parts * self.heads, depth).transpose(1, 2)
        return stacked.split(self.heads, 1) if parts > 1 else (stacked,)


class FoldedLayer(nn.Module):
    """A layer of TEM."""

    def __init__(self, layer: TransformerLayer, split_query: bool) -> None:
        super().__init__()
        self.attention = FoldedAttention(layer, split_query)
        self.norm = copy.deepcopy(layer.norm_feedforward)
        self.expand = product_of(layer.feedforward[0])
        self.reduce = product_of(layer.feedforward[3])

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

    def __init__(self, layer: StridedLayer, length: int) -> None:
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
        self.attention = FoldedAttention(layer, split_query=self.selects)
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
    """MOFA; given query, key and value, its tokens already have their positions."""

    def __init__(self, mofa: Any, frames: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for layer in mofa.layers:
            self.layers.append(FoldedStridedLayer(layer, frames))
            frames //= layer.stride
        self.positions = nn.ParameterList(position.detach().clone() for position in mofa.positions)

    def forward(self, tokens: Tensor, qkv: Tensor | None) -> Tensor:
        """Tokens (B, F, width) -> the target's (B, width)."""
        for index, layer in enumerate(self.layers):
            if qkv is None and index < len(self.positions):
                tokens = tokens + self.positions[index]
            tokens, qkv = layer(tokens, qkv), None
        return tokens.flatten(1)
