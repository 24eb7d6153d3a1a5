"""Training batches: real motion, varied bodies, virtual cameras, detector faults, encoded."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pstmo_core.data.motion import (
    bodies,
    detector_errors,
    detector_noise,
    joint_definitions,
    limb_poses,
)
from pstmo_core.data.motion.detector_errors import DetectorErrors
from pstmo_core.data.motion.detector_joints import derive
from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.data.motion.virtual_cameras import (
    CameraRange,
    Cameras,
    draw_mixed_cameras,
    rays,
)
from pstmo_core.data.motion.windows import Clips
from pstmo_core.encoding import ASSUMED_FOCAL, get_encoding
from pstmo_core.model.config import ModelConfig
from pstmo_core.settings import check_settings, setting, share_setting
from pstmo_core.skeleton import ROOT


@dataclass(frozen=True)
class SamplerConfig:
    """What multiplies the motion capture, each part with a switch of its own."""

    cameras: CameraRange = field(default_factory=CameraRange)
    noise: DetectorNoise = field(default_factory=DetectorNoise)
    mirror: bool = True
    """Mirror half of the windows."""
    speed: tuple[float, float] = setting(
        (0.75, 1.33), "Range of playback speeds; (1, 1) leaves them alone.", low=0.01, high=100.0
    )
    proportions: float = setting(
        1.0,
        "Strength of varied limb proportions and stature; 0 leaves bodies as captured.",
        low=0.0,
        high=10.0,
    )
    join_share: float = share_setting(
        0.5, "Share of windows whose upper and lower bodies come from different clips."
    )
    join_limbs: float = share_setting(
        0.0, "Share of windows one limb of which comes from another clip."
    )
    vary_poses: float = share_setting(
        0.0,
        "Share of windows whose upper bodies, arms and legs are turned, some a little, some a lot.",
    )
    straight_legs: float = share_setting(
        0.0, "Share of windows whose legs, if nearly straight, become straighter or quite straight."
    )
    reach: float = share_setting(
        0.0, "Share of windows whose arms are drawn from their range, see `limb_poses`."
    )
    balance: float = share_setting(
        0.0, "Share of windows whose people, if upright, stand on one leg."
    )
    squat: float = share_setting(0.0, "Share of windows whose people, if upright, squat.")
    known_camera_share: float = share_setting(
        0.5, "Share of windows whose focal length the input knows; the others assume one."
    )
    derived_share: float = share_setting(
        0.5,
        "Share of windows whose spine, thorax and neck are computed as from a detector's points.",
    )
    extreme_cameras: float = share_setting(
        0.0, "Share of windows seen by cameras of `virtual_cameras.EXTREME`."
    )
    definitions: float = share_setting(
        0.0,
        "Share of the windows of `derived_share` whose joints all lie where some detector puts "
        "them, see `joint_definitions`.",
    )
    errors: DetectorErrors | None = None
    """Errors of detectors as measured; None: those of `noise`."""
    scattered: float = share_setting(
        0.0, "Share of windows that get the errors of `noise` instead of `errors`."
    )
    known_gravity_share: float = share_setting(
        0.5, "Share of windows whose up vector the encoding `view` is told."
    )
    twins: float = setting(
        0.0,
        "Share of windows that are another window of the batch one step later.",
        low=0.0,
        high=0.5,
    )
    edge_share: float = share_setting(
        0.2,
        "Share of windows that begin or end early, their edge repeated as at the start of a "
        "stream.",
    )

    def __post_init__(self) -> None:
        check_settings(self, "sampler.")


@dataclass(frozen=True)
class Batch:
    """A batch of encoded windows and the truth behind them."""

    frames: Tensor
    """(B, F, rows, channels), the network's input."""
    poses: Tensor
    """(B, F, 17, 3) metres relative to the pelvis, in the frame that the encoding means."""
    twins: int = 0
    """The last so many windows are the first ones, one step of the window later."""

    def part(self, part: slice) -> Batch:
        """Return some of the windows."""
        return Batch(self.frames[part], self.poses[part])


