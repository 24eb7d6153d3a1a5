"""Training batches: real motion, varied bodies, virtual cameras, detector faults, encoded."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pstmo_core import encoding
from pstmo_core.data.motion import bodies, detector_noise
from pstmo_core.data.motion.detector_joints import derive
from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.data.motion.virtual_cameras import CameraRange, Cameras, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.model.config import ModelConfig
from pstmo_core.skeleton import ROOT


@dataclass(frozen=True)
class SamplerConfig:
    """What multiplies the motion capture, each part with a switch of its own."""

    cameras: CameraRange = field(default_factory=CameraRange)
    noise: DetectorNoise = field(default_factory=DetectorNoise)
    mirror: bool = True
    """Mirror half of the windows."""
    speed: tuple[float, float] = (0.75, 1.33)
    """Range of playback speeds; (1, 1) leaves them alone."""
    proportions: float = 1.0
    """Strength of varied limb proportions and stature; 0 leaves bodies as captured."""
    join_share: float = 0.5
    """Share of windows whose upper and lower bodies come from different clips."""
    known_camera_share: float = 0.5
    """Share of windows whose focal length the input knows; the others assume one."""
    derived_share: float = 0.5
    """Share of windows whose spine, thorax and neck are computed as from a detector's points."""
    edge_share: float = 0.2
    """Share of windows that begin or end early, their edge repeated as at the start of a stream."""


@dataclass(frozen=True)
class Batch:
    """A batch of encoded windows and the truth behind them."""

    frames: Tensor
    """(B, F, rows, channels), the network's input."""
    poses: Tensor
    """(B, F, 17, 3) metres relative to the pelvis, camera frame."""


class Sampler:
    """Draws training batches without end; the same generator state gives the same batches."""

    def __init__(
        self, clips: Clips, model: ModelConfig, config: SamplerConfig, generator: torch.Generator
    ) -> None:
        self.clips = clips
        self.model = model
        self.config = config
        self.generator = generator

    def draw(self, count: int) -> Batch:
        """Draw a batch of `count` windows."""
        world = self._motion(count)
        cameras = draw_cameras(world, self.config.cameras, self.generator)
        in_camera = cameras.to_camera(world)
        seen_rays, seen = detector_noise.apply(rays(in_camera), self.config.noise, self.generator)
        derived = self._uniform(count) < self.config.derived_share
        seen_rays, seen = derive(seen_rays, seen, derived)
        frames = encode(seen_rays, seen, cameras, self._known(count), self.model.encoding)
        poses = in_camera - in_camera[:, :, ROOT : ROOT + 1]
        index = self._edges(count)
        return Batch(frames[index], poses[index])

    def _motion(self, count: int) -> Tensor:
        config = self.config
        world = self._windows(count)
        joined = int(count * config.join_share)
        if joined:
            world[:joined] = bodies.join_halves(self._windows(joined), world[:joined])
        if config.mirror:
            world = bodies.mirror(world, self._uniform(count) < 0.5)
        if config.proportions > 0:
            world = bodies.vary_proportions(world, self.generator, config.proportions)
        return world

    def _windows(self, count: int) -> Tensor:
        clip, target = self.clips.draw_targets(count, self.generator)
        low, high = self.config.speed
        speed = low * (high / low) ** self._uniform(count)[:, None]
        rows_a_step = self.model.step * self.clips.fps
        return self.clips.windows(clip, target, speed * rows_a_step, self.model.frames)

    def _edges(self, count: int) -> tuple[Tensor, Tensor]:
        """Return the index (B, F) of frames that repeats one edge of some windows.

        Encoded frames are repeated, noise and all, because a stream repeats what was seen.
        """
        frames, device = self.model.frames, self.clips.positions.device
        place = torch.arange(frames, device=device).repeat(count, 1)
        edge = (self._uniform(count)[:, None] * frames).long()
        early = self._uniform(count)[:, None] < 0.7
        cut = torch.where(early, torch.maximum(place, edge), torch.minimum(place, edge))
        chosen = self._uniform(count)[:, None] < self.config.edge_share
        return torch.arange(count, device=device)[:, None], torch.where(chosen, cut, place)

    def _known(self, count: int) -> Tensor:
        return self._uniform(count) < self.config.known_camera_share

    def _uniform(self, count: int) -> Tensor:
        return torch.rand(count, generator=self.generator, device=self.clips.positions.device)


def encode(true_rays: Tensor, seen: Tensor, cameras: Cameras, known: Tensor, name: str) -> Tensor:
    """Encode rays (B, F, 17, 2) as the network will see them at run time.

    Where the camera is not known (B,), rays are scaled as the assumed focal length scales them.
    """
    if name == "screen":
        size = cameras.size[:, None, None]
        pixels = true_rays * cameras.focal[:, None, None, None] + size / 2
        filled = torch.where(seen[..., None] > 0, pixels, size / 2)
        return encoding.screen(filled, size[..., 0], size[..., 1], torch)
    scale = torch.where(
        known, torch.ones_like(cameras.focal), cameras.focal / encoding.ASSUMED_FOCAL
    )
    return encoding.person(true_rays * scale[:, None, None, None], seen, torch)
