"""The error of root positions, by distance, on people that the network has not seen.

    python scripts/measure_root_positions.py --mocap cmu_h36m17.npz \
        -o docs/benchmarks/root_positions.md

Windows of the test split, class `own`, seen by virtual cameras at given distances; the newest frame
is lifted, as live, and its root position estimated by `pstmo_core.streaming.root`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from pstmo_core.atomic_files import write_text
from pstmo_core.cli.app import run_script
from pstmo_core.data.motion import detector_noise
from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.sampler import encode
from pstmo_core.data.motion.virtual_cameras import CameraRange, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.encoding import get_encoding
from pstmo_core.evaluation.both_ways import lift_both_ways
from pstmo_core.model.checkpoints import load_weights
from pstmo_core.model.stmo import STMO
from pstmo_core.room.root_fusion import RootSource
from pstmo_core.streaming.root import Roots, solve_roots, stature

WEIGHTS = Path(__file__).parents[1] / "pstmo_core" / "weights" / "stmo_27.safetensors"
DISTANCES = ((2.0, 3.0), (3.0, 5.0), (5.0, 8.0), (8.0, 12.0))
#: Square of the distance, in deviations, that 95 % of a normal distribution in space keep below.
CHI_SQUARE = 7.815
COLUMNS = ("distance", "keypoints", "height", "error", "of the distance", "aside", "depth")
HEAD = f"| {' | '.join(COLUMNS)} | in the 95 % region |"


@torch.inference_mode()
def lift(
    network: STMO, clips: Clips, distance: tuple[float, float], faults: bool, count: int
) -> tuple[np.ndarray, ...]:
    """Return lifted joints, rays and weights of the newest frames, and true joints (N, 17, 3)."""
    model, generator = network.config, torch.Generator().manual_seed(3)
    clip, target = clips.draw_targets(count, generator)
    world = clips.windows(clip, target, model.step * clips.fps, model.frames)
    cameras = draw_cameras(world, CameraRange(distance=distance), generator)
    in_camera = cameras.to_camera(world)
    seen_rays, seen = rays(in_camera), torch.ones(in_camera.shape[:-1])
    if faults:
        seen_rays, seen = detector_noise.apply(seen_rays, DetectorNoise(clean_share=0.0), generator)
    known = torch.ones(count, dtype=torch.bool)
    gravity = torch.zeros(count, 3)  # not known
    frames, _ = encode(seen_rays, seen, in_camera, cameras, known, gravity, model.encoding)
    (both_ways,) = lift_both_ways(lambda part: (network(part)[0][:, -1],), frames, model.encoding)
    poses = torch.from_numpy(both_ways[..., :3])
    up = gravity[:, None].expand(*seen_rays.shape[:2], 3)
    turns = get_encoding(model.encoding).turns(frames, up, torch)
    if turns is not None:  # back from the camera that is turned to the person
        poses = poses @ turns[:, -1]
    poses = poses - poses[:, :1]
    return tuple(t.numpy() for t in (poses, seen_rays[:, -1], seen[:, -1], in_camera[:, -1]))


def row(label: str, roots: Roots, true: np.ndarray) -> str:
    """Return a table row of errors in metres; only people wholly before the camera count."""
    error = roots.position - true[:, 0]
    counts = np.isfinite(error).all(-1) & (true[..., 2] > 0.5).all(-1)
    error, covariance = error[counts], roots.covariance[counts]
    size = np.linalg.norm(error, axis=-1)
    share = size / np.linalg.norm(true[counts, 0], axis=-1)
    deviations = np.einsum("ni,nij,nj->n", error, np.linalg.inv(covariance), error)
    aside, depth = np.linalg.norm(error[:, :2], axis=-1), np.abs(error[:, 2])
    medians = " | ".join(f"{np.median(v):.2f} m" for v in (aside, depth))
    inside = (deviations < CHI_SQUARE).mean()
    return (
        f"{label} | {np.median(size):.2f} m | {np.median(share):.1%} | {medians} | {inside:.0%} |"
    )


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write.")],
    windows: Annotated[int, typer.Option(help="Windows a row.")] = 1000,
) -> None:
    """Measure and write the table."""
    network = load_weights(WEIGHTS)
    clips = load_mocap(mocap, "test")
    part = Clips.of(clips.select(clips.quality == "own"))
    lines = [HEAD, "|---" * 8 + "|"]
    for distance in DISTANCES:
        for faults in (False, True):
            joints, seen_rays, seen, true = lift(network, part, distance, faults, windows)
            label = f"| {distance[0]:g} to {distance[1]:g} m | {'faulty' if faults else 'clean'}"
            lines.append(
                row(
                    f"{label} | assumed",
                    solve_roots(joints, seen_rays, seen, RootSource.ASSUMED),
                    true,
                )
            )
            scale = (stature(true - true[:, :1]) / stature(joints))[:, None, None]
            known = solve_roots(joints * scale, seen_rays, seen, RootSource.HEIGHT)
            lines.append(row(f"{label} | given", known, true))
            print("\n".join(lines[-2:]))
    text = (
        f"# Root position error\n\nMedians over {windows} windows of the test split, class `own`, "
        "the newest frame, shipped network.\nWith the height assumed, people have the size that "
        "the network gives them. A correct\ncovariance has 95 % of the errors in its 95 % region. "
        "By `scripts/measure_root_positions.py`.\n\n"
    )
    write_text(output, text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    run_script(main)
