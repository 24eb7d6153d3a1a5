"""Errors of the tilt that is found from people, and what it does to their poses.

    python scripts/measure_tilt.py --mocap cmu_h36m17.npz --recordings RECORDINGS -o docs/benchmarks/tilt.md

Clips of the test split, whatever people do in them, seen by fixed virtual cameras for five seconds,
by one or three people; keypoints are off by about 1 % of a person's height, as those of detectors
are. Recordings are those of `pstmo bench real`.
"""  # noqa: E501

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from tqdm import tqdm

from pstmo_core.atomic_files import write_text
from pstmo_core.bench.real_recordings import load_recordings
from pstmo_core.bench.room_scenes import slow_noise
from pstmo_core.cli.app import run_script
from pstmo_core.data.motion.mocap import MocapError, load_mocap
from pstmo_core.keypoints.clip import Clip
from pstmo_core.lift.tilt import find_tilt
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.runtime import AnyRuntime, load_runtime
from pstmo_core.simulation.view import View
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

SECONDS = 5.0
#: How far down cameras look, degrees.
TILTS = ((0.0, 15.0), (15.0, 30.0), (30.0, 45.0))
PEOPLE = (1, 3)
HEAD = (
    "| camera looks down by | people | error | 90 % below | bias | roll | MPJPE, tilt not known | "
    "found | true |"
)


class Outcome(NamedTuple):
    """What came of one camera."""

    tilt: float
    """Degrees, found less true."""
    roll: float
    errors: tuple[float, float, float]
    """MPJPE in mm, with the tilt not known, found and true."""


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write.")],
    recordings: Annotated[
        Path | None, typer.Option(help="Folder of recordings, as of `pstmo bench real`.")
    ] = None,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras a row.")] = 12,
) -> None:
    """Measure and write the table."""
    runtime = load_runtime()
    motion, fps = load_people(mocap)
    lines = [HEAD, "|---" * 9 + "|"]
    for low, high in TILTS:
        for people in PEOPLE:
            found = [
                outcome(runtime, motion, fps, people, (low, high), seed)
                for seed in tqdm(range(cameras), desc=f"{low:g} to {high:g} degrees")
            ]
            lines.append(row_of(f"| {low:g} to {high:g} degrees | {people} |", found))
            tqdm.write(lines[-1])
    text = (
        "# Tilt of a camera, found from the people it sees\n\n"
        f"`pstmo tilt` on {cameras} virtual cameras a row, which see people of the test split for "
        f"{SECONDS:g} s, 3 to 7 m away.\nMeans in degrees; bias is found less true. Keypoints are "
        "off by 1 % of a person's height. People do whatever they\ndo in these clips, and many "
        "neither stand nor walk. MPJPE in mm, look-ahead 0. By `scripts/measure_tilt.py\n"
        f"--cameras {cameras}`.\n\n" + "\n".join(lines) + "\n"
    )
    if recordings is not None:
        text += "\n" + "\n".join(real_rows(runtime, recordings)) + "\n"
    write_text(output, text)


def load_people(mocap: Path) -> tuple[list[np.ndarray], float]:
    """Return the clips (F, 17, 3) of the test split that are long enough, and their frame rate.

    Raises:
        MocapError: if the file is wrong, or has no such clip.
    """
    data = load_mocap(mocap, "test")
    ends = zip(data.start, data.start + data.length, strict=True)
    clips = [data.positions[a:b].astype(np.float64) for a, b in ends]
    clips = [clip for clip in clips if len(clip) >= SECONDS * data.fps]
    if not clips:
        raise MocapError(f"{mocap}: the test split has no clip of {SECONDS:g} s or more")
    return clips, data.fps


def outcome(
    runtime: AnyRuntime,
    motion: list[np.ndarray],
    fps: float,
    people: int,
    tilts: tuple[float, float],
    seed: int,
) -> Outcome:
    """Put people before a camera and find its tilt."""
    rng = np.random.default_rng(seed)
    frames = round(SECONDS * fps)
    world = np.stack([_person(rng, motion, frames) for _ in range(people)], 1)
    away, down = rng.uniform(3, 7), np.radians(rng.uniform(*tilts))
    height = 0.9 + away * np.tan(down)
    view = View(1280, 720, float(rng.uniform(600, 1300)), (0.0, -away, height), (0.0, 0.0, 0.9))
    truth = view.to_camera(world)
    size = view.focal * 1.7 / truth[..., :1, 2:]
    points = view.project(truth) + slow_noise(rng, world.shape[:3]) * 0.01 * size
    clip = Clip(
        points.astype(np.float32), np.ones(world.shape[:3], np.float32),
        np.rint(np.arange(frames) / fps * 1e9).astype(np.int64), view.width, view.height,
        "h36m17", tuple(f"p{person}" for person in range(people)),
        (truth - truth[..., :1, :]).astype(np.float32),
    )  # fmt: skip
    found = find_tilt(clip, runtime)
    told = (None, CameraPose.of_tilt(0.0, found.tilt), view.pose)
    errors = [_mpjpe(runtime, clip, pose) for pose in told]
    return Outcome(found.tilt - np.degrees(down), found.roll, (errors[0], errors[1], errors[2]))


def _person(rng: np.random.Generator, motion: list[np.ndarray], frames: int) -> np.ndarray:
    """Return somebody (F, 17, 3), turned anyhow, within a metre of the middle of the floor."""
    clip = motion[rng.integers(len(motion))]
    first = rng.integers(len(clip) - frames + 1)
    clip = clip[first : first + frames]
    clip = clip - np.append(clip[:, 0, :2].mean(0), 0.0)
    yaw = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    return clip @ turn.T + np.append(rng.uniform(-1, 1, 2), 0.0)


def _mpjpe(runtime: AnyRuntime, clip: Clip, pose: CameraPose | None) -> float:
    """Return the error of a clip's poses in mm."""
    assert clip.truth is not None
    lifted = lift_clip(clip, runtime, StreamConfig(), pose=pose)
    return 1e3 * float(np.nanmean(np.linalg.norm(lifted.joints - clip.truth, axis=-1)))


def row_of(label: str, found: list[Outcome]) -> str:
    """Return a table row over cameras."""
    tilts = np.array([each.tilt for each in found])
    unknown, told, true = np.mean([each.errors for each in found], 0)
    roll = np.abs([each.roll for each in found]).mean()
    return (
        f"{label} {np.abs(tilts).mean():.1f} | {np.percentile(np.abs(tilts), 90):.1f} | "
        f"{tilts.mean():+.1f} | {roll:.1f} | {unknown:.1f} | {told:.1f} | {true:.1f} |"
    )


def real_rows(runtime: AnyRuntime, folder: Path) -> list[str]:
    """Return a table of real recordings whose files say where up is."""
    lines = [
        "Real video, each view by itself: tilt / roll in degrees.",
        "",
        "| view | keypoints | true | found |",
        "|---|---|---|---|",
    ]
    for view in (view for views in load_recordings(folder).values() for view in views):
        for name, clip in view.keypoints.items():
            if view.pose is not None:
                x, y, z = view.pose.up
                true = np.degrees([np.arcsin(-z), np.arctan2(x, -y)])
                found = find_tilt(replace(clip, truth=None), runtime, view.camera)
                lines.append(
                    f"| {view.name} | {name} | {true[0]:.1f} / {true[1]:.1f} | "
                    f"{found.tilt:.1f} / {found.roll:.1f} |"
                )
    return lines


if __name__ == "__main__":
    run_script(main)
