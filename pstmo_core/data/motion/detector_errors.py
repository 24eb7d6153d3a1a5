"""Simulated errors of real detectors: lasting errors, swapped sides, cut-off bodies, and scores.

Sizes are shares of the person's apparent size (the RMS distance of joints from the pelvis), fitted
to the residuals of MoveNet and BlazePose on real video (docs/data.md). Each window draws its
own level; what a frame gets wrong, the next one mostly gets wrong as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pstmo_core.data.motion.virtual_cameras import Cameras
from pstmo_core.skeleton import JOINT_NAMES, JOINTS, LEFT, LOWER_BODY, RIGHT, ROOT, mirror_order

#: How much worse a joint is found than hips and shoulders are.
_DIFFICULTY = {"wrist": 1.6, "ankle": 1.3, "elbow": 1.3, "knee": 1.2, "head": 1.3}
_ARMS = tuple(JOINT_NAMES.index(s + n) for s in "lr" for n in ("elbow", "wrist"))
_LIMBS = ((1, 2, 3), (4, 5, 6), (12, 13), (15, 16))
#: Moments of a window at which the slowest part of an error is drawn; seconds between its moments
#: and between those of the quicker part, in a window of 27 frames at 40 ms.
_SLOW_KEYS, _SLOWEST, _QUICKEST = 3, 0.52, 0.13
_BELOW_CHEST = (*LOWER_BODY, ROOT, JOINT_NAMES.index("spine"))


@dataclass(frozen=True)
class DetectorErrors:
    """Sizes and shares of the errors; the sizes are for a window of level 1."""

    clean_share: float = 0.25
    """Share of windows without errors."""
    levels: tuple[float, float] = (0.3, 2.2)
    """Range of the level, drawn evenly in its logarithm."""
    slow: float = 0.024
    """Deviation of the error that lasts for a tenth of a second to a second."""
    white: float = 0.011
    """Deviation of the error that differs from frame to frame."""
    bias: float = 0.02
    """Deviation of the error that stays for the whole window."""
    spells: float = 0.12
    """Probability that a joint or limb is hard to see for a stretch: errors are 2 to 5 times as
    large."""
    peaks: float = 0.003
    """Probability that a joint in a frame is far off."""
    swapped: float = 0.10
    """Share of windows with left and right swapped for a stretch: the body, legs or arms."""
    merged: float = 0.06
    """Share of windows where both legs or arms are found in one place for a stretch."""
    stuck: float = 0.15
    """Share of windows where a joint stands still in the image for a stretch."""
    lost: float = 0.06
    """Probability that a joint is not seen for a stretch."""
    flicker: float = 0.04
    """Largest probability that a joint in a frame is not seen."""
    legs_hidden: float = 0.16
    """Share of windows without legs, or without anything below the chest."""
    certain: float = 0.2
    """Share of windows whose scores say nothing."""


def apply(
    rays: Tensor,
    cameras: Cameras,
    depth: Tensor,
    errors: DetectorErrors,
    generator: torch.Generator,
    times: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Make clean rays (B, F, 17, 2) look like a detector's.

    Args:
        rays: x / z and y / z of the joints.
        cameras: those of the windows, for the image's border.
        depth: (B, F, 17) z of the joints in metres.
        errors: what to do.
        generator: of all that is random.
        times: (B, F) seconds at which the frames were taken, in order; None: 40 ms apart.

    Returns:
        Rays (B, F, 17, 2) and scores (B, F, 17), 0 where a joint is not seen.
    """
    draw = _Draw(rays, generator, times)
    size = _apparent_size(rays)
    low, high = errors.levels
    level = low * (high / low) ** draw.uniform(draw.batch, 1, 1)
    level = level * (draw.uniform(draw.batch, 1, 1) > errors.clean_share)
    spread = level * draw.difficulty * (1 + draw.stretch(errors.spells) * draw.spell_factor())
    shift = _shift(draw, errors, level, spread)
    moved = torch.addcmul(rays, shift, size[..., None])
    faulty = level[:, 0, 0] > 0
    moved = _swap(draw, moved, errors, faulty)
    moved = _stick(draw, moved, errors, faulty)
    scores = _scores(draw, errors, spread, shift.square().sum(-1).sqrt())
    hidden = _hidden(draw, errors, faulty)
    moved, scores = _cut(draw, moved, scores, cameras, depth)
    return moved, torch.where(hidden, torch.zeros_like(scores), scores)


