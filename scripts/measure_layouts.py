"""Measures how far derived joints lie from the captured ones, in 3D: the layout tables' evidence.

    python scripts/measure_layouts.py --mocap cmu_h36m17.npz

Prints, for spine, thorax and neck, the mean distance in mm of the COCO table's entry and of the
naive mapping, on the training split without the class `daz` and on the test split's class `own`.
The capture knows no ears; its head joint, the middle of the ears, stands in for both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pstmo_core.cli.app import run_script
from pstmo_core.data.motion.detector_joints import derivation
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.skeleton import JOINT_NAMES

NAIVE = {
    "spine": {"lshoulder": 0.25, "rshoulder": 0.25, "lhip": 0.25, "rhip": 0.25},
    "thorax": {"lshoulder": 0.5, "rshoulder": 0.5},
    "neck_nose": {"lshoulder": 0.25, "rshoulder": 0.25, "head": 0.5},
}


def naive() -> np.ndarray:
    """Return (17, 17), the usual mapping."""
    matrix = np.eye(len(JOINT_NAMES))
    for name, entry in NAIVE.items():
        matrix[JOINT_NAMES.index(name)] = [entry.get(joint, 0.0) for joint in JOINT_NAMES]
    return matrix


def distance(weights: np.ndarray, poses: np.ndarray, joint: int) -> float:
    """Return the mean distance in metres of a weighted sum of joints (17,) from a joint."""
    derived = np.einsum("j,njc->nc", weights, poses)
    return float(np.linalg.norm(derived - poses[:, joint], axis=-1).mean())


def main(mocap: Annotated[Path, typer.Option(help="The motion-capture file.")]) -> None:
    """Print the table."""
    train, test = load_mocap(mocap, "train"), load_mocap(mocap, "test")
    train, test = train.select(train.quality != "daz"), test.select(test.quality == "own")
    print("| joint | table, train / test | naive, train / test |\n|---|---|---|")
    for name in NAIVE:
        joint = JOINT_NAMES.index(name)
        cells = []
        for matrix in (derivation(), naive()):
            errors = [distance(matrix[joint], part.positions, joint) for part in (train, test)]
            cells.append(" / ".join(f"{error * 1e3:.0f}" for error in errors))
        print(f"| {name} | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    run_script(main)
