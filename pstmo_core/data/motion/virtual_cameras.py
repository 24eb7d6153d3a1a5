"""Virtual cameras: where robots and rooms have them, with focal lengths of real ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pstmo_core.data.motion.bodies import transform
from pstmo_core.skeleton import ROOT


@dataclass(frozen=True)
class CameraRange:
    """The ranges from which virtual cameras are drawn."""

    height: tuple[float, float] = (0.5, 2.5)
    """Metres above the floor."""
    distance: tuple[float, float] = (2.0, 7.0)
    """Horizontal metres from the person at the target frame."""
    focal: tuple[float, float] = (0.5, 1.4)
    """Focal length over the longer image side: 90 to 39 degrees of view."""
    aspects: tuple[float, ...] = (9 / 16, 3 / 4, 1.0, 4 / 3, 16 / 9)
    """Image height over width."""
    off_centre: tuple[float, float] = (0.6, 0.4)
    """How far from the image centre the person may stand, as a share of half the view."""
    roll: float = 3.0
    """Deviation of the roll in degrees."""
    tilted_share: float = 0.0
    """Share of cameras whose roll is anything up to a quarter turn."""


#: From a small robot's to the ceiling's, very near to far, looking up and down steeply.
EXTREME = CameraRange(
    height=(0.2, 4.0),
    distance=(1.0, 10.0),
    focal=(0.35, 2.0),
    off_centre=(1.0, 0.9),
    roll=12.0,
    tilted_share=0.15,
)


@dataclass(frozen=True)
class Cameras:
    """One pinhole camera a window. The world has z up; cameras have x right, y down, z forward."""

    rotation: Tensor
    """(B, 3, 3), world to camera."""
    position: Tensor
    """(B, 3) metres, world."""
    focal: Tensor
    """(B,) focal length over the longer image side."""
    size: Tensor
    """(B, 2) image width and height over the longer side."""

    @property
    def up(self) -> Tensor:
        """(B, 3), the direction against gravity in the camera's frame."""
        return self.rotation[:, :, 2]

    def to_camera(self, poses: Tensor) -> Tensor:
        """World joints (B, F, 17, 3) -> camera frame (B, F, 17, 3), metres."""
        return transform(poses - self.position[:, None, None], None, self.rotation)


def rays(camera_poses: Tensor, nearest: float = 0.2) -> Tensor:
    """Project camera-frame joints (..., 3) to rays (..., 2): x / z and y / z."""
    return camera_poses[..., :2] / camera_poses[..., 2:].clamp(min=nearest)


def draw_cameras(poses: Tensor, ranges: CameraRange, generator: torch.Generator) -> Cameras:
    """Draw a camera for each window (B, F, 17, 3) that looks at the person at its target frame."""
    batch, device = poses.shape[0], poses.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, generator=generator, device=device) * (high - low) + low

    root = poses[:, poses.shape[1] // 2, ROOT]
    floor = poses[..., 2].flatten(1).amin(1)
    azimuth, distance = uniform(0, 2 * math.pi), uniform(*ranges.distance)
    position = torch.stack(
        [
            root[:, 0] + distance * azimuth.cos(),
            root[:, 1] + distance * azimuth.sin(),
            floor + uniform(*ranges.height),
        ],
        -1,
    )
    focal = uniform(math.log(ranges.focal[0]), math.log(ranges.focal[1])).exp()
    aspects = torch.tensor(ranges.aspects, device=device)
    aspect = aspects[torch.randint(len(aspects), (batch,), generator=generator, device=device)]
    size = torch.stack([torch.ones_like(aspect), aspect], -1) / aspect.clamp(min=1)[:, None]
    half_view = (size / 2 / focal[:, None]).atan()
    yaw = uniform(-1, 1) * ranges.off_centre[0] * half_view[:, 0]
    pitch = uniform(-1, 1) * ranges.off_centre[1] * half_view[:, 1]
    roll = torch.randn(batch, generator=generator, device=device) * math.radians(ranges.roll)
    if ranges.tilted_share:
        tilted = uniform(0, 1) < ranges.tilted_share
        roll = torch.where(tilted, uniform(-math.pi / 2, math.pi / 2), roll)
    rotation = _turn(yaw, pitch, roll) @ look_at(position, root)
    return Cameras(rotation, position, focal, size)


def draw_mixed_cameras(
    poses: Tensor, ranges: CameraRange, extreme_share: float, generator: torch.Generator
) -> Cameras:
    """Draw cameras of a range for some windows, and of `EXTREME` for a share of them."""
    usual = draw_cameras(poses, ranges, generator)
    count = round(len(poses) * extreme_share)
    if not count:
        return usual
    # Windows of a batch are alike in nothing, so any of them will do: those at the end.
    others = draw_cameras(poses[-count:], EXTREME, generator)
    parts = (
        torch.cat([getattr(usual, name)[:-count], getattr(others, name)])
        for name in ("rotation", "position", "focal", "size")
    )
    return Cameras(*parts)


def look_at(position: Tensor, target: Tensor) -> Tensor:
    """Rotations (B, 3, 3) from a z-up world to cameras that look at a point, without roll."""
    forward = torch.nn.functional.normalize(target - position, dim=-1)
    up = torch.tensor([0.0, 0.0, 1.0], device=position.device).expand_as(forward)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=-1)
    return torch.stack([right, torch.linalg.cross(forward, right), forward], 1)


def _turn(yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Rotations (B, 3, 3) within the camera frame: yaw about y, pitch about x, roll about z."""
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, -1).view(-1, 3, 3)

    cy, sy, cp, sp, cr, sr = yaw.cos(), yaw.sin(), pitch.cos(), pitch.sin(), roll.cos(), roll.sin()
    about_y = matrix(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    about_x = matrix(one, zero, zero, zero, cp, -sp, zero, sp, cp)
    about_z = matrix(cr, -sr, zero, sr, cr, zero, zero, zero, one)
    return about_z @ about_x @ about_y
