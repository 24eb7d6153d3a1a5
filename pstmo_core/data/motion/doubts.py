"""What makes motion-capture files suspect, though they can be read: axes, sides, floor, people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.skeleton import JOINT_NAMES, ROOT

_ROWS = 5000
"""Poses that are looked at: enough for a median."""
_BENT = 0.03
"""Metres of a knee off the middle between hip and ankle: its side is sure."""
_OFF_FLOOR = 0.3
"""Metres; feet of the files that training was tried on are 3 to 8 cm above it."""


def doubts_of(paths: Sequence[Path | str], motions: Sequence[Mocap]) -> list[str]:
    """Say what is suspect in motion-capture files that are used together, a sentence each.

    Args:
        paths: the files, for the sentences.
        motions: all clips of each.
    """
    files = zip(paths, motions, strict=True)
    found = [f"{path}: {doubt}" for path, motion in files for doubt in doubts_of_motion(motion)]
    splits: dict[str, set[str]] = {}
    for motion in motions:
        for person, split in zip(motion.actor.tolist(), motion.split.tolist(), strict=True):
            if person not in ("?", ""):
                splits.setdefault(person, set()).add(split)
    if shared := sorted(name for name, of in splits.items() if "train" in of and len(of) > 1):
        names = ", ".join(shared[:3]) + (f" and {len(shared) - 3} more" if len(shared) > 3 else "")
        found.append(
            f"people of the split train are in val or test as well ({names}), "
            "so that errors measured there are too small: give each actor one split"
        )
    return found


def doubts_of_motion(motion: Mocap) -> list[str]:
    """Say what is suspect in the positions of clips, a sentence each."""
    poses = motion.positions[:: max(1, len(motion.positions) // _ROWS)]
    if not len(poses):
        return []
    found = []
    trunk = poses[:, JOINT_NAMES.index("thorax")] - poses[:, ROOT]
    upright = np.median(trunk[:, 2] / np.maximum(np.linalg.norm(trunk, axis=-1), 1e-9))
    if upright < 0.5:
        found.append(
            "most people in it are not upright along z: is another axis up, or do they lie?"
        )
    ahead = _knees_ahead(poses, trunk)
    bent = np.abs(ahead) > _BENT
    if bent.any() and (ahead[bent] > 0).mean() < 0.5:
        found.append("most knees bend backwards: are left and right swapped, or is it mirrored?")
    floor = float(np.percentile(poses[..., 2].min(-1), 5))
    if abs(floor) > _OFF_FLOOR and upright >= 0.5:
        found.append(
            f"the lowest feet are at {floor:.2f} m, but the floor is at z = 0, from which cameras' "
            "heights are counted: shift it (scripts/convert_motion --feet-on-floor)"
        )
    return found


def _knees_ahead(poses: np.ndarray, trunk: np.ndarray) -> np.ndarray:
    """Return by how many metres knees (2, N) are before the middle of hip and ankle."""
    joints = {name: poses[:, index] for index, name in enumerate(JOINT_NAMES)}
    ahead = np.cross(joints["lhip"] - joints["rhip"], trunk)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-9)
    middles = [(joints[side + "hip"] + joints[side + "ankle"]) / 2 for side in "lr"]
    knees = [joints[side + "knee"] for side in "lr"]
    return np.stack([((k - m) * ahead).sum(-1) for k, m in zip(knees, middles, strict=True)])
