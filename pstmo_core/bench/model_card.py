"""The measurements of a model card, and their tables in Markdown."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pstmo_core.bench.streamed_windows import measure_streamed
from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.data.motion.motion_files import MotionFiles
from pstmo_core.data.motion.virtual_cameras import EXTREME, CameraRange
from pstmo_core.encoding import get_encoding
from pstmo_core.evaluation.mocap_windows import Evaluation, Scores
from pstmo_core.evaluation.virtual_windows import InputCondition, draw_windows, grouped
from pstmo_core.model.checkpoints import load_lifter
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.network import STMOLive
from pstmo_core.model.stmo import STMO
from pstmo_core.runtime import AnyRuntime, load_runtime
from pstmo_core.streaming.config import StreamConfig

_RAISED = CameraRange(height=(2.5, 3.5), distance=(2.0, 4.0))
CONDITIONS = {
    "clean": InputCondition(),
    "clean, camera not known": InputCondition(camera_known=False),
    "clean, gravity known": InputCondition(gravity_known=True),
    "detector faults": InputCondition(faults=DetectorNoise(clean_share=0.0)),
    "detector faults, gravity known": InputCondition(
        gravity_known=True, faults=DetectorNoise(clean_share=0.0)
    ),
    "raised camera": InputCondition(cameras=_RAISED),
    "raised camera, gravity known": InputCondition(gravity_known=True, cameras=_RAISED),
    "extreme cameras": InputCondition(cameras=EXTREME),
    "extreme cameras, gravity known": InputCondition(gravity_known=True, cameras=EXTREME),
}
#: The conditions under which streams are measured, too, with the filters of the streaming core.
STREAMED = ("clean", "detector faults")
#: Of a set's windows, how many streams are shown, which lift each frame of them.
STREAMED_WINDOWS = 1000
#: Frames after the lifted one whose errors make the curve of error against delay.
LOOK_AHEADS = (0, 1, 2, 4, 8, 13)


def measure(
    weights: Path | str,
    mocap: Sequence[Path | str],
    split: str,
    windows: int,
    by: str = "class",
    flip: bool = True,
) -> dict[str, Any]:
    """Measure a weight file on a split of the motion capture.

    Args:
        weights: a safetensors file.
        mocap: the motion-capture files, whose clips are measured together.
        split: of `SPLITS`.
        windows: windows a set.
        by: what the sets are, one of `virtual_windows.GROUPS`.
        flip: average the poses of windows and of their mirror images, as the run time does.

    Raises:
        CheckpointError: if the weights cannot be used.
        MocapError: if a motion-capture file cannot be used, or none has a clip of the split.

    Returns:
        A tree of plain values: the model, the sizes, and under `rows` one record for each
        condition, look-ahead and set, errors in millimetres.
    """
    network = load_lifter(weights)
    files = MotionFiles(mocap)
    motion = files.of_split(split)
    files.require(motion, split, "to measure on")
    runtime, config = load_runtime(weights, backend="torch"), StreamConfig(flip=flip)
    model = (
        ModelConfig(encoding=network.config.encoding)
        if isinstance(network, STMOLive)
        else network.config
    )
    return {
        "weights": Path(weights).name,
        "sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "model": dataclasses.asdict(network.config),
        "split": split,
        "by": by,
        "flip": flip,
        "rows": [
            *_as_windows(network, model, motion, split, windows, by, flip),
            *_as_streams(runtime, config, model, motion, windows, by),
        ],
    }


def _as_windows(
    network: STMO | STMOLive,
    model: ModelConfig,
    motion: Mocap,
    split: str,
    windows: int,
    by: str,
    flip: bool,
) -> Iterator[dict[str, Any]]:
    """The records of a network that gets the keypoints as they are."""
    live = isinstance(network, STMOLive)
    look_aheads = [n for n in LOOK_AHEADS if n <= model.target]
    labels = ["centre, by MOFA", *map(str, look_aheads)]
    told_gravity = get_encoding(model.encoding).turned
    shown = {n: c for n, c in CONDITIONS.items() if told_gravity or not c.gravity_known}
    for name, condition in tqdm(shown.items(), unit="condition", delay=2):
        evaluation = Evaluation(
            motion, split, model, torch.device("cpu"), windows=windows, condition=condition, by=by,
            flip=flip,
        )  # fmt: skip
        for group, measured in evaluation.measure_all(network, look_aheads).items():
            # A streaming network has no MOFA; the pose of 13 frames ago is the window's centre.
            for label, scores in list(zip(labels, measured, strict=True))[int(live) :]:
                yield _record(name, label, by, group, scores)


def _as_streams(
    runtime: AnyRuntime,
    config: StreamConfig,
    model: ModelConfig,
    motion: Mocap,
    windows: int,
    by: str,
) -> Iterator[dict[str, Any]]:
    """The records of streams, which filter the keypoints first."""
    groups = grouped(motion, by)
    for name, group in tqdm(list(product(STREAMED, groups)), unit="stream", delay=2):
        drawn = draw_windows(groups[group], windows, model.frames, model.step, CONDITIONS[name])
        drawn = drawn.first(STREAMED_WINDOWS)
        scores = measure_streamed(drawn, model.step, runtime, config)
        yield _record(f"{name}, streamed", "0", by, group, scores)


def _record(shown: str, look_ahead: str, by: str, group: str, scores: Scores) -> dict[str, Any]:
    named = {"input": shown, "look_ahead": look_ahead, by: group}
    return named | dataclasses.asdict(scores)


def tables(report: dict[str, Any]) -> str:
    """Return the measurements as a Markdown table, errors in millimetres and degrees."""
    by = report["by"]
    lines = [
        f"| input | look-ahead | {by} | MPJPE | N-MPJPE | P-MPJPE | knees | within 2.5 sigma "
        "| windows |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        errors = " | ".join(f"{row[name]:.1f}" for name in ("mpjpe", "n_mpjpe", "p_mpjpe", "knees"))
        covered = "" if row["covered"] is None else f"{row['covered']:.1%}"
        lines.append(
            f"| {row['input']} | {row['look_ahead']} | {row[by]} | {errors} | {covered} "
            f"| {row['windows']} |"
        )
    return "\n".join(lines)
