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
from pstmo_core.model.stmo import PoseHead, UnseenJoints
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
        self.sem = _Tokens(network)
        layers = [layer for layer in network.layers if isinstance(layer, LiveLayer)]
        self.layers = nn.ModuleList(_Layer(layer, config, frames) for layer in layers)
        self.biases = nn.Parameter(
            torch.cat([_weights(layer.attention) for layer in layers]), requires_grad=False
        )
        self.moments = _Moments(network.moments, network.head, config, frames)
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
        x = self.sem(frames.view(-1, *input_shape(config.encoding)))
        for layer, bias, pair in zip(self.layers, self._biases(hats), pairs, strict=False):
            x, new = layer(x, bias, *pair)
            fresh += new
        poses, packed = self.moments(x, ages, hats, tokens, *pairs[-1])
        poses = [pose.view(-1, self.frames, JOINTS, config.outputs) for pose in poses]
        joined = torch.cat(fresh, 1)
        if self.frames > 1:
            joined = joined.transpose(1, 2).contiguous()
        shape = -1, self.frames, config.layers, 2, config.key_heads, config.depth
        of_moments = -1, self.frames, 2, config.moment_key_heads, config.depth
        return (
            *poses, joined.view(shape), packed.view(of_moments),
            x.view(-1, self.frames, config.width),
        )  # fmt: skip

    def _biases(self, hats: Tensor) -> Sequence[Tensor]:
        """What the ages (R, nodes + 1, F M) add to the scores of each layer, in one product."""
        config, frames = self.config, self.frames
        key_heads, groups = config.key_heads, config.heads // config.key_heads
        shape = -1, config.layers * key_heads, groups * frames, config.kept + frames
        return (self.biases @ hats).view(shape).split(key_heads, 1)


class _Tokens(nn.Module):
    """SEM with what is before and behind it: encoded frames (R F, rows, channels) -> tokens."""

    def __init__(self, network: STMOLive) -> None:
        super().__init__()
        self.unseen = _Unseen(network.unseen, input_shape(network.config.encoding)[0])
        self.sem, self.start = fold_sem(network.sem), None
        last = getattr(self.sem, "last", None)
        if isinstance(last, Product) and last.bias is not None:
            last.bias = nn.Parameter(last.bias.detach() + network.start.detach())
        else:
            self.start = network.start

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (R F, rows, channels) -> tokens (R F, width)."""
        tokens: Tensor = self.sem(self.unseen(frames))
        return tokens if self.start is None else tokens + self.start


class _Unseen(nn.Module):
    """The rows of unseen joints become the embedding."""

    limit: Tensor
    embedding: Tensor

    def __init__(self, unseen: nn.Module, rows: int) -> None:
        super().__init__()
        self.embeds = isinstance(unseen, UnseenJoints)
        if isinstance(unseen, UnseenJoints):
            limits = torch.full((rows, 1), -torch.inf)  # rows that are no joints are always seen
            limits[:JOINTS] = 0.0
            self.register_buffer("embedding", unseen.embedding.detach().clone())
            self.register_buffer("limit", limits)

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (R F, rows, channels)."""
        if not self.embeds:
            return frames
        return torch.where(frames[..., 2:] <= self.limit, self.embedding, frames)


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
        """Ages (R, F, M) -> weights (R, nodes + 1, F M), the last of what is out of reach."""
        ages = ages if ages.shape[1] == 1 else ages.flatten(1)[:, None]
        rising, falling = (line[0] * ages + line[1] for line in (self.rising, self.falling))
        return torch.minimum(rising, falling).clamp(0.0, 1.0)


def _line(zero: float, one: float) -> tuple[float, float]:
    """Return slope and offset of what is 0 at one age and 1 at another."""
    return 1 / (one - zero), -zero / (one - zero)


class _Attention(nn.Module):
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
        frames, (new_keys, new_values) = self.frames, new
        of_new = (
            (asked * new_keys).sum(-1, keepdim=True)
            if frames == 1
            else asked @ new_keys.transpose(-2, -1)
        )
        weights = (torch.cat([asked @ keys.transpose(-2, -1), of_new], -1) + bias).softmax(-1)
        of_kept, of_new = weights.split([self.kept, frames], -1)
        if frames == 1:
            mixed = of_kept @ values + of_new * new_values
        else:
            mixed = of_kept @ values + of_new @ new_values
            mixed = mixed.view(-1, self.width // self.depth, frames, self.depth).transpose(1, 2)
        mapped: Tensor = self.out(mixed.reshape(-1, self.width))
        return mapped


class _Layer(nn.Module):
    """A layer through which new frames learn of the past."""

    def __init__(self, layer: LiveLayer, config: LiveConfig, frames: int) -> None:
        super().__init__()
        assert isinstance(layer.attention, KeptAttention)
        self.attention = _Attention(layer.attention, config, frames)
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


class _Moments(nn.Module):
    """The layer that asks for the moments; each is computed by itself."""

    def __init__(self, moments: Moments, head: PoseHead, config: LiveConfig, frames: int) -> None:
        super().__init__()
        attention = self.attention = _Attention(moments.attention, config, frames)
        weight, bias = attention.qkv.weight, attention.qkv.bias
        self.query = Product.of(weight[: config.width], bias[: config.width])
        self.pack = Product.of(weight[config.width :], bias[config.width :])
        self.biases = nn.Parameter(_weights(moments.attention), requires_grad=False)
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
        self, x: Tensor, ages: Tensor, hats: Tensor, tokens: Tensor, keys: Tensor, values: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Tokens (R F, width) -> poses (R F, 17 C) of each moment, and what is kept of the new.

        These are keys and values (R F, 2 keyed).
        """
        attention = self.attention
        packed = self.pack(self.norm_attention(x))
        new = attention.of_heads(packed, 2 * attention.key_heads).split(attention.key_heads, 1)
        frames = self.frames
        shape = -1, attention.key_heads, attention.groups * frames, attention.kept + frames
        poses = []
        for look_ahead, named, bias in zip(self.look_aheads, self.named, self.biases, strict=True):
            asked = x if look_ahead <= 0 else self._about(look_ahead, x, ages, hats, tokens)
            asked = asked + named
            queries = attention.asked(self.query(self.norm_attention(asked)))
            mixed = attention.mix(queries, new, (bias @ hats).view(shape), keys, values)
            poses.append(self._pose(asked + mixed))
        return poses, packed

    def _pose(self, read: Tensor) -> Tensor:
        """Tokens (R F, width) after attention -> poses (R F, 17 C)."""
        hidden = self.hidden(self.norm_feedforward(read)).relu()
        return torch.addmm(self.head(read), hidden, self.last.T)

    def _about(
        self, look_ahead: int, x: Tensor, ages: Tensor, hats: Tensor, tokens: Tensor
    ) -> Tensor:
        """The tokens (R F, width) about a moment, of those in memory and the new ones."""
        away = (ages.clamp(0.0, NODES[-1]) - look_ahead / 1e3).abs() / ABOUT
        never = hats[:, -1].view(-1, *ages.shape[1:]) * NEVER
        of_kept, of_new = (never - away).softmax(-1).split([tokens.shape[1], self.frames], -1)
        about = of_kept @ tokens + of_new @ x.view(-1, self.frames, x.shape[1])
        return about.flatten(0, 1)


def _weights(attention: nn.Module) -> Tensor:
    """What each head makes of the weights of an age: (..., heads, nodes + 1)."""
    assert isinstance(attention, KeptAttention)
    return torch.cat([attention.bias.nodes.detach(), attention.bias.never], -1)
