"""Errors of root positions by source and distance, over whole clips lifted as a stream.

    python scripts/measure_floor.py --mocap cmu_h36m17.npz -o docs/benchmarks/floor.md

Clips of the test split, class `own`, seen by virtual cameras of random height that look at the
people; keypoints are off by about 1 % of a person's height, as those of detectors are. Every frame
is lifted live; the first two seconds, in which a height is learned, do not count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from pstmo_core.atomic_files import write_text
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.runtime import load_runtime
from pstmo_core.runtime.base import Runtime
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import LOWER_BODY
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import MOST_AT_ONCE, StreamLifter
from pstmo_core.streaming.root import stature

DISTANCES = ((2.0, 3.0), (3.0, 5.0), (5.0, 8.0), (8.0, 12.0))
#: Square of the distance, in deviations, that 95 % of a normal distribution in space keep below.
CHI_SQUARE = 7.815
SETTLED = 2.0
STEP = 2
COLUMNS = ("distance", "source", "error", "of the distance", "90 % below", "largest step")
HEAD = f"| {' | '.join(COLUMNS)} | in the 95 % region |"


@dataclass(frozen=True)
class Case:
    """What is known, and how wrongly."""

    name: str
    floor: bool = False
    tilt: float = 0.0
    """Degrees by which the pose's pitch is off."""
    drawn: bool = False
    """Whether that is the deviation that it is drawn with, as `tilt_error` says it."""
    height: bool = False
    depth: bool = False
    hidden: float = np.inf
    """Seconds after which legs are not seen."""


CASES = (
    Case("assumed"),
    Case("stated height", height=True),
    Case("floor", floor=True),
    Case("floor, tilt known within 0.5 degrees", floor=True, tilt=0.5, drawn=True),
    Case("floor, tilt off by 0.5 degrees", floor=True, tilt=0.5),
    Case("floor, tilt off by 1 degree", floor=True, tilt=1.0),
    Case("learned, legs hidden after 4 s", floor=True, hidden=4.0),
    Case("depth image", depth=True),
    Case("floor and depth image", floor=True, depth=True),
)


