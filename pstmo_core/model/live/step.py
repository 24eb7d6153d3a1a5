"""STMO-Live rearranged for streaming: what is kept of a person stays where it is.

`STMOLive.advance` returns a person's whole state after each frame: most of its time would go into
copying it. Here keys and values of the kept frames come in as they lie in memory, in any order (the
ages say which is which), and those of the new frames go out, for whoever holds the memory to write
them into their places (`pstmo_core.runtime.live.memory`, which also says which frames are kept and
how old they are). Norms with fixed statistics and scales are inside the linear maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pstmo_core.encoding import input_shape
from pstmo_core.errors import ConfigError
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.live.mixing import NEVER, KeptAttention
from pstmo_core.model.live.network import ABOUT, LiveLayer, Moments, STMOLive
from pstmo_core.model.live.past import NODES
from pstmo_core.model.step.folding import Product, fold_head, fold_sem, product_of
from pstmo_core.model.stmo import UnseenJoints
from pstmo_core.skeleton import JOINTS

#: Seconds from which on an age says that a frame cannot be reached.
OUT_OF_REACH = 1e6


class LiveStep(nn.Module):
    """Lifts F frames of each of R people at once.

    Args:
        network: the network, in evaluation mode.
        frames: F, a number that a graph exported of this is made for.

    Raises:
        ConfigError: for a network whose layers are recurrences.
    """

    def __init__(self, network: STMOLive, frames: int) -> None:
        super().__init__()
        config = self.config = network.config
        if config.mixing != "attention":
            raise ConfigError(
                f"a network with mixing={config.mixing} can be trained and evaluated, but not run "
                "in a stream: that is written for attention alone"
            )
        self.frames = frames
        self.unseen = _Unseen(network.unseen, input_shape(config.encoding)[0])
        self.sem, self.start = fold_sem(network.sem), network.start
        self.layers = nn.ModuleList(
            _Layer(layer, config, frames)
            for layer in network.layers
            if isinstance(layer, LiveLayer)
        )
        self.moments = _Moments(network.moments, config, frames)
        self.head = fold_head(network.head)
        self.ages = _Ages()

    def forward(self, frames: Tensor, ages: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        """Lift new frames.

        Args:
            frames: (R, F, rows, channels), encoded.
            ages: (R, F, N + F) seconds, how old the N frames in memory and the F new ones are at
                each new one; `OUT_OF_REACH` where it cannot learn of them.
            memory: keys and values (R, key heads, N, depth) of the frames in memory, of each layer
                and of the moments, in turns, and their tokens (R, N, width).

        Returns:
            Poses (R, F, 17, 4) for each of `config.look_aheads`; keys and values of the new frames,
            (R, F, layers, 2, key heads, depth) and those of the moments (R, F, 2, key heads,
            depth); and their tokens (R, F, width).
        """
        config, hats = self.config, self.ages(ages)
        fresh: list[Tensor] = []
        *arrays, tokens = memory
        pairs = list(zip(arrays[::2], arrays[1::2], strict=True))
        x = self.sem(self.unseen(frames.flatten(0, 1))) + self.start
        for layer, pair in zip(self.layers, pairs, strict=False):
            x, new = layer(x, hats, *pair)
            fresh += new
        poses, new = self.moments(x, ages, hats, tokens, *pairs[-1])
        poses = [self.head(pose).view(-1, self.frames, JOINTS, config.outputs) for pose in poses]
        shape = -1, self.frames, config.layers, 2, config.key_heads, config.depth
        of_moments = -1, self.frames, 2, config.moment_key_heads, config.depth
        return (
            *poses, torch.cat(fresh, 1).view(shape), torch.cat(new, 1).view(of_moments),
            x.view(-1, self.frames, config.width),
        )  # fmt: skip


class _Unseen(nn.Module):
    """The rows of unseen joints become the embedding."""

    is_joint: Tensor
    embedding: Tensor

    def __init__(self, unseen: nn.Module, rows: int) -> None:
        super().__init__()
        self.embeds = isinstance(unseen, UnseenJoints)
        if isinstance(unseen, UnseenJoints):
            self.register_buffer("embedding", unseen.embedding.detach().clone())
            self.register_buffer("is_joint", (torch.arange(rows) < JOINTS)[:, None])

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (R F, rows, channels)."""
        if not self.embeds:
            return frames
        return torch.where((frames[..., 2:] <= 0) & self.is_joint, self.embedding, frames)


