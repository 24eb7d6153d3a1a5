"""Keypoint files of different parts of the shipped sample."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pstmo_core.keypoints.clip import load_clip, sample_path, save_clip


def write_clips(folder: Path, count: int, frames: int = 40) -> list[Path]:
    """Write different parts of the sample as files of their own."""
    folder.mkdir(exist_ok=True)
    clip, paths = load_clip(sample_path()), []
    for number in range(count):
        rows = slice(5 * number, 5 * number + frames)
        part = dataclasses.replace(
            clip, keypoints=clip.keypoints[rows], scores=clip.scores[rows],
            stamps=clip.stamps[rows], truth=None,
        )  # fmt: skip
        paths.append(folder / f"clip{number}.npz")
        save_clip(part, paths[-1])
    return paths
