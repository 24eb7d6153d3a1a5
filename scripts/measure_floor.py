"""Errors of root positions by source and distance, over whole clips lifted as a stream.

    python scripts/measure_floor.py --mocap cmu_h36m17.npz -o docs/benchmarks/floor.md

Clips of the test split, class `own`, seen by virtual cameras of random height that look at the
people; keypoints are off by about 1 % of a person's height, as those of detectors are. People are
made as tall as adults are: the test split has two statures only. Every frame is lifted live; the
first two seconds, in which a height is learned, do not count.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from pstmo_core.atomic_files import write_text
from pstmo_core.bench.room_scenes import Case, answers_to, load_clips, see
from pstmo_core.cli.app import run_script
from pstmo_core.data.motion.bodies import STATURE
from pstmo_core.runtime import load_runtime
from pstmo_core.runtime.base import Runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.root import stature

DISTANCES = ((2.0, 3.0), (3.0, 5.0), (5.0, 8.0), (8.0, 12.0))
#: Square of the distance, in deviations, that 95 % of a normal distribution in space keep below.
CHI_SQUARE = 7.815
SETTLED = 2.0
COLUMNS = ("distance", "source", "error", "of the distance", "90 % below", "largest step")
HEAD = f"| {' | '.join(COLUMNS)} | in the 95 % region |"


CASES = (
    Case("assumed"),
    Case("stated height", height=True),
    Case("floor", floor=True),
    Case("floor, tilt known within 0.5 degrees", floor=True, tilt=0.5, drawn=True),
    Case("floor, tilt off by 0.5 degrees", floor=True, tilt=0.5),
    Case("floor, tilt off by 1 degree", floor=True, tilt=1.0),
    Case("learned, legs hidden after 4 s", floor=True, tilt=0.5, drawn=True, hidden=4.0),
    Case("depth image", depth=True),
    Case("floor and depth image", floor=True, tilt=0.5, drawn=True, depth=True),
)
#: Seconds after which a height that was learned is all there is.
LEARNED = 4.5


def lift(
    runtime: Runtime, world: np.ndarray, fps: float, case: Case, distance: float, seed: int
) -> tuple[np.ndarray, ...]:
    """Return positions (F, 3), covariances and true positions (F, 3) of a clip (F, 17, 3)."""
    scene = see(world, fps, case, distance, seed)
    tall = stature_of(world)
    answers = answers_to(runtime, scene, StreamConfig(height=tall if case.height else 0.0))
    positions = np.stack([answer.roots.position[0] for answer in answers])
    covariances = np.stack([answer.roots.covariance[0] for answer in answers])
    counts = np.arange(len(world)) >= (LEARNED if np.isfinite(case.hidden) else SETTLED) * fps
    true = np.where(counts[:, None], scene.in_camera[:, 0], np.nan)
    return positions, covariances, true


def stature_of(world: np.ndarray) -> float:
    """Return how tall somebody (F, 17, 3) is, in metres."""
    return float(np.median(stature(world - world[:, :1])))


def spread(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return numbers of mean 0 and deviation 1 that lie as those of a normal distribution do."""
    drawn = np.array([NormalDist().inv_cdf((row + 0.5) / count) for row in range(count)])
    deviation = drawn.std() if count > 1 else 1.0
    return rng.permutation(drawn / deviation)


def lift_all(
    runtime: Runtime,
    motion: list[np.ndarray],
    fps: float,
    case: Case,
    distances: tuple[float, float],
    views: int,
) -> list[tuple[np.ndarray, ...]]:
    """Return `lift` of each clip before several cameras."""
    rng = np.random.default_rng(7)
    count = views * len(motion)
    tall, tilts = STATURE[0] + STATURE[1] * spread(count, rng), spread(count, rng)
    away = rng.uniform(*distances, count)
    parts = []
    for seed in range(count):
        world = motion[seed % len(motion)]
        world = world * (tall[seed] / stature_of(world))
        seen = replace(case, tilt=case.tilt * tilts[seed], drawn=False) if case.drawn else case
        parts.append(lift(runtime, world, fps, seen, float(away[seed]), seed))
    return parts


def row_of(label: str, parts: list[tuple[np.ndarray, ...]]) -> str:
    """Return a table row over clips."""
    errors, shares, inside, steps = [], [], [], []
    for positions, covariances, true in parts:
        counts = (true[:, 2] > 0.5) & np.isfinite(positions).all(-1)
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
    clips: Annotated[int, typer.Option(help="Clips a row.")] = 9,
    views: Annotated[int, typer.Option(help="Cameras a clip.")] = 2,
) -> None:
    """Measure and write the table."""
    runtime = load_runtime()
    motion, fps = load_clips(mocap, clips)
    lines = [HEAD, "|---" * 7 + "|"]
    for near, far in DISTANCES:
        for case in tqdm(CASES, desc=f"{near:g} to {far:g} m"):
            parts = lift_all(runtime, motion, fps, case, (near, far), views)
            lines.append(row_of(f"| {near:g} to {far:g} m | {case.name}", parts))
            tqdm.write(lines[-1])
    text = (
        f"# Root position error, by source\n\nMedians over {len(motion)} clips of the test split, "
        f"class `own`, {views} cameras each, lifted live by the\nshipped network, the first "
        f"{SETTLED:g} s left out. People are made as tall as adults are ({STATURE[0]:g} m, "
        f"standard\ndeviation {STATURE[1]:g} m), cameras are 0.6 to 2.2 m high, keypoints are off "
        "by 1 % of a person's height, and depth\nimages are rendered. The largest step is how far "
        "a position jumped between two frames, beyond the person's own\nmovement. A correct "
        "covariance has 95 % of the errors in its 95 % region. It assumes that tilts are off by a\n"
        "normal distribution of deviation `tilt_error`, 0.5 degrees, and they are in the rows "
        "`tilt known within 0.5 degrees`,\n`learned` and `floor and depth image`. Where all tilts "
        "are off by twice as much it is too narrow. By\n"
        f"`scripts/measure_floor.py --clips {clips} --views {views}`.\n\n"
    )
    write_text(output, text + "\n".join(lines) + "\n")


if __name__ == "__main__":
    run_script(main)