class _Ages(nn.Module):
    """Weights of the nodes between which what is learned of an age is interpolated."""

    rising: Tensor
    falling: Tensor

    def __init__(self) -> None:
        super().__init__()
        last = len(NODES) - 1
        # value = slope x age + offset; a side that does not end is 1.
        rising = [_line(NODES[i - 1], NODES[i]) if i else (0.0, 1.0) for i in range(last + 1)]
        falling = [
            _line(NODES[i + 1], NODES[i]) if i < last else (0.0, 1.0) for i in range(last + 1)
        ]
        never = _line(OUT_OF_REACH / 2, OUT_OF_REACH)
        for name, lines in (("rising", [*rising, never]), ("falling", [*falling, (0.0, 1.0)])):
            self.register_buffer(name, torch.tensor(lines).T[:, :, None])

    def forward(self, ages: Tensor) -> Tensor:
        """Ages (R, F, M) -> weights (R, 1, nodes + 1, F M), the last of what is out of reach."""
        ages = ages[:, None] if ages.shape[1] == 1 else ages.flatten(1)[:, None, None]
        rising, falling = (line[0] * ages + line[1] for line in (self.rising, self.falling))
        return torch.minimum(rising, falling).clamp(0.0, 1.0)


def _line(zero: float, one: float) -> tuple[float, float]:
    """Return slope and offset of what is 0 at one age and 1 at another."""
    return 1 / (one - zero), -zero / (one - zero)


class _Attention(nn.Module):
    """Attention of new frames to frames in memory and to one another."""

    def __init__(self, attention: KeptAttention, config: LiveConfig, frames: int) -> None:
        super().__init__()
        self.width, self.keyed = config.width, attention.keyed
        self.shape = attention.key_heads, attention.groups, config.depth
        self.frames, self.kept = frames, config.kept
        scale = torch.ones(config.width + 2 * self.keyed)
        scale[: config.width] = 1 / math.sqrt(config.depth)
        self.qkv = Product.of(attention.qkv.weight * scale[:, None], attention.qkv.bias * scale)
        self.out = product_of(attention.out)

    def mix(self, queries: Tensor, new: Sequence[Tensor], bias: Tensor, *kept: Tensor) -> Tensor:
        """Mix what frames say.

        Args:
            queries: (R F, width).
            new: keys and values (R F, keyed) of the new frames.
            bias: (R, key heads, groups, F M).
            kept: keys and values (R, key heads, N, depth) in memory.

        Returns:
            (R F, width).
        """
        key_heads, groups, depth = self.shape
        frames, (keys, values) = self.frames, kept
        if frames == 1:  # the same without moving anything
            asked = queries.view(-1, key_heads, groups, depth)
            new_keys, new_values = (part.view(-1, key_heads, 1, depth) for part in new)
        else:
            asked = queries.view(-1, frames, key_heads, groups, depth).permute(0, 2, 3, 1, 4)
            asked = asked.reshape(-1, key_heads, groups * frames, depth)
            new_keys, new_values = (
                part.view(-1, frames, key_heads, depth).transpose(1, 2) for part in new
            )
            bias = bias.view(-1, key_heads, groups * frames, self.kept + frames)
        scores = [asked @ each.transpose(-2, -1) for each in (keys, new_keys)]
        weights = (torch.cat(scores, -1) + bias).softmax(-1)
        of_kept, of_new = weights.split([self.kept, frames], -1)
        if frames == 1:
            mixed = of_kept @ values + of_new * new_values
        else:
            mixed = of_kept @ values + of_new @ new_values
            mixed = mixed.view(-1, key_heads, groups, frames, depth).permute(0, 3, 1, 2, 4)
        mapped: Tensor = self.out(mixed.reshape(-1, self.width))
        return mapped


