"""Motion capture seen by virtual cameras, with the interface of the benchmark data sets.

Training draws its own cameras for every window (`sampler`); this is for what wants whole sequences
with keypoints in pixels: recipes of the paper, evaluation, figures. One file, seed and count give
the same data set every time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.data.motion.virtual_cameras import CameraRange, Cameras, draw_cameras, rays
from pstmo_core.data.sequences.pose_dataset import H36M, PoseDataset, PoseSequence, relative_to_root

#: Pixels of the longer image side.
LONGER_SIDE = 1000
#: Nearest distance in metres at which a joint counts as before the camera.
NEAREST = 0.5
_CANDIDATES = 16
#: Poses that choose a clip's camera: enough to follow the person, few enough to be quick.
_LOOKED_AT = 40


def mocap_dataset(
    mocap: Mocap, cameras: int = 1, seed: int = 0, ranges: CameraRange | None = None
) -> PoseDataset:
    """Put standing cameras before every clip; each is a sequence `clip/0`, `clip/1`, ...

    Of 16 cameras drawn for a sequence, that is taken in whose image the person stays longest.
    Frames in which a joint is outside of the image or behind the camera are not `valid`.

    Args:
        mocap: clips, e.g. of one split.
        cameras: cameras a clip.
        seed: of the cameras.
        ranges: where cameras may be.
    """
    generator = torch.Generator().manual_seed(seed)
    sequences = []
    for index, (start, length) in enumerate(zip(mocap.start, mocap.length, strict=True)):
        world = torch.as_tensor(mocap.positions[start : start + length])
        for number in range(cameras):
            chosen = best_camera(world, ranges or CameraRange(), generator)
            sequences.append(
                _sequence(
                    chosen.to_camera(world[None].double())[0].numpy(),
                    chosen,
                    name=f"{mocap.clip[index]}/{number}",
                    fps=mocap.fps,
                    subject=str(mocap.clip[index]),
                    action=str(mocap.action[index]),
                    camera=str(number),
                )
            )
    return PoseDataset("motion capture", tuple(sequences), H36M, H36M)


def best_camera(world: Tensor, ranges: CameraRange, generator: torch.Generator) -> Cameras:
    """Draw cameras that look at the middle of a clip (n, 17, 3); return the best, in float64."""
    some = world[np.linspace(0, len(world) - 1, min(len(world), _LOOKED_AT)).round()]
    poses = some[None].expand(_CANDIDATES, -1, -1, -1)
    drawn = draw_cameras(poses, ranges, generator)
    in_camera = drawn.to_camera(poses)
    pixels = rays(in_camera) * drawn.focal[:, None, None, None] + drawn.size[:, None, None] / 2
    inside = (pixels >= 0).all(-1) & (pixels <= drawn.size[:, None, None]).all(-1)
    seen = (inside & (in_camera[..., 2] > NEAREST)).all(-1).sum(-1)
    best = slice(int(seen.argmax()), int(seen.argmax()) + 1)
    return Cameras(
        drawn.rotation[best].double(),
        drawn.position[best].double(),
        drawn.focal[best].double(),
        drawn.size[best].double(),
    )


def _sequence(in_camera: np.ndarray, seen_by: Cameras, **labels: Any) -> PoseSequence:
    width, height = np.rint(seen_by.size[0].numpy() * LONGER_SIDE).astype(int)
    focal = float(seen_by.focal[0]) * LONGER_SIDE
    intrinsics = np.array([focal, focal, width / 2, height / 2])
    before = in_camera[..., 2] > NEAREST
    # Behind the camera nothing is projected; those frames are not valid, but must be finite.
    depth = np.where(before, in_camera[..., 2], NEAREST)[..., None]
    pixels = in_camera[..., :2] / depth * intrinsics[:2] + intrinsics[2:]
    inside = ((pixels >= 0) & (pixels <= (width, height))).all(-1)
    poses, root = relative_to_root(in_camera, H36M)
    return PoseSequence(
        keypoints=pixels.astype(np.float32),
        width=int(width),
        height=int(height),
        valid=(before & inside).all(-1),
        poses=poses,
        root=root,
        intrinsics=intrinsics,
        **labels,
    )
