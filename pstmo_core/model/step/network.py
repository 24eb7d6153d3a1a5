"""STMO rearranged for inference: windows are gathered from rows that SEM made of single frames.

It computes what `STMO` computes in evaluation mode, without the redundant parts:

- SEM runs on new frames only, and a kept row also holds the query, key and value of the first
  attention (see `_FirstProjection`): nothing after that is independent of the window;
- BatchNorm is folded into the adjacent linear map, the attention's scale into the query;
- the strided convolution is one matrix product on the frames that it reaches, and attention and
  feed-forward block run only for the frames that a stride does not skip;
- a frame's pose by the all-frames head needs one query in the last layer of TEM, and no MOFA.

It is what `pstmo export` writes as the step graph, and what the torch backend runs.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from pstmo_core.model.mofa import StridedLayer
from pstmo_core.model.step.folding import (
    Product,
    as_format_of,
    flat,
    fold_head,
    fold_sem,
    scaled_qkv,
)
from pstmo_core.model.step.layers import FoldedLayer, FoldedMOFA
from pstmo_core.model.stmo import STMO
from pstmo_core.model.transformer import NORM_EPS, TransformerLayer
from pstmo_core.skeleton import JOINTS


class StepNetwork(nn.Module):
    """Lifts windows of a network STMO from kept rows; see `pstmo_core.runtime.step_inputs`.

    Args:
        model: the network; its weights are copied.
    """

    middle: Tensor

    def __init__(self, model: STMO) -> None:
        super().__init__()
        config = self.config = model.config
        self.unseen = copy.deepcopy(model.unseen)
        self.sem = fold_sem(model.sem)
        tem: Any = model.tem
        mofa: Any = model.mofa
        layers = list(tem.layers) if config.layers else []
        self.tem = nn.ModuleList(
            FoldedLayer(layer, split_query=layer is layers[-1]) for layer in layers
        )
        self.mofa = FoldedMOFA(mofa, config.frames) if config.mofa else None
        self.first = None
        if layers:
            self.first = _FirstProjection(layers[0], tem.positions)
        elif config.mofa:
            self.first = _FirstProjection(mofa.layers[0], mofa.positions[0])
        self.head_target, self.head_all = fold_head(model.head_target), fold_head(model.head_all)
        self.register_buffer("middle", torch.tensor([config.target]))
        self.eval().requires_grad_(False)

    @property
    def row_width(self) -> int:
        """Length W of a kept row."""
        return self.config.width * (1 if self.first is None else 4)

    def forward(
        self,
        fresh: Tensor,
        kept: Tensor,
        index: Tensor,
        place: Tensor,
        source: Tensor,
        frame: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return target poses (B, 17, C), poses of frame `frame` (B, 17, C), and rows (R, W)."""
        rows = self.embed(fresh)
        windows = self.windows(rows, kept, index, place, source)
        return self.target(windows), self.frame_pose(windows, frame), rows

    def windows(
        self, rows: Tensor, kept: Tensor, index: Tensor, place: Tensor, source: Tensor
    ) -> Tensor:
        """Return windows (B, F, W): kept rows by `index`, new ones `source` at `place`.

        Rows are copied once: `kept` may be much larger than the windows.
        """
        gathered = kept.index_select(0, index.flatten())
        gathered = gathered.index_put((place,), rows.index_select(0, source))
        return gathered.view(-1, self.config.frames, self.row_width)

    def embed(self, fresh: Tensor) -> Tensor:
        """Encoded frames (R, rows, channels) -> rows to be kept (R, W)."""
        tokens: Tensor = self.sem(self.unseen(fresh))
        return tokens if self.first is None else self.first.rows(tokens)

    def target(self, windows: Tensor) -> Tensor:
        """Windows of kept rows (B, F, W) -> the target frames' poses (B, 17, C), by MOFA."""
        if self.mofa is None:
            return _pose(self.head_target, self._one(windows, self.middle))
        tokens, qkv = self._place(windows)
        for layer in self.tem:
            tokens, qkv = layer(tokens, qkv), None
        return _pose(self.head_target, self.mofa(tokens, qkv))

    def whole(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded windows (B, F, rows, channels) -> what `STMO` returns."""
        config = self.config
        windows = self.embed(frames.flatten(0, 1)).view(-1, config.frames, self.row_width)
        tokens, qkv = self._place(windows)
        for layer in self.tem:
            tokens, qkv = layer(tokens, qkv), None
        encoded = tokens if len(self.tem) else windows[..., : config.width]
        poses = _pose(self.head_all, flat(encoded, config.width))
        target = tokens[:, config.target] if self.mofa is None else self.mofa(tokens, qkv)
        return poses.unflatten(0, (-1, config.frames)), _pose(self.head_target, target)

    def frame_pose(self, windows: Tensor, frame: Tensor) -> Tensor:
        """Windows of kept rows (B, F, W) -> poses (B, 17, C) of their frame `frame` (1,)."""
        return _pose(self.head_all, self._one(windows, frame))

    def _place(self, windows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Tokens (B, F, width) in their places; query, key, value (B, F, 3 width) if kept."""
        return (windows, None) if self.first is None else self.first.place(windows)

    def _one(self, windows: Tensor, frame: Tensor) -> Tensor:
        """What TEM makes of one frame (1,): (B, width)."""
        if not len(self.tem):
            return windows[..., : self.config.width].index_select(1, frame).flatten(1)
        tokens, qkv = self._place(windows)
        for layer in self.tem[:-1]:
            tokens, qkv = layer(tokens, qkv), None
        return self.tem[-1](tokens, qkv, frame).flatten(1)


class _FirstProjection(nn.Module):
    """Query, key and value of the first attention from kept products, in exact arithmetic.

    They are W norm(e + p) + b for an embedding e at a position p. A norm takes off the mean, a
    linear map that W can hold, and divides by the deviation, a number: so they equal
    (W'e + W'p) / deviation(e + p) + b, where W'e belongs to the frame and W'p to the position.
    """

    positions: Tensor
    bias: Tensor

    def __init__(self, layer: TransformerLayer | StridedLayer, positions: Tensor) -> None:
        super().__init__()
        norm = layer.norm_attention
        self.width = norm.weight.numel()
        weight, bias = scaled_qkv(layer.attention)
        self.register_buffer("bias", (bias + weight @ norm.bias).detach())
        weight = weight * norm.weight
        self.product = Product.of(weight - weight.mean(1, keepdim=True), None)
        self.register_buffer("positions", self.rows(positions).detach())

    def rows(self, tokens: Tensor) -> Tensor:
        """Tokens (..., width) -> rows (..., 4 width): each token, then its products."""
        return torch.cat([tokens, as_format_of(self.product(tokens), tokens)], -1)

    def place(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F, 4 width) -> tokens with positions, query, key and value, each (B, F, width)."""
        tokens, products = (windows + self.positions).split([self.width, 3 * self.width], -1)
        centred = tokens - tokens.mean(-1, keepdim=True)
        deviation = torch.sqrt((centred * centred).mean(-1, keepdim=True) + NORM_EPS)
        return tokens, products * deviation.reciprocal() + self.bias


def _pose(head: Product, tokens: Tensor) -> Tensor:
    return as_format_of(head(tokens), tokens).view(-1, JOINTS, head.out_features // JOINTS)