class _Draw:
    """Random numbers for a batch of windows."""

    def __init__(
        self, rays: Tensor, generator: torch.Generator, times: Tensor | None = None
    ) -> None:
        self.times = times
        self.batch, self.frames = rays.shape[:2]
        self.device, self.generator = rays.device, generator
        sizes = [
            next((v for key, v in _DIFFICULTY.items() if key in name), 1.0) for name in JOINT_NAMES
        ]
        self.difficulty = torch.tensor(sizes, device=rays.device)

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self.generator, device=self.device)

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, device=self.device)

    def whole(self, low: int, high: int, count: int) -> Tensor:
        return torch.randint(low, high, (count,), generator=self.generator, device=self.device)

    def windows(self, share: float, among: Tensor) -> Tensor:
        """Indices (N,) of a share of the windows of a mask (B,)."""
        return ((self.uniform(self.batch) < share) & among).nonzero()[:, 0]

    def spans(self, *shape: int, longest: float = 1.0) -> Tensor:
        """Stretches of time (*shape[:1], F, *shape[1:]), bool; short ones more often."""
        start = self.uniform(*shape) * 1.2 - 0.2
        length = self.uniform(*shape).square() * longest + 1 / self.frames
        time = torch.arange(self.frames, device=self.device) / self.frames
        time = time.view(1, -1, *[1] * (len(shape) - 1))
        return (time >= start[:, None]) & (time < (start + length)[:, None])

    def stretch(self, probability: float) -> Tensor:
        """Joints (B, F, 17) chosen for a stretch, one by one and by limbs, as 0.0 or 1.0."""
        chosen = self.uniform(self.batch, JOINTS) < probability
        for limb in _LIMBS:
            chosen[:, limb] |= (self.uniform(self.batch, 1) < probability / 2).expand(-1, len(limb))
        return (self.spans(self.batch, JOINTS) & chosen[:, None]).float()

    def spell_factor(self) -> Tensor:
        return 1 + 3 * self.uniform(self.batch, 1, JOINTS)

    def lasting(self, keys: int) -> Tensor:
        """Noise (B, F, 17, 2) of deviation 1 at moments, interpolated between them.

        There are `keys` moments in a window; in a sequence of frames at given times they are as far
        apart as in a window of 27 frames.
        """
        place = torch.linspace(0, keys - 1, self.frames, device=self.device)
        if self.times is not None:
            span = _SLOWEST if keys == _SLOW_KEYS else _QUICKEST
            place = (self.times - self.times[:, :1]) / span
            keys = int(place.max()) + 2
        weights = (1 - (place[..., None] - torch.arange(keys, device=self.device)).abs()).clamp(
            min=0
        )
        weights = weights / weights.square().sum(-1, keepdim=True).sqrt()
        return (weights @ self.normal(self.batch, keys, JOINTS * 2)).unflatten(2, (JOINTS, 2))


def _apparent_size(rays: Tensor) -> Tensor:
    """RMS distance of the joints from the pelvis (B, F, 1)."""
    offsets = rays - rays[:, :, ROOT : ROOT + 1]
    return (offsets.square().sum((-1, -2)) / JOINTS).sqrt()[..., None]


def _shift(draw: _Draw, errors: DetectorErrors, level: Tensor, spread: Tensor) -> Tensor:
    """Errors (B, F, 17, 2) as shares of the person's size."""
    keys = max(2, round(draw.frames / 3))
    lasting = 0.8 * draw.lasting(keys) + 0.6 * draw.lasting(_SLOW_KEYS)
    noise = errors.slow * lasting + errors.white * draw.normal(draw.batch, draw.frames, JOINTS, 2)
    shift = noise * spread[..., None]
    shift += draw.normal(draw.batch, 1, JOINTS, 2) * errors.bias * level[..., None]
    wild = draw.uniform(draw.batch, draw.frames, JOINTS) < errors.peaks * spread
    anywhere = wild.nonzero(as_tuple=True)
    shift[anywhere] += 0.4 * draw.normal(len(anywhere[0]), 2)
    return shift


