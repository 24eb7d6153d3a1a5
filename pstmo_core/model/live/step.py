"""STMO-Live rearranged for streaming: what is kept of a person stays where it is.

`STMOLive.advance` returns a person's whole state after each frame; copying it would take most of
the time. Here, the inputs are keys and values of the kept frames as they lie in memory, in any
order, together with their ages. The outputs hold keys and values of the new frames only, and the
owner of the memory writes them to their slots (`pstmo_core.runtime.live.memory`, which also decides
which frames are kept). Norms with fixed statistics and scales are folded into the linear maps.
"""

from __future__ import annotations

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
