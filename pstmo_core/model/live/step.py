"""STMO-Live rearranged for streaming: what is kept of a person stays where it is.

`STMOLive.advance` returns a person's whole state after each frame; copying it would take most of
the time. Here, the inputs are keys and values of the kept frames as they lie in memory, in any
order, together with their ages. The outputs hold keys and values of the new frames only, and the
owner of the memory writes them to their slots (`pstmo_core.runtime.live.memory`, which also decides
which frames are kept). Norms with fixed statistics and scales are folded into the linear maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pstmo_core.encoding import input_shape
from pstmo_core.errors import ConfigError
from pstmo_core.model.live.config import OUT_OF_REACH
from pstmo_core.model.live.network import LiveLayer, STMOLive
from pstmo_core.model.live.past import NODES
from pstmo_core.model.live.step_layers import StepLayer, StepMoments, age_weights
from pstmo_core.model.step.folding import Product, fold_sem
from pstmo_core.model.stmo import UnseenJoints
from pstmo_core.skeleton import JOINTS


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
        self.layers = nn.ModuleList(StepLayer(layer, config, frames) for layer in layers)
        self.biases = nn.Parameter(
            torch.cat([age_weights(layer.attention) for layer in layers]), requires_grad=False
        )
        self.moments = StepMoments(network.moments, network.head, config, frames)
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
            Poses (R, F, 17, 4) for each of `config.look_aheads`; then of the new frames what
            `memory` is of those before: keys and values (R, key heads, F, depth), and their tokens
            (R, F, width).
        """
        config, ramps = self.config, self.ages(ages)
        fresh: list[Tensor] = []
        *arrays, tokens = memory
        pairs = list(zip(arrays[::2], arrays[1::2], strict=True))
        x = self.sem(frames if self.frames == 1 else frames.flatten(0, 1))
        for layer, bias, pair in zip(self.layers, self._biases(ramps), pairs, strict=False):
            x, new = layer(x, bias, *pair)
            fresh += new
        poses, new = self.moments(x, ages, ramps, tokens, *pairs[-1])
        poses = [pose.view(-1, self.frames, JOINTS, config.outputs) for pose in poses]
        return *poses, *fresh, *new, x.view(-1, self.frames, config.width)

    def _biases(self, ramps: Tensor) -> Sequence[Tensor]:
        """What the ages (R, nodes + 1, F M) add to the scores of each layer, in one product."""
        config, frames = self.config, self.frames
        key_heads, groups = config.key_heads, config.heads // config.key_heads
        shape = -1, config.layers * key_heads, groups * frames, config.kept + frames
        return (self.biases @ ramps).view(shape).split(key_heads, 1)


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
    score: Tensor

    def __init__(self, unseen: nn.Module, rows: int) -> None:
        super().__init__()
        self.embeds = isinstance(unseen, UnseenJoints)
        if isinstance(unseen, UnseenJoints):
            limits = torch.full((rows, 1), -torch.inf)  # rows that are no joints are always seen
            limits[:JOINTS] = 0.0
            self.register_buffer("embedding", unseen.embedding.detach().clone())
            self.register_buffer("limit", limits)
            self.register_buffer("score", torch.tensor([2]))

    def forward(self, frames: Tensor) -> Tensor:
        """Encoded frames (..., rows, channels)."""
        if not self.embeds:
            return frames
        scores = frames.index_select(-1, self.score)  # a slice of them takes longer
        return torch.where(scores <= self.limit, self.embedding, frames)


class _Ages(nn.Module):
    """How far an age is from each node to the next, between which what is learned is interpolated.

    These ramps take half as many operations as the weights of nodes (`past.weights`), and what is
    learned of an age can as well be put together from them: see `age_weights`.
    """

    slopes: Tensor
    offsets: Tensor

    def __init__(self) -> None:
        super().__init__()
        ramps = [_line(*ends) for ends in itertools.pairwise(NODES)]
        lines = [(0.0, 1.0), *ramps, _line(OUT_OF_REACH / 2, OUT_OF_REACH)]
        slopes, offsets = torch.tensor(lines).T[:, :, None]
        self.register_buffer("slopes", slopes)
        self.register_buffer("offsets", offsets)

    def forward(self, ages: Tensor) -> Tensor:
        """Ages (R, F, M) -> ramps (R, nodes + 1, F M): always 1, then 0 to 1 from node to node.

        The last is 1 where a frame is out of reach.
        """
        ages = ages if ages.shape[1] == 1 else ages.flatten(1)[:, None]
        return (self.slopes * ages + self.offsets).clamp(0.0, 1.0)


def _line(zero: float, one: float) -> tuple[float, float]:
    """Return slope and offset of what is 0 at one age and 1 at another."""
    return 1 / (one - zero), -zero / (one - zero)
