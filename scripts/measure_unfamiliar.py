r"""How much worse a pose is lifted, the less it is like anything in the training motion.

    python scripts/measure_unfamiliar.py --mocap cmu_h36m17.npz --mocap motion_more.npz \
        --replaced motion_more_replaces.txt --without-licence "HDM05 CC BY-SA 3.0" \
        --real FOLDER -o docs/benchmarks/unfamiliar.md

Poses of the test splits and of recordings with a 3D reference, on keypoints without errors. Each is
compared with every pose of the training splits, six a second, and their mirror images: twelve
joints, middle of the hips aligned, legs scaled to the same length, turned about the vertical to fit
best. The mean distance to the nearest one says how unfamiliar a pose is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from tqdm import tqdm

from pstmo_core.atomic_files import write_text
from pstmo_core.bench.real import lift
from pstmo_core.bench.real_recordings import JUDGED, PROJECTED, load_recordings
from pstmo_core.cli.app import run_script
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.motion_files import MotionFiles
from pstmo_core.data.motion.sampler import encode
from pstmo_core.data.motion.virtual_cameras import CameraRange, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.evaluation.both_ways import lift_both_ways
from pstmo_core.evaluation.metrics import mpjpe, p_mpjpe
from pstmo_core.evaluation.mocap_windows import infer
from pstmo_core.model.checkpoints import load_weights
from pstmo_core.runtime import load_runtime, shipped_model
from pstmo_core.skeleton import JOINT_NAMES, ROOT
from pstmo_core.streaming.config import PLAIN, StreamConfig

_ROWS = [JOINT_NAMES.index(name) for name in JUDGED]
_AT = {name: column for column, name in enumerate(JUDGED)}
_HIPS = [_AT["rhip"], _AT["lhip"]]
_MIRRORED = [_AT[("l" if name[0] == "r" else "r") + name[1:]] for name in JUDGED]
_LEG = 0.82
"""Metres to which legs are scaled."""
_A_SECOND = 6
_TEXT = """# Unfamiliar poses

MPJPE and P-MPJPE of the shipped network in mm, by the distance of a pose from the nearest pose of
the training motion. This distance is the mean over twelve joints, with the middle of the hips
aligned and legs scaled to one length, for the best rotation about the vertical and the better of
the pose and its mirror image. Look-ahead 0, keypoints without errors, no filters. Measured by
scripts/measure_unfamiliar.py, whose first lines show how.

| poses of | nearest training pose | share | MPJPE | P-MPJPE |
|---|---|---|---|---|
"""
EDGES = (0, 60, 90, 120, 150, 1000)


def scaled(poses: np.ndarray) -> np.ndarray:
    """Poses (N, 12, 3), z up: mid-hips at the origin, legs of one length."""
    poses = poses - poses[:, _HIPS].mean(1, keepdims=True)
    leg = np.zeros(len(poses))
    for side in "rl":
        hip, knee, ankle = (poses[:, _AT[side + n]] for n in ("hip", "knee", "ankle"))
        leg += np.linalg.norm(hip - knee, axis=-1) + np.linalg.norm(knee - ankle, axis=-1)
    return np.asarray(poses * (2 * _LEG / leg)[:, None, None], np.float32)


class Familiar:
    """The poses of the training motion."""

    def __init__(self, poses: np.ndarray) -> None:
        both = scaled(
            np.concatenate([poses, poses[:, _MIRRORED] * np.array([-1, 1, 1], np.float32)])
        )
        self._level, self._height = both[..., 0] + 1j * both[..., 1], both[..., 2]

    def distances(self, poses: np.ndarray) -> np.ndarray:
        """Return mm (N,) from poses (N, 12, 3), z up, to the nearest one of these."""
        return np.array([self._nearest(pose) for pose in scaled(poses)]) * 1e3

    def _nearest(self, pose: np.ndarray) -> float:
        level = pose[:, 0] + 1j * pose[:, 1]
        turn = self._level.conj() @ level
        turned = self._level * (turn / np.maximum(np.abs(turn), 1e-9))[:, None]
        squares = np.abs(turned - level) ** 2 + (self._height - pose[:, 2]) ** 2
        return float(np.sqrt(squares).mean(1).min())


def captured(path: Path, windows: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the world's poses (N, 12, 3) of a test split, the lifted ones and the true ones."""
    network = load_weights(shipped_model().with_suffix(".safetensors"))
    model, generator = network.config, torch.Generator().manual_seed(1)
    motion = load_mocap(path, "test")
    clips = Clips.of(motion.select(np.isin(motion.quality, ["daz"], invert=True)))
    clip, target = clips.draw_targets(windows, generator)
    world = clips.windows(clip, target, model.step * clips.fps, model.frames)
    cameras = draw_cameras(world, CameraRange(), generator)
    in_camera = cameras.to_camera(world)
    poses = in_camera - in_camera[:, :, ROOT : ROOT + 1]
    seen, known = torch.ones(in_camera.shape[:-1]), torch.ones(windows, dtype=torch.bool)
    frames, truth = encode(
        rays(in_camera), seen, poses, cameras, known, torch.zeros(windows, 3), model.encoding
    )
    all_frames, _ = lift_both_ways(lambda part: infer(network, part), frames, model.encoding)
    lifted = all_frames[:, -1, :, :3]
    yield tuple(np.asarray(part)[:, _ROWS] for part in (world[:, -1], lifted, truth[:, -1]))


