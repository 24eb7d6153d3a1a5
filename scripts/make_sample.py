"""Makes the shipped sample: two people of the test split, seen by one virtual camera.

    python scripts/make_sample.py --mocap cmu_h36m17.npz

Writes pstmo_core/samples/sample.npz, 12 s at 30 fps: one person walks to and fro, another stands
and boxes, and is only there from the 2nd to the 9th second. The keypoints have detector errors
(pstmo_core/data/motion/detector_noise.py); `truth` holds the real 3D joints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from pstmo_core.atomic_files import atomic_file
from pstmo_core.cli.app import run_script
from pstmo_core.data.motion import detector_noise
from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.virtual_cameras import Cameras, look_at, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.skeleton import ROOT

FPS = 30.0
SECONDS = 12.0
#: Clip, where the middle of its path stands on the floor (metres), and when the person is there.
PEOPLE = (
    ("91_normalwalk", (0.0, 0.0), (0.0, SECONDS)),
    ("02_05", (-0.9, 1.2), (2.0, 9.0)),
)
CAMERA_POSITION = (-4.2, -3.6, 1.5)
LOOKS_AT = (0.0, 0.0, 0.9)
FOCAL = 0.73  # of the image width: 69 degrees, a common robot camera's
SIZE = (1280, 720)
FAULTS = DetectorNoise(clean_share=0.0, legs_hidden=0.0, dropped_span=0.0)
SEED = 4


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("pstmo_core/samples/sample.npz"),
) -> None:
    """Write the sample."""
    world = _people(mocap)
    position, target = torch.tensor([CAMERA_POSITION]), torch.tensor([LOOKS_AT])
    aspect = SIZE[1] / SIZE[0]
    camera = Cameras(
        look_at(position, target), position, torch.tensor([FOCAL]), torch.tensor([[1.0, aspect]])
    )
    in_camera = camera.to_camera(world)
    generator = torch.Generator().manual_seed(SEED)
    seen_rays, seen = detector_noise.apply(rays(in_camera), FAULTS, generator)
    pixels = seen_rays * FOCAL * SIZE[0] + torch.tensor(SIZE) / 2
    truth = in_camera - in_camera[:, :, ROOT : ROOT + 1]

    times = np.arange(world.shape[1]) / FPS
    there = np.stack([(times >= begin) & (times < end) for _, _, (begin, end) in PEOPLE])
    points = np.where((seen.numpy() > 0)[..., None], pixels.numpy(), np.nan)
    points[~there] = np.nan
    scores = np.where(np.isfinite(points).all(-1), 0.9, 0.0)
    true_joints = np.where(there[..., None, None], truth.numpy(), np.nan)
    with atomic_file(output) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            keypoints=np.concatenate([points, scores[..., None]], -1)
            .swapaxes(0, 1)
            .astype(np.float32)
            .round(2),
            stamps=times,
            width=SIZE[0],
            height=SIZE[1],
            layout="h36m17",
            ids=np.array(["walker", "boxer"]),
            truth=true_joints.swapaxes(0, 1).astype(np.float32).round(4),
            credit="The data used in this project was obtained from mocap.cs.cmu.edu. "
            "The database was created with funding from NSF EIA-0196217.",
        )
    print(f"wrote {output}: {len(times)} frames, {len(PEOPLE)} people")


def _people(mocap: Path) -> torch.Tensor:
    """Return the people's joints (P, F, 17, 3) in metres, world, at the sample's frame rate."""
    clips = load_mocap(mocap, "test")
    tensors = Clips.of(clips)
    index = torch.tensor([clips.clip.tolist().index(name) for name, _, _ in PEOPLE])
    place = torch.arange(round(SECONDS * FPS)) * (clips.fps / FPS)
    world = tensors.at(index, place.repeat(len(PEOPLE), 1))
    ground = world[:, :, ROOT, :2]
    middle = (ground.amin(1) + ground.amax(1)) / 2
    shift = torch.tensor([spot for _, spot, _ in PEOPLE]) - middle
    return world + torch.nn.functional.pad(shift, (0, 1))[:, None, None]


if __name__ == "__main__":
    run_script(main)
