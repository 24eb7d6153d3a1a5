"""Windows of the motion capture as virtual cameras and detectors show them, before any encoding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pstmo_core.data.motion import detector_noise
from pstmo_core.data.motion.balance import POSTURES, postures_of
from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.data.motion.virtual_cameras import CameraRange, Cameras, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.skeleton import ROOT

_SEED = 20_260
#: What the windows can be grouped by.
GROUPS = ("class", "action", "posture", "actor")


@dataclass(frozen=True)
class InputCondition:
    """What the input of a measurement is."""

    camera_known: bool = True
    """Whether the network is told the focal length."""
    gravity_known: bool = False
    """Whether it is told where up is."""
    faults: DetectorNoise | None = None
    """What a detector does to the keypoints; None: nothing."""
    cameras: CameraRange | None = None
    """From where people are seen; None: the ranges that figures are compared by."""


@dataclass(frozen=True)
class VirtualWindows:
    """N windows of F frames, each seen by a camera of its own."""

    rays: Tensor
    """(N, F, 17, 2), what the detector gives: x and y at depth 1 in the camera's frame."""
    seen: Tensor
    """(N, F, 17), 0.0 where it does not see a joint, else 1.0."""
    poses: Tensor
    """(N, F, 17, 3) metres relative to the pelvis, in the camera's frame: the truth."""
    cameras: Cameras

    def first(self, count: int) -> VirtualWindows:
        """Return the first `count`, or all of fewer; as random a choice as all of them."""
        seen_by = self.cameras
        return VirtualWindows(
            self.rays[:count],
            self.seen[:count],
            self.poses[:count],
            Cameras(
                seen_by.rotation[:count],
                seen_by.position[:count],
                seen_by.focal[:count],
                seen_by.size[:count],
            ),
        )


def grouped(motion: Mocap, by: str) -> dict[str, Clips]:
    """Return the motion of each group, `by` one of `GROUPS`.

    A posture's targets are the frames that show it.
    """
    if by == "posture":
        postures = postures_of(motion.positions)
        masks = {name: postures == row for row, name in enumerate(POSTURES)}
        return {
            name: Clips.of(motion, probability=mask / mask.sum())
            for name, mask in masks.items()
            if mask.any()
        }
    labels = {"class": motion.quality, "action": motion.action, "actor": motion.actor}[by]
    return {name: Clips.of(motion.select(labels == name)) for name in sorted(set(labels.tolist()))}


def draw_windows(
    clips: Clips, count: int, frames: int, step: float, condition: InputCondition
) -> VirtualWindows:
    """Draw windows of frames `step` seconds apart; the same arguments give the same windows."""
    generator = torch.Generator().manual_seed(_SEED)
    clip, target = clips.draw_targets(count, generator)
    world = clips.windows(clip, target, step * clips.fps, frames)
    cameras = draw_cameras(world, condition.cameras or CameraRange(), generator)
    in_camera = cameras.to_camera(world)
    seen_rays, seen = rays(in_camera), torch.ones(in_camera.shape[:-1])
    if condition.faults is not None:
        seen_rays, seen = detector_noise.apply(seen_rays, condition.faults, generator)
    poses = in_camera - in_camera[:, :, ROOT : ROOT + 1]
    return VirtualWindows(seen_rays, seen, poses, cameras)
