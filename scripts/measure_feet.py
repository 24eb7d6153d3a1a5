"""How much standing feet slide and sink, as people are lifted and with `hold_feet`.

    python scripts/measure_feet.py --mocap cmu_h36m17.npz -o docs/benchmarks/feet.md

The clips and cameras are those of measure_floor.py. A foot truly stands while its ankle moves at
less than 0.15 m/s and is within 4 cm of where the clip's ankles are lowest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from pstmo_core.atomic_files import write_text
from pstmo_core.bench.room_scenes import Case, Scene, answers_to, load_clips, see
from pstmo_core.cli.app import run_script
from pstmo_core.room.floor import ANKLES
from pstmo_core.room.foot_contact import FootContact
from pstmo_core.runtime import load_runtime
from pstmo_core.streaming.config import StreamConfig

SETTLED = 2.0
DISTANCES = ((2.0, 4.0), (4.0, 8.0))
TILTS = {"known": Case("", floor=True), "within 0.5 degrees": Case("", True, 0.5, drawn=True)}
FEET = np.array(ANKLES)
COLUMNS = (
    "distance", "tilt", "`hold_feet`", "sliding", "90 % below", "lower than true",
    "joints off", "largest step",
)  # fmt: skip


@dataclass(frozen=True)
class Feet:
    """What was measured of a clip, one entry per frame, or one per frame and foot that stands."""

    slides: np.ndarray
    """mm/s over the floor."""
    true_slides: np.ndarray
    sinks: np.ndarray
    """mm by which ankles are lower than they truly are."""
    errors: np.ndarray
    """mm, mean over joints, in the room."""
    steps: np.ndarray
    """m by which an ankle's error changes from one frame to the next."""


def standing(world: np.ndarray, fps: float) -> np.ndarray:
    """Return which ankles (F, 2) of a clip (F, 17, 3) truly stand."""
    ankles = world[:, FEET]
    speed = np.linalg.norm(np.gradient(ankles, 1 / fps, axis=0), axis=-1)
    low = ankles[..., 2] < np.percentile(ankles[..., 2], 10, axis=0) + 0.04
    found: np.ndarray = (speed < 0.15) & low
    return found


def measure(level: np.ndarray, world: np.ndarray, fps: float) -> Feet:
    """Compare lifted with true people, (F, 17, 3) metres in the room."""
    late = slice(round(SETTLED * fps), None)
    stands = standing(world, fps)
    both = (stands[1:] & stands[:-1])[late]
    slides, true_slides = (
        np.linalg.norm(np.diff(p[:, FEET, :2], axis=0), axis=-1)[late][both] * fps * 1e3
        for p in (level, world)
    )
    off = level - world
    sinks = np.maximum(-off[late][:, FEET, 2][stands[late]], 0) * 1e3
    steps = np.linalg.norm(np.diff(off[:, FEET], axis=0), axis=-1)[late]
    return Feet(
        slides, true_slides, sinks, np.linalg.norm(off, axis=-1)[late].mean(-1) * 1e3, steps
    )


def contact(level: np.ndarray, scene: Scene, world: np.ndarray, fps: float) -> np.ndarray:
    """Return counts: standing feet, of those found, swinging feet, of those taken for standing."""
    follow, row, seen = FootContact(1), np.array([0]), np.ones((1, 2), bool)
    told = np.concatenate([
        follow.look(row, f.stamp, p[None, FEET], seen, scene.view.pose.position, 0.0)
        for f, p in zip(scene.frames, level, strict=True)
    ])  # fmt: skip
    stands = standing(world, fps)
    swings = np.linalg.norm(np.gradient(world[:, FEET], 1 / fps, axis=0), axis=-1) > 1.0
    late = slice(round(SETTLED * fps), None)
    pairs = ((stands, told & stands), (swings, told & swings))
    return np.array([part[late].sum() for pair in pairs for part in pair])


def row_of(label: str, parts: list[Feet]) -> str:
    """Return a table row over clips."""
    slides, sinks, errors, steps = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("slides", "sinks", "errors", "steps")
    )
    return (
        f"| {label} | {slides.mean():.0f} mm/s | {np.percentile(slides, 90):.0f} mm/s | "
        f"{sinks.mean():.0f} mm | {errors.mean():.0f} mm | {steps.max():.2f} m |"
    )


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write.")],
    clips: Annotated[int, typer.Option(help="Clips a row.")] = 9,
) -> None:
    """Measure and write the table."""
    runtime = load_runtime()
    motion, fps = load_clips(mocap, clips)
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    truth, counts = [], np.zeros(4)
    work = [(d, tilt, held) for d in DISTANCES for tilt in TILTS for held in (False, True)]
    for (near, far), tilt, held in tqdm(work, desc="rows"):
        rng, parts = np.random.default_rng(7), []
        for seed, world in enumerate(motion):
            scene = see(world, fps, TILTS[tilt], float(rng.uniform(near, far)), seed)
            answers = answers_to(runtime, scene, StreamConfig(hold_feet=held))
            bodies = np.stack([(a.joints + a.roots.position[:, None])[0] for a in answers])
            level = scene.view.pose.to_level(bodies)
            parts.append(measure(level, world, fps))
            if not held:
                counts += contact(level, scene, world, fps)
        truth += [part.true_slides for part in parts]
        lines.append(row_of(f"{near:g} to {far:g} m | {tilt} | {'on' if held else 'off'}", parts))
        tqdm.write(lines[-1])
    write_text(output, report(lines, len(motion), float(np.concatenate(truth).mean()), counts))


def report(lines: list[str], clips: int, true_slide: float, counts: np.ndarray) -> str:
    """Return the text of the document."""
    stands, found, swings, wrong = counts
    return (
        f"# Feet on the floor\n\nMeans over {clips} clips of the test split, class `own`, lifted "
        f"live by the shipped network, the\nfirst {SETTLED:g} s left out; cameras and keypoint "
        "errors are those of [floor.md](floor.md). Sliding is\nthe speed over the floor of ankles "
        "whose feet truly stand: their true ankles move at "
        f"{true_slide:.0f} mm/s.\nSinking is by how much these ankles are lower than they truly "
        "are, 0 if they are higher. The largest step\nis how far an ankle's error changed between "
        "two frames. Contact is detected in "
        f"{found / stands:.0%} of the frames in\nwhich a foot truly stands, and in "
        f"{wrong / swings:.1%} of those in which it moves at more than 1 m/s. By\n"
        f"`scripts/measure_feet.py --clips {clips}`.\n\n" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    run_script(main)
