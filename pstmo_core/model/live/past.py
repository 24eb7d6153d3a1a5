"""When a streaming network's frames came, and which of them it keeps.

A person's past is a ring of `kept` frames at least `spacing` seconds apart. It begins empty; a
frame that is kept pushes out the oldest. The network sees time as ages in seconds: how long before
a frame another one was taken. Whatever the frame rate and its jitter, the same motion has the same
ages.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from pstmo_core.model.live.config import LONGEST

#: Ages in seconds between which what is learned of an age is interpolated.
NODES = (0.0, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56)
#: How many numbers describe an age: a weight for each node, and whether the frame is out of reach.
BASIS = len(NODES) + 1


class Past:
    """The times of F new frames of B people, and of the frames of their rings.

    M is the number of frames that a new one can learn of: the N of the ring, if there is one, then
    the F new ones.
    """

    def __init__(self, dt: Tensor, ring: tuple[Tensor, Tensor] | None, kept: int, spacing: float):
        """Find out which new frames are kept, and which frames each one can learn of.

        Args:
            dt: (B, F) seconds since the person's previous frame.
            ring: ages (B, N) at the person's previous frame, and 1.0 where there is a frame, else
                0.0 (B, N); None: nobody was here.
            kept: N.
            spacing: least seconds between frames that are kept.
        """
        dt = dt.clamp(0.0, LONGEST)
        self.ring, self.kept, self.spacing = ring, kept, spacing
        seen = torch.zeros_like(dt[:, 0], dtype=torch.bool) if ring is None else ring[1][:, -1] > 0
        dt = torch.cat([torch.where(seen, dt[:, 0], 0.0)[:, None], dt[:, 1:]], 1)
        self.keep = self._choose(dt, seen)
        """(B, F) bool, which of the new frames are kept."""
        # Differences of long sums want more digits than a step.
        times = dt if dt.shape[1] == 1 else dt.double().cumsum(1)
        self.elapsed = times.to(dt.dtype)
        """(B, F) seconds since the frame before the first of the new ones."""
        self.ages = (times[:, :, None] - times[:, None]).to(dt.dtype)
        """(B, F, F) seconds, how old a new frame (last) is at another; below 0: not yet there."""
        self.basis = self._basis()
        """(B, `BASIS`, F, M), see `NODES`."""

    def renew(self, held: Tensor, fresh: Tensor) -> Tensor:
        """Return what is held (B, N, X) of the N newest kept frames.

        Args:
            held: (B, N, X), of those of the ring.
            fresh: (B, F, X), of the new frames.
        """
        both = torch.cat([held, fresh], 1)
        if fresh.shape[1] == 1:
            return torch.where(self.keep[..., None], both[:, 1:], both[:, :-1])
        index = self._newest[..., None].expand(-1, -1, held.shape[2])
        return both.gather(1, index)

    def renewed_ring(self) -> tuple[Tensor, Tensor]:
        """Return the ring as it is after the new frames."""
        assert self.ring is not None
        ages, there = self.ring
        at_end = torch.cat([ages + self.elapsed[:, -1:], self.ages[:, -1]], 1)
        kept = self.kept
        renewed = self.renew(at_end[:, :kept, None], at_end[:, kept:, None])[..., 0]
        there = self.renew(there[..., None], torch.ones_like(self.elapsed)[..., None])[..., 0]
        return renewed * there, there

    def _choose(self, dt: Tensor, seen: Tensor) -> Tensor:
        """Keep a frame if the last one that was kept is old enough; one after the other."""
        since = torch.zeros_like(dt[:, 0]) if self.ring is None else self.ring[0][:, -1]
        chosen = []
        for step in dt.unbind(1):
            since = since + step
            keep = (since >= self.spacing) | ~seen
            since = torch.where(keep, 0.0, since)
            seen = seen | keep
            chosen.append(keep)
        return torch.stack(chosen, 1)

    @functools.cached_property
    def _newest(self) -> Tensor:
        """Places (B, N) of the N newest kept frames among those of the ring and the new ones."""
        places = torch.arange(self.kept + self.keep.shape[1], device=self.keep.device)
        old = places[: self.kept].expand(len(self.keep), -1)
        new = torch.where(self.keep, places[self.kept :], -1)
        return torch.cat([old, new], 1).sort(1).values[:, -self.kept :]

    def _basis(self) -> Tensor:
        ages, reached = [self.ages], [self._reached()]
        if self.ring is not None:
            ages.insert(0, self.ring[0][:, None] + self.elapsed[..., None])
            reached.insert(0, self._reached_of_ring())
        out = torch.cat(reached, 2).logical_not()[:, None]
        near = weights(torch.cat(ages, 2))
        return torch.cat([near, out.to(near.dtype)], 1)

    def _reached(self) -> Tensor:
        """(B, F, F), whether a new frame still has another one (last), or is it."""
        count = self.keep.shape[1]
        itself = torch.eye(count, dtype=torch.bool, device=self.keep.device)
        if count == 1:
            return itself.expand(len(self.keep), 1, 1)
        before = itself.logical_not().tril()
        total = self.keep.cumsum(1)
        since = (total - self.keep.long())[:, :, None] - total[:, None]
        return itself | (before & self.keep[:, None] & (since < self.kept))

    def _reached_of_ring(self) -> Tensor:
        """(B, F, N), whether a new frame still has a frame of the ring."""
        assert self.ring is not None
        there = (self.ring[1] > 0)[:, None]
        if self.keep.shape[1] == 1:
            return there
        pushed = self.keep.cumsum(1) - self.keep.long()
        return there & (torch.arange(self.kept, device=pushed.device) >= pushed[..., None])


def weights(ages: Tensor) -> Tensor:
    """Return the weight of each node for ages (B, ...) in seconds: (B, len(NODES), ...)."""
    hats = []
    for index, node in enumerate(NODES):
        rising = (ages - NODES[index - 1]) / (node - NODES[index - 1]) if index else None
        last = index == len(NODES) - 1
        falling = None if last else (NODES[index + 1] - ages) / (NODES[index + 1] - node)
        if rising is None or falling is None:
            hats.append((falling if rising is None else rising).clamp(0.0, 1.0))  # type: ignore[union-attr]
        else:
            hats.append(torch.minimum(rising, falling).clamp(min=0.0))
    return torch.stack(hats, 1)
