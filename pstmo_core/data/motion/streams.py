"""Sequences of people as a camera sees them live: at its own rate, with jitter, drops and absences.

What is seen is drawn as for windows (`sampler`); here is when it is seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pstmo_core.data.motion.sampler import Batch, Sampler, Seen, encode
from pstmo_core.encoding import get_encoding
from pstmo_core.encoding.view import view_turns
from pstmo_core.errors import ConfigError
from pstmo_core.settings import check_settings, setting, share_setting
from pstmo_core.skeleton import JOINTS, ROOT

#: Least seconds between frames, whatever the jitter.
_SHORTEST = 0.003


@dataclass(frozen=True)
class StreamTiming:
    """When the frames of a sequence are taken, and what is asked of it."""

    frames: int = setting(40, "Frames of a sequence.", low=2, high=10_000)
    rates: tuple[float, float] = setting(
        (10.0, 120.0), "Range of the frame rate in Hz.", low=0.01, high=10_000.0
    )
    usual_rates: tuple[float, ...] = (15.0, 24.0, 25.0, 30.0, 30.0, 50.0, 60.0)
    """Frame rates of which `usual_share` of the sequences have one; the others have any."""
    usual_share: float = share_setting(0.6, "Share of the sequences with a usual rate.")
    jitter: float = setting(
        0.25,
        "Deviation of a frame's time as a share of the period, at most: sequences draw theirs.",
        low=0.0,
        high=10.0,
    )
    dropped: float = setting(
        0.3, "Probability that a frame is lost, at most: sequences draw theirs.", low=0.0, below=1.0
    )
    absent_share: float = share_setting(
        0.15, "Share of sequences in which the person is not seen for a while."
    )
    absence: tuple[float, float] = setting(
        (0.3, 5.0), "Range of that while in seconds.", low=0.001, high=10_000.0
    )
    masked_share: float = share_setting(
        0.2,
        "Share of sequences in which joints are hidden, as stage I does (MPM): in half of them "
        "some for a stretch, in the others any joint in any frame.",
    )
    masked_joints: float = setting(
        0.3, "Share of the joints that are hidden there, on average.", low=0.0, high=0.5
    )
    asked: int = setting(
        5,
        "Frames of a sequence that are asked for the moments beside the newest.",
        low=1,
        high=10_000,
    )

    def __post_init__(self) -> None:
        check_settings(self, "stream.")
        if self.asked > self.frames:
            raise ConfigError(
                f"stream.asked is {self.asked}, but a sequence has only {self.frames} frames "
                "(stream.frames)"
            )


@dataclass(frozen=True, kw_only=True)
class StreamBatch(Batch):
    """A batch of sequences; `frames` (B, F, rows, channels) and `poses` (B, F, 17, 3): see `Batch`.

    A pose of another moment is in the frame that the encoding means for where the person was then;
    a forecast's is that of the newest frame.
    """

    dt: Tensor
    """(B, F) seconds since the frame before; 0 for the first."""
    asked: Tensor
    """(B, Q) frames that are asked for other moments."""
    others: Tensor
    """(B, Q, M, 17, 3) the poses at these moments."""
    valid: Tensor
    """(B, Q, M) bool, whether the person had been seen by then."""

    def part(self, part: slice) -> StreamBatch:
        """See `Batch.part`."""
        names = ("frames", "poses", "dt", "asked", "others", "valid")
        return StreamBatch(**{name: getattr(self, name)[part] for name in names})


class StreamSampler:
    """Draws batches of sequences without end.

    Args:
        sampler: what draws people, cameras and errors.
        config: when frames are taken.
        look_aheads: the moments beside the newest, in seconds before a frame.
    """

    def __init__(
        self, sampler: Sampler, config: StreamTiming, look_aheads: tuple[float, ...]
    ) -> None:
        self.sampler, self.config = sampler, config
        self.generator = sampler.generator
        self._look_aheads = torch.tensor(look_aheads, device=sampler.clips.positions.device)

    def draw(self, count: int) -> StreamBatch:
        """Draw a batch of `count` sequences."""
        frames, asks = self.config.frames, self.config.asked
        times = self.times(count)
        asked = self._uniform(count, frames).argsort(1)[:, :asks].sort(1).values
        moments = times.gather(1, asked)[..., None] - self._look_aheads
        valid = moments >= times[:, :1, None]
        first, second = moments.flatten(1).tensor_split([moments[0].numel() // 2], 1)
        start = first.shape[1]
        shown = slice(start, start + frames)
        seen = self.sampler.see(torch.cat([first, times, second], 1), shown, fit=True)
        relative = seen.in_camera - seen.in_camera[:, :, ROOT : ROOT + 1]
        scores = self._mask(seen.scores)
        name = self.sampler.model.encoding
        encoded, poses = encode(
            seen.rays, scores, relative[:, shown], seen.cameras, seen.known, seen.up, name
        )
        others = torch.cat([relative[:, :start], relative[:, start + frames :]], 1)
        others = others.unflatten(1, moments.shape[1:])
        newest = times.gather(1, asked)[..., None]
        then = torch.minimum(moments, newest)  # where somebody will be is not known
        others = self._turned(others, seen, encoded, times, then)
        dt = times.diff(dim=1, prepend=times[:, :1])
        return StreamBatch(encoded, poses, dt=dt, asked=asked, others=others, valid=valid)

    def _turned(
        self, poses: Tensor, seen: Seen, encoded: Tensor, times: Tensor, moments: Tensor
    ) -> Tensor:
        """Turn poses (B, Q, M, 17, 3) of moments (B, Q, M) as the encoding means at their places.

        A place, the middle of a person in the image, is interpolated between those in the frames.
        """
        if not get_encoding(self.sampler.model.encoding).turned:
            return poses
        wanted = moments.flatten(1)
        after = torch.searchsorted(times.contiguous(), wanted.contiguous())
        after = after.clamp(1, times.shape[1] - 1)
        start, end = times.gather(1, after - 1), times.gather(1, after)
        share = ((wanted - start) / (end - start)).clamp(0.0, 1.0)[..., None]
        rows = torch.arange(len(times), device=times.device)[:, None]
        places = encoded[:, :, JOINTS, :2]
        place = torch.lerp(places[rows, after - 1], places[rows, after], share)
        turns = view_turns(place, seen.up[:, None].expand(-1, place.shape[1], -1), torch)
        return poses @ turns.unflatten(1, moments.shape[1:]).mT

    def times(self, count: int) -> Tensor:
        """Draw the times (B, F) of frames in seconds, about 0 in the middle."""
        config, frames = self.config, self.config.frames
        low, high = (math.log(rate) for rate in config.rates)
        rate = (low + (high - low) * self._uniform(count, 1)).exp()
        usual = torch.tensor(config.usual_rates, device=rate.device)
        pick = (self._uniform(count, 1) * len(usual)).long().clamp(max=len(usual) - 1)
        rate = torch.where(self._uniform(count, 1) < config.usual_share, usual[pick], rate)
        lost = config.dropped * self._uniform(count, 1).square().clamp(1e-4)
        runs = (self._uniform(count, frames).clamp(1e-6).log() / lost.log()).floor()
        ticks = (1 + runs.clamp(max=10)).cumsum(1)
        jitter = config.jitter * self._uniform(count, 1).square()
        noise = torch.randn(ticks.shape, generator=self.generator, device=ticks.device)
        dt = ((ticks + jitter * noise) / rate).diff(dim=1).clamp(min=_SHORTEST)
        low, high = (math.log(seconds) for seconds in config.absence)
        absence = (low + (high - low) * self._uniform(count, 1)).exp()
        absent = self._uniform(count, 1) < config.absent_share
        where = (self._uniform(count, 1) * (frames - 1)).long()
        dt = dt.scatter_add(1, where, absence * absent)
        times = torch.cat([torch.zeros_like(rate), dt.cumsum(1)], 1)
        return times - times[:, frames // 2, None]

    def _mask(self, scores: Tensor) -> Tensor:
        """Hide joints of some sequences: some for a stretch, or any here and there.

        Args:
            scores: (B, F, 17).
        """
        config, (count, frames) = self.config, scores.shape[:2]
        place = torch.arange(frames, device=scores.device)[:, None] / frames
        start = self._uniform(count, 1, 1) * 1.2 - 0.2
        length = self._uniform(count, 1, 1)
        stretch = (place >= start) & (place < start + length)
        stretch = stretch & (self._uniform(count, 1, JOINTS) < config.masked_joints)
        share = 2 * config.masked_joints * self._uniform(count, 1, 1)
        scattered = self._uniform(count, frames, JOINTS) < share
        hidden = torch.where(self._uniform(count, 1, 1) < 0.5, stretch, scattered)
        hidden = hidden & (self._uniform(count, 1, 1) < config.masked_share)
        return torch.where(hidden, torch.zeros_like(scores), scores)

    def _uniform(self, *shape: int) -> Tensor:
        device = self.sampler.clips.positions.device
        return torch.rand(*shape, generator=self.generator, device=device)
