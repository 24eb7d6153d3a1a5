"""Measures the streaming core at several frame rates and look-aheads, against captured truth.

    python scripts/measure_rates.py --mocap cmu_h36m17.npz -o docs/benchmarks/frame_rates.md

The first seconds of every clip of the test split's class `own`, each before one virtual camera
whose focal length is given, clean keypoints, as cameras of different rates would see them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.virtual_cameras import CameraRange, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.evaluation.metrics import mpjpe
from pstmo_core.keypoints.clip import Clip
from pstmo_core.runtime import load_runtime
from pstmo_core.skeleton import ROOT
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

RATES = (15.0, 25.0, 30.0, 50.0, 60.0)
LOOK_AHEADS = (0, 4, 13)
SECONDS = 6.0
WIDTH, HEIGHT, FOCAL = 1280, 720, 934.0
SEED = 3


def record(clips: Clips, index: int, rate: float) -> Clip:
    """Return what a camera of a frame rate sees of one clip, the camera being the same for all."""
    clip = torch.tensor([index])
    seconds = min(SECONDS, float(clips.length[index] - 1) / clips.fps)
    times = torch.arange(int(seconds * rate)) / rate
    generator = torch.Generator().manual_seed(SEED + index)
    whole = clips.at(clip, torch.arange(int(seconds * clips.fps))[None])
    ranges = CameraRange(focal=(FOCAL / WIDTH,) * 2, aspects=(HEIGHT / WIDTH,))
    camera = draw_cameras(whole, ranges, generator)
    in_camera = camera.to_camera(clips.at(clip, times[None] * clips.fps))[0]
    pixels = rays(in_camera) * FOCAL + torch.tensor([WIDTH, HEIGHT]) / 2
    truth = in_camera - in_camera[:, ROOT : ROOT + 1]
    return Clip(
        pixels[:, None].numpy(),
        np.ones((len(times), 1, 17), np.float32),
        (times * 1e9).round().long().numpy(),
        WIDTH,
        HEIGHT,
        "h36m17",
        ("p0",),
        truth[:, None].numpy(),
    )


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write.")],
) -> None:
    """Measure, and write the table."""
    test = load_mocap(mocap, "test")
    clips = Clips.of(test.select(test.quality == "own"))
    runtime = load_runtime()
    lines = [
        "# Frame rates\n",
        "MPJPE in mm of the shipped network behind the streaming core, by the camera's frame rate",
        f"and the look-ahead in frames of {runtime.config.step * 1e3:.0f} ms. Test split, class",
        f"`own`, the first {SECONDS:.0f} s of {len(clips.start)} clips, clean keypoints, focal",
        "length given. Measured by `scripts/measure_rates.py`.\n",
        "| frames/s | " + " | ".join(f"look-ahead {ahead}" for ahead in LOOK_AHEADS) + " |",
        "|---" * (len(LOOK_AHEADS) + 1) + "|",
    ]
    for rate in RATES:
        recorded = [record(clips, index, rate) for index in range(len(clips.start))]
        cells = []
        for ahead in LOOK_AHEADS:
            config = StreamConfig(look_ahead=ahead, focal=FOCAL)
            errors = [mpjpe(lift_clip(c, runtime, config).joints, c.truth) for c in recorded]
            cells.append(f"{np.concatenate(errors).mean() * 1e3:.1f}")
        lines.append(f"| {rate:.0f} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    typer.run(main)
