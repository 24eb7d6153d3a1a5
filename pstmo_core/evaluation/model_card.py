"""The measurements of a model card, and their tables in Markdown."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch

from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.evaluation.mocap_windows import Evaluation
from pstmo_core.model.checkpoints import load_weights

#: What the input of each measurement is: name -> (camera known, faults).
CONDITIONS: dict[str, tuple[bool, DetectorNoise | None]] = {
    "clean": (True, None),
    "clean, camera not known": (False, None),
    "detector faults": (True, DetectorNoise(clean_share=0.0)),
}


def measure(weights: Path | str, mocap: Path | str, split: str, windows: int) -> dict[str, Any]:
    """Measure a weight file on a split of the motion capture.

    Returns:
        A tree of plain values: the model, the sizes, and under `rows` one record for each
        condition, look-ahead and quality class, errors in millimetres.
    """
    network = load_weights(weights)
    model = network.config
    rows = []
    for condition, (known, faults) in CONDITIONS.items():
        evaluation = Evaluation(
            mocap, split, model, torch.device("cpu"), windows=windows, camera_known=known,
            faults=faults,
        )  # fmt: skip
        for label, look_ahead in _look_aheads(model.target).items():
            for quality, scores in evaluation.measure(network, look_ahead).items():
                rows.append(
                    {"input": condition, "pose": label, "class": quality}
                    | dataclasses.asdict(scores)
                )
    return {
        "weights": Path(weights).name,
        "sha256": hashlib.sha256(Path(weights).read_bytes()).hexdigest(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "model": dataclasses.asdict(model),
        "split": split,
        "rows": rows,
    }


def _look_aheads(target: int) -> dict[str, int | None]:
    return {
        "newest frame (all-frames head)": 0,
        "centre frame (all-frames head)": target,
        "centre frame (MOFA)": None,
    }


def tables(report: dict[str, Any]) -> str:
    """Return the measurements as a Markdown table, errors in millimetres."""
    lines = [
        "| input | pose | class | MPJPE | N-MPJPE | P-MPJPE | windows |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        errors = " | ".join(f"{row[name]:.1f}" for name in ("mpjpe", "n_mpjpe", "p_mpjpe"))
        lines.append(
            f"| {row['input']} | {row['pose']} | {row['class']} | {errors} | {row['windows']} |"
        )
    return "\n".join(lines)
