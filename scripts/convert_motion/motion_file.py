"""Writes clips as a motion file, which training reads (docs/data.md has its keys)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bones import MotionError
from clips import FPS, Clip
from labels import LABELS

from pstmo_core.atomic_files import atomic_file
from pstmo_core.skeleton import JOINT_NAMES, LEFT, PARENTS, RIGHT

UNIT = 1e-4
"""Metres of one step of a stored position."""


def write_motion(path: Path, clips: Sequence[Clip]) -> None:
    """Write a motion file atomically.

    Raises:
        MotionError: if there is no clip, or a joint is farther from the hip than the format allows.
        OutputError: if it cannot be written.
    """
    if not clips:
        raise MotionError("no motion is left to be written")
    positions = np.concatenate([clip.positions for clip in clips])
    root = positions[:, 0].astype(np.float32)
    relative = np.round((positions - root[:, None]) / UNIT)
    if np.abs(relative).max() > np.iinfo(np.int16).max:
        raise MotionError("a joint is more than 3.2 m away from the hip: is --unit right?")
    lengths = np.array([len(clip.positions) for clip in clips], dtype=np.int32)
    labels: dict[str, Any] = {
        key: np.array([clip.labels.get(key, "") for clip in clips]) for key in LABELS
    }
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            rel_pos=relative.astype(np.int16),
            rel_scale=np.float64(UNIT),
            root_pos=root,
            clip_start=(np.cumsum(lengths) - lengths).astype(np.int32),
            clip_len=lengths,
            **labels,
            source_fps=np.array([clip.source_fps for clip in clips], dtype=np.int32),
            source_t0_s=np.array([clip.begin for clip in clips], dtype=np.float32),
            fps=np.int32(FPS),
            joint_names=np.array(JOINT_NAMES),
            parents=np.array(PARENTS, dtype=np.int8),
            joints_left=np.array(LEFT, dtype=np.int8),
            joints_right=np.array(RIGHT, dtype=np.int8),
        )