def recorded(folder: Path) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the same of each camera of each recording that says where up is."""
    runtime, settings = load_runtime(), StreamConfig(**PLAIN)
    for views in load_recordings(folder).values():
        for view in views:
            if view.pose is None:
                continue
            lifted = lift(view, PROJECTED, runtime, settings)[..., :3]
            known = np.isfinite(lifted).all((1, 2)) & np.isfinite(view.reference).all((1, 2))
            truth = view.reference[known]
            yield _upright(truth, np.asarray(view.pose.up)), lifted[known], truth


def _upright(poses: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Turn poses (N, 12, 3) until a direction (3,) is z."""
    side = np.cross(up, (0, 0, 1) if abs(up[2]) < 0.9 else (1, 0, 0))
    side /= np.linalg.norm(side)
    turned: np.ndarray = poses @ np.stack([side, np.cross(up, side), up], -1)
    return turned


def lines(title: str, familiar: Familiar, parts: Iterator[tuple[np.ndarray, ...]]) -> list[str]:
    """Return the rows of a table: one for each range of distances."""
    far, error, p_error = [], [], []
    for world, lifted, truth in parts:
        far.append(familiar.distances(world))
        lifted, truth = (pose - pose[:, _HIPS].mean(1, keepdims=True) for pose in (lifted, truth))
        error.append(mpjpe(lifted, truth) * 1e3)
        p_error.append(p_mpjpe(lifted, truth) * 1e3)
    distance, errors, p_errors = (np.concatenate(part) for part in (far, error, p_error))
    rows = []
    for low, high in pairwise(EDGES):
        of_it = (distance >= low) & (distance < high)
        if of_it.any():
            named = f"{low} to {high} mm" if high < EDGES[-1] else f"{low} mm and more"
            rows.append(
                f"| {title} | {named} | {of_it.mean():.0%} | {errors[of_it].mean():.0f} "
                f"| {p_errors[of_it].mean():.0f} |"
            )
    return rows


def main(
    mocap: Annotated[list[Path], typer.Option(help="Motion capture; several by several options.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The Markdown file to write.")],
    replaced: Annotated[str, typer.Option(help="List of clips that are left out.")] = "",
    real: Annotated[Path | None, typer.Option(help="Recordings with a 3D reference.")] = None,
    windows: Annotated[int, typer.Option(help="Poses of each test split.")] = 800,
    without_licence: Annotated[str, typer.Option(help="Clips under it were not trained on.")] = "",
) -> None:
    """Measure and write the table."""
    licences = [without_licence] if without_licence else []
    motion = MotionFiles(mocap).of_split("train", replaced, licences)
    familiar = Familiar(motion.positions[:: max(1, round(motion.fps / _A_SECOND))][:, _ROWS])
    sets = {path.name + ", test split": captured(path, windows) for path in mocap}
    if real is not None:
        sets["real video"] = recorded(real)
    rows = [row for title, parts in tqdm(sets.items()) for row in lines(title, familiar, parts)]
    text = _TEXT + "\n".join(rows)
    typer.echo(text)
    write_text(output, text + "\n")


if __name__ == "__main__":
    run_script(main)