class _Layer(nn.Module):
    """A layer through which new frames learn of the past."""

    def __init__(self, layer: LiveLayer, config: LiveConfig, frames: int) -> None:
        super().__init__()
        assert isinstance(layer.attention, KeptAttention)
        self.attention = _Attention(layer.attention, config, frames)
        self.bias = _weights(layer.attention)
        self.norm_attention, self.norm_feedforward = layer.norm_attention, layer.norm_feedforward
        self.feedforward = layer.feedforward

    def forward(
        self, x: Tensor, hats: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Tokens (R F, width) -> the same, and their keys and values, each (R F, keyed)."""
        attention = self.attention
        queries, *new = attention.qkv(self.norm_attention(x)).split(
            [attention.width, attention.keyed, attention.keyed], 1
        )
        x = x + attention.mix(queries, new, self.bias @ hats, keys, values)
        return x + self.feedforward(self.norm_feedforward(x)), new


class _Moments(nn.Module):
    """The layer that asks for the moments; each is computed by itself."""

    def __init__(self, moments: Moments, config: LiveConfig, frames: int) -> None:
        super().__init__()
        self.attention = _Attention(moments.attention, config, frames)
        weight, bias = self.attention.qkv.weight, self.attention.qkv.bias
        self.query = Product.of(weight[: config.width], bias[: config.width])
        self.pack = Product.of(weight[config.width :], bias[config.width :])
        self.bias = _weights(moments.attention)
        self.named, self.look_aheads, self.frames = moments.moment, config.look_aheads, frames
        self.norm_attention, self.norm_feedforward = (
            moments.norm_attention, moments.norm_feedforward
        )  # fmt: skip
        self.feedforward = moments.feedforward

    def forward(
        self, x: Tensor, ages: Tensor, hats: Tensor, tokens: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[list[Tensor], Sequence[Tensor]]:
        """Tokens (R F, width) -> those of each moment, and the keys and values of the new."""
        new = self.pack(self.norm_attention(x)).split(self.attention.keyed, 1)
        poses = []
        for look_ahead, named, bias in zip(self.look_aheads, self.named, self.bias, strict=True):
            asked = x if look_ahead <= 0 else self._about(look_ahead, x, ages, hats, tokens)
            asked = asked + named
            queries = self.query(self.norm_attention(asked))
            asked = asked + self.attention.mix(queries, new, bias @ hats, keys, values)
            poses.append(asked + self.feedforward(self.norm_feedforward(asked)))
        return poses, new

    def _about(
        self, look_ahead: int, x: Tensor, ages: Tensor, hats: Tensor, tokens: Tensor
    ) -> Tensor:
        """The tokens (R F, width) about a moment, of those in memory and the new ones."""
        away = (ages.clamp(0.0, NODES[-1]) - look_ahead / 1e3).abs() / ABOUT
        never = hats[:, 0, -1].view(-1, *ages.shape[1:]) * NEVER
        of_kept, of_new = (never - away).softmax(-1).split([tokens.shape[1], self.frames], -1)
        about = of_kept @ tokens + of_new @ x.view(-1, self.frames, x.shape[1])
        return about.flatten(0, 1)


def _weights(attention: KeptAttention) -> nn.Parameter:
    """What each head makes of the weights of an age: (..., key heads, groups, nodes + 1)."""
    weights = torch.cat([attention.bias.nodes.detach(), attention.bias.never], -1)
    grouped = weights.unflatten(-2, (attention.key_heads, -1)).contiguous()
    return nn.Parameter(grouped, requires_grad=False)
