"""The layers of STMO-Live for streams: new frames attend to keys and values that stay in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.live.mixing import NEVER, KeptAttention
from pstmo_core.model.live.network import ABOUT, LiveLayer, Moments
from pstmo_core.model.live.past import NODES
from pstmo_core.model.step.folding import Product, fold_head, product_of
from pstmo_core.model.stmo import PoseHead


class StepAttention(nn.Module):
    """Attention of new frames to frames in memory and to one another."""

    def __init__(self, attention: KeptAttention, config: LiveConfig, frames: int) -> None:
        super().__init__()
        self.key_heads, self.groups = attention.key_heads, attention.groups
        self.width, self.depth = config.width, config.depth
        self.frames, self.kept = frames, config.kept
        scale = torch.ones(config.width + 2 * attention.keyed)
        scale[: config.width] = 1 / math.sqrt(config.depth)
        self.qkv = Product.of(attention.qkv.weight * scale[:, None], attention.qkv.bias * scale)
        self.out = product_of(attention.out)

    def of_heads(self, flat: Tensor, heads: int) -> Tensor:
        """(R F, heads x depth) -> (R, heads, F, depth), of any number of heads."""
        if self.frames == 1:  # the same without moving anything
            return flat.view(-1, heads, 1, self.depth)
        return flat.view(-1, self.frames, heads, self.depth).transpose(1, 2)

    def asked(self, queries: Tensor) -> Tensor:
        """Queries (R F, width) -> (R, key heads, groups x F, depth)."""
        if self.frames > 1:
            queries = self.of_heads(queries, self.key_heads * self.groups)
        return queries.reshape(-1, self.key_heads, self.groups * self.frames, self.depth)

    def mix(
        self, asked: Tensor, new: Sequence[Tensor], bias: Tensor, keys: Tensor, values: Tensor
    ) -> Tensor:
        """Mix what frames say.

        Args:
            asked: as of `asked`.
            new: keys and values (R, key heads, F, depth) of the new frames.
            bias: of the scores (R, key heads, groups x F, N + F).
            keys: (R, key heads, N, depth) in memory.
            values: the same.

        Returns:
            (R F, width).
        """
        keys, values = (torch.cat(pair, 2) for pair in zip((keys, values), new, strict=True))
        mixed = (asked @ keys.transpose(-2, -1) + bias).softmax(-1) @ values
        if self.frames > 1:
            mixed = mixed.view(-1, self.width // self.depth, self.frames, self.depth)
            mixed = mixed.transpose(1, 2)
        mapped: Tensor = self.out(mixed.reshape(-1, self.width))
        return mapped


class StepLayer(nn.Module):
    """A layer through which new frames learn of the past."""

    def __init__(self, layer: LiveLayer, config: LiveConfig, frames: int) -> None:
        super().__init__()
        assert isinstance(layer.attention, KeptAttention)
        self.attention = StepAttention(layer.attention, config, frames)
        self.norm_attention, self.norm_feedforward = layer.norm_attention, layer.norm_feedforward
        self.feedforward = layer.feedforward

    def forward(
        self, x: Tensor, bias: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """Tokens (R F, width) -> the same, and their keys and values (R, key heads, F, depth)."""
        attention = self.attention
        keyed, heads = attention.key_heads, attention.key_heads * attention.groups
        parts = attention.of_heads(attention.qkv(self.norm_attention(x)), heads + 2 * keyed)
        asked, *new = parts.split([heads, keyed, keyed], 1)
        if attention.groups > 1:
            asked = asked.reshape(-1, keyed, attention.groups * attention.frames, attention.depth)
        x = x + attention.mix(asked, new, bias, keys, values)
        return x + self.feedforward(self.norm_feedforward(x)), new


class StepMoments(nn.Module):
    """The layer that asks for the moments; each is computed by itself."""

    def __init__(self, moments: Moments, head: PoseHead, config: LiveConfig, frames: int) -> None:
        super().__init__()
        attention = self.attention = StepAttention(moments.attention, config, frames)
        weight, bias = attention.qkv.weight, attention.qkv.bias
        self.query = Product.of(weight[: config.width], bias[: config.width])
        self.pack = Product.of(weight[config.width :], bias[config.width :])
        self.biases = nn.Parameter(age_weights(moments.attention), requires_grad=False)
        self.named, self.look_aheads, self.frames = moments.moment, config.look_aheads, frames
        self.norm_attention, self.norm_feedforward = (
            moments.norm_attention, moments.norm_feedforward
        )  # fmt: skip
        first, last = (product_of(moments.feedforward[index]) for index in (0, 2))
        self.hidden, self.head = first, fold_head(head)
        # What the last map adds to a token goes through no norm: one map to the pose is enough.
        self.last = nn.Parameter(self.head.weight.detach() @ last.weight.detach())
        self.head.bias = nn.Parameter(self.head(last.bias).detach())

    def forward(
        self, x: Tensor, ages: Tensor, ramps: Tensor, tokens: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[list[Tensor], Sequence[Tensor]]:
        """Tokens (R F, width) -> poses (R F, 17 C) of each moment.

        And the new frames' keys and values (R, key heads, F, depth).
        """
        attention, frames = self.attention, self.frames
        packed = attention.of_heads(self.pack(self.norm_attention(x)), 2 * attention.key_heads)
        new = packed.split(attention.key_heads, 1)
        shape = -1, attention.key_heads, attention.groups * frames, attention.kept + frames
        poses = []
        for look_ahead, named, bias in zip(self.look_aheads, self.named, self.biases, strict=True):
            asked = x if look_ahead <= 0 else self._about(look_ahead, x, ages, ramps, tokens)
            asked = asked + named
            queries = attention.asked(self.query(self.norm_attention(asked)))
            mixed = attention.mix(queries, new, (bias @ ramps).view(shape), keys, values)
            poses.append(self._pose(asked + mixed))
        return poses, new

    def _pose(self, read: Tensor) -> Tensor:
        """Tokens (R F, width) after attention -> poses (R F, 17 C)."""
        hidden = self.hidden(self.norm_feedforward(read)).relu()
        return torch.addmm(self.head(read), hidden, self.last.T)

    def _about(
        self, look_ahead: int, x: Tensor, ages: Tensor, ramps: Tensor, tokens: Tensor
    ) -> Tensor:
        """The tokens (R F, width) about a moment, of those in memory and the new ones."""
        away = (ages.clamp(0.0, NODES[-1]) - look_ahead / 1e3).abs() / ABOUT
        never = ramps[:, -1].view(-1, *ages.shape[1:]) * NEVER
        of_kept, of_new = (never - away).softmax(-1).split([tokens.shape[1], self.frames], -1)
        about = of_kept @ tokens + of_new @ x.view(-1, self.frames, x.shape[1])
        return about.flatten(0, 1)


def age_weights(attention: nn.Module) -> Tensor:
    """What each head makes of the ramps of an age: (..., heads, nodes + 1).

    From one node to the next, what a head has learned changes by the difference.
    """
    assert isinstance(attention, KeptAttention)
    nodes, never = attention.bias.nodes.detach(), attention.bias.never
    return torch.cat([nodes[..., :1], nodes.diff(dim=-1), never], -1)