def _swap(draw: _Draw, rays: Tensor, errors: DetectorErrors, faulty: Tensor) -> Tensor:
    """Swap sides, or put both limbs of a pair in one place, for a stretch of some windows."""
    swap = torch.as_tensor(mirror_order(), device=rays.device)
    parts = torch.zeros(3, JOINTS, dtype=torch.bool, device=rays.device)
    parts[0, [*LEFT, *RIGHT]] = True
    parts[1, list(LOWER_BODY)] = True
    parts[2, list(_ARMS)] = True
    side = torch.zeros(2, JOINTS, dtype=torch.bool, device=rays.device)
    side[0, list(LEFT)], side[1, list(RIGHT)] = True, True
    for share, merged in ((errors.swapped, False), (errors.merged, True)):
        chosen = draw.windows(share, faulty)
        count = len(chosen)
        first = 1 if merged else 0
        part = parts[draw.whole(first, 3, count)]
        if merged:
            part = part & side[draw.whole(0, 2, count)]
        where = draw.spans(count, longest=0.8)[..., None] & part[:, None]
        own = rays[chosen]
        rays[chosen] = torch.where(where[..., None], own[:, :, swap], own)
    return rays


def _stick(draw: _Draw, rays: Tensor, errors: DetectorErrors, faulty: Tensor) -> Tensor:
    """Let a joint stand still in the image for a stretch of some windows."""
    chosen = draw.windows(errors.stuck, faulty)
    count, frames = len(chosen), draw.frames
    joint = draw.whole(0, JOINTS, count)
    start = (draw.uniform(count) * frames).long()[:, None]
    end = start + 1 + (draw.uniform(count).square() * frames / 2).long()[:, None]
    time = torch.arange(frames, device=rays.device).expand(count, -1)
    source = torch.where((time >= start) & (time < end), start, time)
    rays[chosen, :, joint] = rays[chosen[:, None], source, joint[:, None]]
    return rays


def _scores(draw: _Draw, errors: DetectorErrors, spread: Tensor, error: Tensor) -> Tensor:
    """Scores (B, F, 17) that fall with the error, each window after its own detector's fashion."""
    batch = draw.batch
    doubt = (0.5 * errors.slow * spread + error) / errors.slow + 0.05
    middle, slope = 0.5 + 3 * draw.uniform(batch, 1, 1), 0.3 + 1.2 * draw.uniform(batch, 1, 1)
    own = 0.3 * draw.normal(batch, draw.frames, JOINTS)
    scores = torch.sigmoid(middle - slope * doubt.log() + own)
    certain = draw.uniform(batch, 1, 1) < errors.certain
    scores = torch.where(certain, torch.ones_like(scores), scores)
    return torch.where(scores < 0.2, torch.zeros_like(scores), scores)


def _hidden(draw: _Draw, errors: DetectorErrors, faulty: Tensor) -> Tensor:
    """Joints (B, F, 17) that are not seen."""
    batch, frames = draw.batch, draw.frames
    often = errors.flicker * draw.uniform(batch, 1, 1).square()
    hidden = draw.uniform(batch, frames, JOINTS) < often
    hidden |= draw.stretch(errors.lost) > 0
    hidden &= faulty[:, None, None]
    parts = torch.zeros(2, JOINTS, dtype=torch.bool, device=draw.device)
    parts[0, list(LOWER_BODY)], parts[1, list(_BELOW_CHEST)] = True, True
    chosen = draw.windows(errors.legs_hidden, torch.ones_like(faulty))
    part = parts[draw.whole(0, 2, len(chosen))]
    whole = draw.uniform(len(chosen), 1) < 0.7
    hidden[chosen] |= part[:, None] & (whole | draw.spans(len(chosen)))[..., None]
    return hidden


def _cut(
    draw: _Draw, rays: Tensor, scores: Tensor, cameras: Cameras, depth: Tensor
) -> tuple[Tensor, Tensor]:
    """What lies outside the image is not seen, or found at its border with a low score."""
    border = (cameras.size / 2 / cameras.focal[:, None])[:, None, None]
    inside = (rays.abs() <= border).all(-1) & (depth > 0.2)
    guessed = (draw.uniform(draw.batch, 1, 1) < 0.25) & (depth > 0.2)
    rays = torch.where(guessed[..., None], rays.clamp(-border, border), rays)
    outside = torch.where(guessed, scores * 0.4, torch.zeros_like(scores))
    outside = torch.where(outside < 0.2, torch.zeros_like(scores), outside)
    return rays, torch.where(inside, scores, outside)