def lift(
    runtime: Runtime, world: np.ndarray, fps: float, case: Case, distance: float, seed: int
) -> tuple[np.ndarray, ...]:
    """Return positions (F, 3), covariances and true positions of a clip (F, 17, 3)."""
    rng = np.random.default_rng(seed)
    middle = np.append(world[:, 0, :2].mean(0), 0.0)
    yaw, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 2.2)
    away = np.array([np.cos(yaw), np.sin(yaw), 0.0]) * distance
    target = middle + (0, 0, rng.uniform(0.6, 1.1))
    view = View(1280, 720, 1000.0, tuple(middle + away + (0, 0, height)), tuple(target))
    in_camera = view.to_camera(world)
    size = view.focal * 1.7 / in_camera[:, :1, 2:]
    points = view.project(in_camera) + slow_noise(rng, world.shape[:2]) * 0.01 * size
    pose = view.pose
    off = rng.normal() if case.drawn else rng.choice([-1, 1])
    pitch = np.radians(case.tilt) * off
    cos, sin = np.cos(pitch), np.sin(pitch)
    pose = replace(pose, rotation=pose.rotation @ [[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    tall = float(np.median(stature(in_camera - in_camera[:, :1])))
    config = StreamConfig(height=tall if case.height else 0.0)
    lifter = StreamLifter(runtime, config)
    frames = []
    for row in range(len(world)):
        scores = np.ones((1, 17), np.float32)
        if row / fps > case.hidden:
            scores[:, [j for j in LOWER_BODY if j not in (1, 4)]] = 0
        depths = None
        if case.depth:
            depths = (in_camera[row, :, 2] - 0.1 + rng.normal(0, 0.03, 17)).astype(np.float32)
            depths[rng.random(17) < 0.2] = np.nan
        frames.append(KeypointFrame(
            round(row / fps * 1e9), ("p",), points[row][None].astype(np.float32), scores,
            view.width, view.height, view.focal, pose if case.floor else None,
            None if depths is None else depths[None],
        ))  # fmt: skip
    positions, covariances = np.full((len(world), 3), np.nan), np.full((len(world), 3, 3), np.nan)
    for first in range(0, len(frames), MOST_AT_ONCE):
        for answer in lifter.push_all(frames[first : first + MOST_AT_ONCE]):
            row = round(answer.stamp / 1e9 * fps)
            positions[row] = answer.roots.position[0]
            covariances[row] = answer.roots.covariance[0]
    return positions, covariances, in_camera[:, 0]


def slow_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return errors (*shape, 2) of deviation 1: half is white, the rest lasts for 0.2 s."""
    white = rng.normal(0, 1, (*shape, 2))
    slow, keep = np.empty_like(white), 0.8
    value = rng.normal(0, 1, white.shape[1:])
    for row, fresh in enumerate(rng.normal(0, 1, white.shape)):
        value = keep * value + np.sqrt(1 - keep**2) * fresh
        slow[row] = value
    mixed: np.ndarray = np.sqrt(0.5) * (white + slow)
    return mixed


def row_of(label: str, parts: list[tuple[np.ndarray, ...]], fps: float) -> str:
    """Return a table row over clips."""
    errors, shares, inside, steps = [], [], [], []
    for positions, covariances, true in parts:
        late = np.arange(len(true)) >= SETTLED * fps
        counts = late & (true[:, 2] > 0.5) & np.isfinite(positions).all(-1)
        error = positions[counts] - true[counts]
        errors.append(np.linalg.norm(error, axis=-1))
        shares.append(errors[-1] / np.linalg.norm(true[counts], axis=-1))
        deviations = np.einsum("ni,nij,nj->n", error, np.linalg.inv(covariances[counts]), error)
        inside.append(deviations < CHI_SQUARE)
        jump = np.diff(positions - true, axis=0)[counts[1:]]
        steps.append(np.linalg.norm(jump, axis=-1))
    error, share, hit, step = (np.concatenate(v) for v in (errors, shares, inside, steps))
    return (
        f"{label} | {np.median(error):.2f} m | {np.median(share):.1%} | "
        f"{np.percentile(share, 90):.1%} | {np.nanmax(step):.2f} m | {hit.mean():.0%} |"
    )


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write.")],
    clips: Annotated[int, typer.Option(help="Clips a row.")] = 12,
) -> None:
    """Measure and write the table."""
    runtime = load_runtime()
    data = load_mocap(mocap, "test")
    data = data.select(data.quality == "own")
    fps = data.fps / STEP
    ends = zip(data.start, data.start + data.length, strict=True)
    motion = [data.positions[a:b:STEP].astype(np.float64) for a, b in ends]
    motion = [clip[: round(10 * fps)] for clip in motion if len(clip) >= 6 * fps]
    motion = motion[:: max(1, len(motion) // clips)][:clips]
    lines = [HEAD, "|---" * 7 + "|"]
    for near, far in DISTANCES:
        for case in tqdm(CASES, desc=f"{near:g} to {far:g} m"):
            rng = np.random.default_rng(7)
            parts = [
                lift(runtime, clip, fps, case, float(rng.uniform(near, far)), seed)
                for seed, clip in enumerate(motion)
            ]
            lines.append(row_of(f"| {near:g} to {far:g} m | {case.name}", parts, fps))
            tqdm.write(lines[-1])
    text = (
        f"# Root position error, by source\n\nMedians over {len(motion)} clips of the test split, "
        "class `own`, lifted live by the shipped network, the first\n"
        f"{SETTLED:g} s left out. Cameras are 0.6 to 2.2 m high; keypoints are off by 1 % of a "
        "person's height. The\nlargest step is how far a position jumped between two frames, the "
        "person's own movement\ntaken off. A covariance that is right has 95 % of the errors in "
        "its 95 % region. By\n"
        f"`scripts/measure_floor.py --clips {clips}`.\n\n"
    )
    write_text(output, text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    typer.run(main)