@dataclass(frozen=True)
class Seen:
    """Motion before virtual cameras, and what a detector makes of it."""

    in_camera: Tensor
    """(B, G, 17, 3) joints in the cameras' frames, metres."""
    rays: Tensor
    """(B, F, 17, 2), of the F of these moments that the detector is shown."""
    scores: Tensor
    """(B, F, 17), 0 where a joint is not seen."""
    cameras: Cameras
    known: Tensor
    """(B,) bool, whether the network is told the focal length."""
    up: Tensor
    """(B, 3), where the network is told that up is; 0 where it is not."""


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
        config, frames = self.config, self.model.frames
        twins = int(count * config.twins)
        drawn = count - twins
        long = frames + bool(twins)
        steps = torch.arange(long, device=self.clips.positions.device) - long // 2
        seen = self.see(steps.expand(drawn, -1) * self.model.step)
        poses = seen.in_camera - seen.in_camera[:, :, ROOT : ROOT + 1]
        encoded, poses = encode(
            seen.rays, seen.scores, poses, seen.cameras, seen.known, seen.up, self.model.encoding
        )
        index = self._edges(drawn, twins)
        if not twins:
            return Batch(encoded[index], poses[index])
        later = slice(twins), slice(1, frames + 1)
        shown, truth = (torch.cat([part[index], part[later]]) for part in (encoded, poses))
        return Batch(shown, truth, twins)

    def see(self, moments: Tensor, shown: slice | None = None, fit: bool = False) -> Seen:
        """Draw people, cameras and a detector's errors, one of each for a row of moments.

        Args:
            moments: (B, G) seconds about each target frame; that in the middle is 0 or near it.
            shown: which moments are frames that the detector is shown; None: all, 40 ms apart.
            fit: move moments that lie beyond the ends of a clip into it.
        """
        config, count = self.config, len(moments)
        derived = self._uniform(count) < config.derived_share
        world = self._motion(moments, derived, fit)
        cameras = draw_mixed_cameras(world, config.cameras, config.extreme_cameras, self.generator)
        in_camera = cameras.to_camera(world)
        frames = in_camera if shown is None else in_camera[:, shown]
        times = None if shown is None else moments[:, shown]
        seen_rays, scores = self._detect(frames, cameras, times)
        seen_rays, scores = derive(seen_rays, scores, derived)
        known, up = self._known(count), self._up(cameras)
        return Seen(in_camera, seen_rays, scores, cameras, known, up)

    def _detect(
        self, in_camera: Tensor, cameras: Cameras, times: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        errors, noise, generator = self.config.errors, self.config.noise, self.generator
        if errors is None:
            return detector_noise.apply(rays(in_camera), noise, generator)
        depth = in_camera[..., 2]
        found, scores = detector_errors.apply(
            rays(in_camera), cameras, depth, errors, generator, times
        )
        if self.config.scattered:
            rows = (self._uniform(len(found)) < self.config.scattered).nonzero()[:, 0]
            found[rows], scores[rows] = detector_noise.apply(
                rays(in_camera[rows]), noise, generator
            )
        return found, scores

    def _up(self, cameras: Cameras) -> Tensor:
        """The up vectors (B, 3), a degree or two off as a sensor's are; 0 where not known."""
        if not get_encoding(self.model.encoding).turned:
            return torch.zeros_like(cameras.up)
        noise = torch.randn(cameras.up.shape, generator=self.generator, device=cameras.up.device)
        known = self._uniform(len(noise))[:, None] < self.config.known_gravity_share
        return normalize(cameras.up + 0.02 * noise, dim=-1) * known

    def _motion(self, moments: Tensor, derived: Tensor, fit: bool) -> Tensor:
        config, count = self.config, len(moments)
        world = self._cut(moments, fit)
        joined = int(count * config.join_share)
        if joined:
            upper = self._cut(moments[:joined], fit)
            world[:joined] = bodies.join_halves(upper, world[:joined])
        if config.join_limbs:
            rows = (self._uniform(count) < config.join_limbs).nonzero()[:, 0]
            limbs = self._cut(moments[rows], fit)
            world[rows] = bodies.join_limbs(limbs, world[rows], self.generator)
        if config.vary_poses:
            world = bodies.vary_poses(
                world, self._uniform(count) < config.vary_poses, self.generator
            )
        if config.straight_legs:
            chosen = self._uniform(count) < config.straight_legs
            world = bodies.straighten_legs(world, chosen, self.generator)
        for share, draw in (
            (config.squat, limb_poses.squat),
            (config.balance, limb_poses.balance),
            (config.reach, limb_poses.reach),
        ):
            if share:
                rows = (self._uniform(count) < share).nonzero()[:, 0]
                world[rows] = draw(world[rows], moments[rows], self.generator)
        if config.mirror:
            world = bodies.mirror(world, self._uniform(count) < 0.5)
        if config.proportions > 0:
            world = bodies.vary_proportions(world, self.generator, config.proportions)
        if config.definitions > 0:
            chosen = derived & (self._uniform(count) < config.definitions)
            world = joint_definitions.displace(world, chosen, self.generator)
        return world

    def _cut(self, moments: Tensor, fit: bool) -> Tensor:
        clip, target = self.clips.draw_targets(len(moments), self.generator)
        low, high = self.config.speed
        speed = low * (high / low) ** self._uniform(len(moments))[:, None]
        rows = moments * (speed * self.clips.fps)
        target = self.clips.fitted(clip, target, rows) if fit else target
        return self.clips.at(clip, target[:, None] + rows)

    def _edges(self, count: int, twins: int) -> tuple[Tensor, Tensor]:
        """Return the index (B, F) of frames that repeats one edge of some windows.

        Encoded frames are repeated, noise and all, because a stream repeats what was seen.
        """
        frames, device = self.model.frames, self.clips.positions.device
        place = torch.arange(frames, device=device).repeat(count, 1)
        edge = (self._uniform(count)[:, None] * frames).long()
        early = self._uniform(count)[:, None] < 0.7
        cut = torch.where(early, torch.maximum(place, edge), torch.minimum(place, edge))
        chosen = self._uniform(count)[:, None] < self.config.edge_share
        chosen[:twins] = False
        return torch.arange(count, device=device)[:, None], torch.where(chosen, cut, place)

    def _known(self, count: int) -> Tensor:
        return self._uniform(count) < self.config.known_camera_share

    def _uniform(self, count: int) -> Tensor:
        return torch.rand(count, generator=self.generator, device=self.clips.positions.device)


def encode(
    seen_rays: Tensor,
    scores: Tensor,
    poses: Tensor,
    cameras: Cameras,
    known: Tensor,
    up: Tensor,
    name: str,
) -> tuple[Tensor, Tensor]:
    """Encode rays (B, F, 17, 2) as the network will see them at run time.

    Where the camera is not known (B,), rays are scaled as the assumed focal length scales them.

    Args:
        seen_rays: what a detector gives.
        scores: (B, F, 17), 0 where a joint is not seen.
        poses: (B, F, 17, 3), the truth in the camera's frame.
        cameras: those of the windows.
        known: (B,) bool.
        up: (B, 3), 0 where gravity is not known.
        name: of the encoding.

    Returns:
        Frames (B, F, rows, channels), and the truth in the frame that the encoding means.
    """
    encoding, size = get_encoding(name), cameras.size[:, None, None]
    pixels = seen_rays * cameras.focal[:, None, None, None] + size / 2
    focal = torch.where(known, cameras.focal, torch.full_like(cameras.focal, ASSUMED_FOCAL))
    up = up[:, None].expand(*seen_rays.shape[:2], 3)
    frames = encoding.encode(pixels, scores, size, focal[:, None, None, None], size / 2, up, torch)
    turns = encoding.turns(frames, up, torch)
    return frames, poses if turns is None else poses @ turns.mT
