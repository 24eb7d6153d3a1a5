"""STMO-Live, the network for streams: one token per frame, and memory of earlier frames.

    frames    (B, F, rows, channels)   encoded 2D poses of a person at any times, see encoding/
       |
     unseen   the rows of joints that are not seen become an embedding
       |
      SEM     a frame's joints become one token, as in STMO
       |
    tokens    (B, F, width)
       |
    layers    causal: a frame attends to those before it (mixing), by their ages in seconds
       |
    tokens    (B, F, width)
       |
    moments   for each look-ahead one query, which reads the tokens near its moment
       |
    poses     (B, F, H, 17, 4)         x, y, z in metres relative to the pelvis, and log sigma

STMO computes a window of frames on a grid for each new pose. Here a new frame costs one token: all
that later frames need of it is in the state, one row of numbers per person. A row of zeros means
that the person has not been seen before.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from pstmo_core.encoding import get_encoding, input_shape
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.live.mixing import NEVER, KeptAttention, make_mixing
from pstmo_core.model.live.past import NODES, Past
from pstmo_core.model.sem import SEM
from pstmo_core.model.stmo import PoseHead, UnseenJoints
from pstmo_core.model.trained_on import TrainedOn
from pstmo_core.model.transformer import NORM_EPS
from pstmo_core.skeleton import JOINTS

#: Seconds within which a frame counts as being about a moment.
ABOUT = 0.015


class LiveLayer(nn.Module):
    """A pre-norm Transformer layer whose tokens see only themselves and the past."""

    def __init__(self, config: LiveConfig) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.attention = make_mixing(config)
        self.norm_feedforward = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.feedforward = feedforward(config)

    def forward(self, x: Tensor, past: Past, held: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Tokens (B, F, width) and what is held of the past -> the same after these frames."""
        mixed, held = self.attention(self.norm_attention(x), past, held)
        x = x + mixed
        return x + self.feedforward(self.norm_feedforward(x)), held


class Moments(nn.Module):
    """A layer that asks for each look-ahead: what do the tokens about that moment say?

    Otherwise the newest token would have to hold the poses of all moments at once. The query of an
    older moment is therefore the mean of the tokens next to that moment; it reads the other tokens,
    later ones included. The query of a forecast is the newest token.
    """

    def __init__(self, config: LiveConfig) -> None:
        super().__init__()
        count = len(config.look_aheads)
        self.look_aheads = config.look_aheads
        self.keyed = 2 * config.moment_key_heads * config.depth
        self.moment = nn.Parameter(torch.zeros(count, config.width))
        self.norm_attention = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.attention = KeptAttention(config, config.moment_key_heads, count)
        self.norm_feedforward = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.feedforward = feedforward(config)
        with torch.no_grad():
            self._start(config)

    @property
    def held(self) -> tuple[int, int]:
        """Shape of what is kept of a person."""
        return self.attention.held[0], self.keyed + self.moment.shape[1]

    def pack(self, tokens: Tensor) -> Tensor:
        """Tokens (B, F, width) -> their keys and values, and the tokens (B, F, 2 keyed + width)."""
        read = self.attention.split(self.norm_attention(tokens))[1]
        return torch.cat([read, tokens.to(read.dtype)], -1)

    def forward(self, tokens: Tensor, packed: Tensor, basis: Tensor, moments: slice) -> Tensor:
        """Ask some frames for some moments.

        Args:
            tokens: (B, Q, width), of the frames that are asked.
            packed: (B, M, 2 keyed + width), as of `pack`, of the frames that are read.
            basis: (B, BASIS, Q, M), the ages of these at those.
            moments: which of `LiveConfig.look_aheads`.

        Returns:
            (B, Q, n, width), for the n moments.
        """
        named = self.moment[moments]
        count, asked = len(named), tokens.shape[1]
        read, kept = packed.split([self.keyed, self.moment.shape[1]], -1)
        x = (self._about(tokens, kept, basis, moments) + named[:, None]).flatten(1, 2)
        queries, _ = self.attention.split(self.norm_attention(x))
        bias = self.attention.bias(basis, moments)  # (B, n, heads, Q, M)
        bias = bias.transpose(1, 2).flatten(2, 3)
        x = x + self.attention.attend(queries, read, bias)
        x = x + self.feedforward(self.norm_feedforward(x))
        return x.unflatten(1, (count, asked)).transpose(1, 2)

    def _about(self, tokens: Tensor, kept: Tensor, basis: Tensor, moments: slice) -> Tensor:
        """The tokens about the moments (B, n, Q, width), of those (B, M, width) in reach."""
        newest = tokens[:, None]
        look_aheads = torch.tensor(self.look_aheads[moments], device=tokens.device)[:, None, None]
        if not any(ms > 0 for ms in self.look_aheads[moments]):
            return newest
        nodes = torch.tensor(NODES, device=tokens.device)[:, None, None]
        ages = (basis[:, :-1] * nodes).sum(1)[:, None]  # the weights of nodes are linear in age
        closeness = -(ages - look_aheads / 1e3).abs() / ABOUT + NEVER * basis[:, -1:]
        weights = closeness.softmax(-1).to(kept.dtype)
        about = (weights.flatten(1, 2) @ kept).unflatten(1, weights.shape[1:3])
        return torch.where(look_aheads > 0, about, newest.to(about.dtype))

    def _start(self, config: LiveConfig) -> None:
        """Let each moment look about itself, and add nothing yet."""
        nodes = torch.tensor(NODES)
        for index, look_ahead in enumerate(config.look_aheads):
            distance = (nodes - max(look_ahead, 0) / 1e3).abs()
            self.attention.bias.nodes[index] = -(distance / 0.1).clamp(max=3.0)
        self.moment.normal_(0.0, 0.2)
        for linear in (self.attention.out, self.feedforward[2]):
            assert isinstance(linear, nn.Linear)
            linear.weight.mul_(0.1)
            linear.bias.zero_()


