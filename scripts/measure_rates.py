"""Measures the streaming core at several frame rates and look-aheads, against captured truth.

    python scripts/measure_rates.py --mocap cmu_h36m17.npz -o docs/benchmarks/frame_rates.md

The first seconds of every clip of the test split's class `own`, each seen by one virtual camera
whose focal length is given, as cameras of different rates would see them: clean keypoints, and with
detector errors; lifted as they come, and made steady (docs/steadying.md).
"""

from __future__ import annotations

from dataclasses import replace
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
from pstmo_core.data.motion.virtual_cameras import CameraRange, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.evaluation.metrics import mpjpe
from pstmo_core.keypoints.clip import Clip
from pstmo_core.runtime import Runtime, load_runtime
from pstmo_core.skeleton import ROOT
from pstmo_core.streaming.config import PLAIN, StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

RATES = (15.0, 30.0, 60.0)
LOOK_AHEADS = (0, 13)
SETTINGS: dict[str, dict[str, float]] = {"as they come": PLAIN, "steady": {}}
FAULTS = DetectorNoise(clean_share=0.0, legs_hidden=0.0, dropped_span=0.0)
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


def with_faults(clip: Clip, index: int) -> Clip:
    """Return a clip with detector errors: jitter, bias, outliers, joints not seen."""
    middle = np.array([WIDTH, HEIGHT], np.float32) / 2
    seen_rays = torch.from_numpy((clip.keypoints - middle) / np.float32(FOCAL)).transpose(0, 1)
    generator = torch.Generator().manual_seed(SEED + 1000 + index)
    seen_rays, seen = detector_noise.apply(seen_rays, FAULTS, generator)
    keypoints = seen_rays.transpose(0, 1).numpy() * np.float32(FOCAL) + middle
    return replace(clip, keypoints=keypoints, scores=seen.transpose(0, 1).numpy())


def measure(recorded: list[Clip], runtime: Runtime, config: StreamConfig) -> str:
    """Return a cell of the table."""
    errors, jitter = [], []
    for clip in recorded:
        joints = lift_clip(clip, runtime, config).joints
        errors.append(mpjpe(joints, clip.truth))
        jitter.append(np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).ravel())
    means = (float(np.nanmean(np.concatenate(each))) * 1e3 for each in (errors, jitter))
    return " / ".join(f"{mean:.1f}" for mean in means)


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write.")],
) -> None:
    """Measure, and write the table."""
    test = load_mocap(mocap, "test")
    clips = Clips.of(test.select(test.quality == "own"))
    runtime = load_runtime()
    header = ["frames/s", "keypoints", *(f"{ahead}, {name}" for ahead in LOOK_AHEADS
                                         for name in SETTINGS)]  # fmt: skip
    lines = [
        "# Frame rates\n",
        "MPJPE / jitter (mean second difference from frame to frame) in mm of the shipped network",
        "behind the streaming core, by the camera's frame rate and the look-ahead in frames of",
        f"{runtime.config.step * 1e3:.0f} ms, without (as they come) and with the filters",
        "(steady, see docs/steadying.md). Test split, class",
        f"`own`, the first {SECONDS:.0f} s of {len(clips.start)} clips, focal length given.",
        "Measured by `scripts/measure_rates.py`.\n",
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
    ]
    for rate in RATES:
        clean = [record(clips, index, rate) for index in range(len(clips.start))]
        faulty = [with_faults(clip, index) for index, clip in enumerate(clean)]
        for name, recorded in (("clean", clean), ("faulty", faulty)):
            cells = [
                measure(recorded, runtime, StreamConfig(look_ahead=ahead, focal=FOCAL, **settings))
                for ahead in LOOK_AHEADS
                for settings in SETTINGS.values()
            ]
            lines.append(f"| {rate:.0f} | {name} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    write_text(output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    run_script(main)
