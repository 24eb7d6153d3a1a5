"""The two ways in which a frame learns of a person's past, at equal numbers of weights.

Both compute queries, keys and values from the tokens of the frames. `KeptAttention` keeps keys and
values of the last frames and attends to them by content and age. `Recurrence` keeps sums of keys
times values that decay with time, exp(-rate dt): causal attention without softmax. It is exact for
frames at any times, and its state does not grow with the time that it remembers.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.live.past import NODES, Past

#: What is added to the score of a frame that cannot be reached.
NEVER = -30_000.0
#: Seconds in which the recurrence's heads forget, shortest and longest at the start of training.
_FORGOTTEN = (0.08, 3.0)


class Projection(nn.Module):
    """Query, key and value of tokens in one product; queries share keys and values in groups."""

    def __init__(self, config: LiveConfig, key_heads: int) -> None:
        super().__init__()
        self.heads, self.key_heads, self.depth = config.heads, key_heads, config.depth
        self.groups = self.heads // self.key_heads
        self.keyed = self.key_heads * self.depth
        self.qkv = nn.Linear(config.width, config.width + 2 * self.keyed)
        self.out = nn.Linear(config.width, config.width)

    def split(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, F, width) -> queries (B, F, width), keys and values (B, F, 2 keyed)."""
        width = self.heads * self.depth
        return self.qkv(tokens).split([width, 2 * self.keyed], -1)  # type: ignore[return-value]

    def grouped(self, queries: Tensor) -> Tensor:
        """(B, Q, width) -> (B x key heads, groups x Q, depth)."""
        count = queries.shape[1]
        parts = queries.view(-1, count, self.key_heads, self.groups, self.depth)
        return parts.permute(0, 2, 3, 1, 4).reshape(-1, self.groups * count, self.depth)

    def keys_and_values(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """(B, M, 2 keyed) -> two of (B x key heads, M, depth)."""
        parts = packed.view(-1, packed.shape[1], 2, self.key_heads, self.depth)
        key, value = parts.permute(2, 0, 3, 1, 4).flatten(1, 2)
        return key, value

    def joined(self, mixed: Tensor, count: int) -> Tensor:
        """(B x key heads, groups x Q, depth) -> (B, Q, width), through the last product."""
        parts = mixed.view(-1, self.key_heads, self.groups, count, self.depth)
        return self.out(parts.permute(0, 3, 1, 2, 4).reshape(-1, count, self.heads * self.depth))


class AgeBias(nn.Module):
    """What a frame's age adds to a head's score of it, and that frames out of reach have none."""

    never: Tensor

    def __init__(self, *heads: int) -> None:
        super().__init__()
        self.nodes = nn.Parameter(torch.zeros(*heads, len(NODES)))
        self.register_buffer("never", torch.full((*heads, 1), NEVER), persistent=False)

    def forward(self, basis: Tensor, part: slice = slice(None)) -> Tensor:
        """Ages (B, BASIS, Q, M), see `Past.basis` -> scores (B, heads, Q, M) of some heads."""
        weights = torch.cat([self.nodes[part], self.never[part]], -1)
        scores = weights.flatten(0, -2) @ basis.flatten(2)
        return scores.view(len(basis), *weights.shape[:-1], *basis.shape[2:])


class KeptAttention(Projection):
    """Attention to the keys and values of kept frames, and of the frame itself.

    Args:
        config: the network's.
        key_heads: heads of keys and values.
        kinds: of queries, each with its own bias of ages; none: all queries are alike.
    """

    def __init__(self, config: LiveConfig, key_heads: int, *kinds: int) -> None:
        super().__init__(config, key_heads)
        self.bias = AgeBias(*kinds, config.heads)
        self.scale = 1 / math.sqrt(config.depth)
        self.held = (config.kept, 2 * self.keyed)

    def forward(
        self, tokens: Tensor, past: Past, held: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Mix what the frames of a person's past say.

        Args:
            tokens: (B, F, width).
            past: when they came.
            held: (B, N, 2 keyed), keys and values of the ring's frames; None: nobody was here.

        Returns:
            Tokens (B, F, width), and what is held after them.
        """
        queries, fresh = self.split(tokens)
        packed = fresh if held is None else torch.cat([held.to(fresh.dtype), fresh], 1)
        mixed = self.attend(queries, packed, self.bias(past.basis))
        return mixed, None if held is None else past.renew(held, fresh)

    def attend(self, queries: Tensor, packed: Tensor, bias: Tensor) -> Tensor:
        """Mix values: queries (B, Q, width), keys and values (B, M, 2 keyed) -> (B, Q, width).

        The bias of the scores is (B, heads, Q, M).
        """
        key, value = self.keys_and_values(packed)
        count, frames = queries.shape[1], packed.shape[1]
        bias = bias.reshape(-1, self.groups * count, frames)
        grouped = self.grouped(queries)
        scores = torch.baddbmm(bias.to(grouped.dtype), grouped, key.mT, alpha=self.scale)
        return self.joined(scores.softmax(-1).to(value.dtype) @ value, count)


class Recurrence(Projection):
    """Sums of keys times values that decay with time, read by queries and by their own weight."""

    def __init__(self, config: LiveConfig) -> None:
        super().__init__(config, config.key_heads)
        shortest, longest = (math.log(seconds) for seconds in _FORGOTTEN)
        self.log_rate = nn.Parameter(-torch.linspace(shortest, longest, config.key_heads))
        self.held = (self.key_heads * self.depth, self.depth + 1)

    def forward(
        self, tokens: Tensor, past: Past, held: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Mix what the frames of a person's past say.

        Args:
            tokens: (B, F, width).
            past: when they came.
            held: (B, key heads x depth, depth + 1), the sums; None: nobody was here.

        Returns:
            Tokens (B, F, width), and what is held after them.
        """
        queries, fresh = self.split(tokens)
        query = _positive(self.grouped(queries))
        key, value = self.keys_and_values(fresh)
        key, count = _positive(key), tokens.shape[1]
        value = torch.cat([value.float(), torch.ones_like(key[..., :1])], -1)
        rates = self.log_rate.float().exp()[:, None, None]
        decay = (-rates * past.ages.clamp(min=0.0)[:, None]).exp().tril().flatten(0, 1)
        weights = (query @ key.mT).unflatten(1, (self.groups, count)) * decay[:, None]
        sums = weights.flatten(1, 2) @ value
        if held is not None:
            state = held.unflatten(1, (self.key_heads, self.depth)).flatten(0, 1)
            faded = (-rates * past.elapsed[:, None, :, None]).exp().flatten(0, 1)
            old = (query @ state).unflatten(1, (self.groups, count)) * faded[:, None]
            sums = sums + old.flatten(1, 2)
            state = faded[:, -1:] * state + (key * decay[:, -1, :, None]).mT @ value
            held = state.unflatten(0, (-1, self.key_heads)).flatten(1, 2)
        mixed = sums[..., :-1] / sums[..., -1:].clamp(min=1e-6)
        return self.joined(mixed.to(tokens.dtype), count), held


def _positive(x: Tensor) -> Tensor:
    return functional.elu(x.float() / math.sqrt(math.sqrt(x.shape[-1]))) + 1


def make_mixing(config: LiveConfig) -> KeptAttention | Recurrence:
    """Return the mixing that a configuration names."""
    if config.mixing == "recurrence":
        return Recurrence(config)
    return KeptAttention(config, config.key_heads)