class STMOLive(nn.Module):
    """Lifts people frame by frame, at whatever times their frames come.

    The poses are relative to the pelvis, in metres. Each is in the coordinate frame that the
    encoding defines at its moment: for `view`, that of the camera turned to where the person was
    then. A forecast is in that of the newest frame.
    """

    trained_on = TrainedOn()
    """The joint orders of its training data."""

    def __init__(self, config: LiveConfig) -> None:
        super().__init__()
        self.config = config
        rows, channels = input_shape(config.encoding)
        embeds = get_encoding(config.encoding).embeds_unseen
        self.unseen = UnseenJoints(channels) if embeds else nn.Identity()
        self.sem = SEM(rows * channels, config.sem_width, config.width, 0.0, config.sem_blocks)
        self.start = nn.Parameter(torch.zeros(config.width))
        layers = [LiveLayer(config) for _ in range(config.layers)]
        self.layers = nn.ModuleList(layers)
        self.moments = Moments(config)
        ring = (config.kept,)
        self._parts = [ring, ring, *(layer.attention.held for layer in layers), self.moments.held]
        """Shapes of a state: the ring's ages, whether frames are there, and what layers hold."""
        self.head = PoseHead(config.width, config.outputs)

    def forward(self, frames: Tensor, dt: Tensor, asked: Tensor | None = None) -> Any:
        """Lift whole sequences of people who have not been seen before.

        Args:
            frames: (B, F, rows, channels), encoded as `config.encoding` says.
            dt: (B, F) seconds since the person's previous frame; the first one does not matter.
            asked: (B, Q), the only frames that are asked for moments other than the newest, which
                saves time in training; None: all frames.

        Returns:
            (B, F, H, 17, 4), the pose at each look-ahead of each frame. With `asked` the newest
            poses (B, F, 17, 4), and (B, Q, H - 1, 17, 4).
        """
        if asked is not None:
            return self._ask(frames, dt, asked)
        return self.poses(*self.encode(frames, dt, None)[:3], slice(None))

    def step(self, frames: Tensor, dt: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Lift one more frame of some people.

        Args:
            frames: (R, rows, channels).
            dt: (R,) seconds since the person's previous frame; where there was none, any number.
            state: (R, S) float32, zeros where nobody was here before.

        Returns:
            Poses (R, H, 17, 4), and the state after this frame.
        """
        poses, state = self.advance(frames[:, None], dt[:, None], state)
        return poses[:, 0], state

    def advance(self, frames: Tensor, dt: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Lift F more frames of each person at once; shapes as of `forward` and `step`."""
        tokens, packed, past, held = self.encode(frames, dt, state)
        return self.poses(tokens, packed, past, slice(None)), self.join(past, held)

    def newest(self, frames: Tensor, dt: Tensor) -> Tensor:
        """Lift whole sequences as `forward` does, but answer for the last frame: (B, H, 17, 4)."""
        tokens, packed, past, _ = self.encode(frames, dt, None)
        read = self.moments(tokens[:, -1:], packed, past.basis[:, :, -1:], slice(None))
        return self.head(read.flatten(0, 2)).view(len(read), -1, JOINTS, self.config.outputs)

    def _ask(self, frames: Tensor, dt: Tensor, asked: Tensor) -> tuple[Tensor, Tensor]:
        tokens, packed, past, _ = self.encode(frames, dt, None)
        newest = self.moments(tokens, packed, past.basis, slice(1))
        rows = torch.arange(len(asked), device=asked.device)[:, None]
        basis = past.basis.transpose(1, 2)[rows, asked].transpose(1, 2)
        others = self.moments(tokens[rows, asked], packed, basis, slice(1, None))
        shapes = newest.shape[:2], others.shape[:3]
        poses = self.head(torch.cat([newest.flatten(0, 2), others.flatten(0, 2)]))
        first, second = poses.split([shapes[0].numel(), shapes[1].numel()])
        return first.view(*shapes[0], JOINTS, -1), second.view(*shapes[1], JOINTS, -1)

    def encode(
        self, frames: Tensor, dt: Tensor, state: Tensor | None
    ) -> tuple[Tensor, Tensor, Past, list[Tensor]]:
        """Make the frames' tokens, which take in the past.

        Returns:
            Tokens (B, F, width), what `moments` reads (B, M, 2 keyed + width), the times, and what
            each layer holds after these frames (nothing without a state).
        """
        config = self.config
        ring, held = (None, None) if state is None else self._split(state)
        past = Past(dt, ring, config.kept, config.spacing)
        x = self.sem(self.unseen(frames)) + self.start
        renewed = []
        for index, layer in enumerate(self.layers):
            x, after = layer(x, past, None if held is None else held[index])
            renewed += [] if after is None else [after]
        packed = self.moments.pack(x)
        if held is not None:
            renewed.append(past.renew(held[-1], packed))
            packed = torch.cat([held[-1].to(packed.dtype), packed], 1)
        return x, packed, past, renewed

    def poses(self, tokens: Tensor, packed: Tensor, past: Past, moments: slice) -> Tensor:
        """Answer for some moments (B, F, n, 17, 4) from what `encode` gives."""
        read = self.moments(tokens, packed, past.basis, moments)
        return self.head(read.flatten(0, 2)).view(*read.shape[:3], JOINTS, -1)

    def _split(self, state: Tensor) -> tuple[tuple[Tensor, Tensor], list[Tensor]]:
        parts = state.split([math.prod(shape) for shape in self._parts], 1)
        ages, there, *held = (p.unflatten(1, s) for p, s in zip(parts, self._parts, strict=True))
        return (ages, there), held

    @staticmethod
    def join(past: Past, held: list[Tensor]) -> Tensor:
        """Return the state (B, S) from what `encode` gives."""
        return torch.cat([*past.renewed_ring(), *(part.flatten(1) for part in held)], 1)


def feedforward(config: LiveConfig) -> nn.Sequential:
    """Return the feed-forward block of a layer."""
    return nn.Sequential(
        nn.Linear(config.width, config.feedforward),
        nn.ReLU(),
        nn.Linear(config.feedforward, config.width),
    )
