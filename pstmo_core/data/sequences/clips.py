"""Your own data set: keypoint clips of this library's format with true poses (docs/formats.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pstmo_core.data.sequences.pose_dataset import (
    H36M,
    DatasetError,
    PoseDataset,
    PoseSequence,
    check_pixels,
    check_size,
)
from pstmo_core.keypoints.clip import load_clip
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.keypoints.recorded import Clip
from pstmo_core.skeleton import ROOT

#: A step of the stamps that is so much longer than the usual one is a gap.
_GAP = 1.5


def load_clips(path: Path | str) -> PoseDataset:
    """Load a clip, or all clips (npz) in a folder; each person's frames with truth are sequences.

    Frames without truth and gaps between stamps part sequences. The detector's points become the
    17 joints as in streams; one that was not seen keeps its last position. `action` is the file's
    name without suffix, `subject` the person's id.

    Raises:
        DatasetError: if there is no clip, or none with truth in metres.
        ClipError: if a file is no clip.
    """
    path = Path(path)
    files = sorted(path.glob("*.npz")) if path.is_dir() else [path]
    if not files:
        raise DatasetError(f"{path}: holds no clips, files named *.npz (docs/formats.md)")
    sequences = [each for file in files for each in _of_clip(load_clip(file), file)]
    return PoseDataset("clips", tuple(sequences), H36M, H36M)


def _of_clip(clip: Clip, path: Path) -> Iterator[PoseSequence]:
    if clip.truth is None:
        raise DatasetError(f"{path}: has no key 'truth', the poses to train on or measure against")
    steps = np.diff(clip.stamps)
    usual = float(np.median(steps)) if len(steps) else 0.0
    if usual <= 0:
        raise DatasetError(f"{path}: needs two frames or more, with stamps that increase")
    together = (steps > 0) & (steps < _GAP * usual)
    points, scores = get_layout(clip.layout).convert(clip.keypoints, clip.scores)
    found = 0
    for person, name in enumerate(clip.ids):
        known = np.isfinite(clip.truth[:, person]).all((1, 2)) & (scores[:, person] > 0).any(-1)
        for first, end in _runs(known, together):
            seen = scores[first:end, person]
            keypoints = _held(points[first:end, person], seen)
            where = f"{path}: {name!r}"
            check_pixels(keypoints, where)
            poses = clip.truth[first:end, person]
            poses = (poses - poses[:, ROOT : ROOT + 1]).astype(np.float32)
            check_size(poses, f"{where} 'truth'", "metres")
            found += 1
            yield PoseSequence(
                name=f"{path.stem}/{name}/{first}",
                keypoints=keypoints,
                width=clip.width,
                height=clip.height,
                valid=np.ones(end - first, dtype=bool),
                poses=poses,
                scores=seen,
                fps=round(1e9 / usual, 2),
                subject=name,
                action=path.stem,
            )
    if not found:
        raise DatasetError(f"{path}: no person has both keypoints and truth in any frame")


def _runs(known: np.ndarray, together: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield first and end row of each run of a mask (F,), which gaps (F - 1,) part, too."""
    begins = known & ~np.concatenate([[False], known[:-1] & together])
    ends = known & ~np.concatenate([known[1:] & together, [False]])
    for first, last in zip(np.flatnonzero(begins), np.flatnonzero(ends), strict=True):
        yield int(first), int(last) + 1


def _held(points: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give joints that were not seen, of (n, 17, 2), their last position, or else their first.

    One that is never seen lies in the middle of the others.
    """
    seen = scores > 0
    rows = np.where(seen, np.arange(len(points))[:, None], -1)
    last = np.maximum.accumulate(rows, axis=0)
    held = np.where(last >= 0, last, seen.argmax(0))
    filled = np.take_along_axis(points, held[..., None], axis=0)
    filled[:, ~seen.any(0)] = points[seen].mean(0)
    return np.ascontiguousarray(filled, dtype=np.float32)
