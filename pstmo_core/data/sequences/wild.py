"""Keypoints of videos in the wild, from npz files of the kind that VideoPose3D and the authors use.

Two shapes are met: `kpts` (n, 17, 2) of one video, written by detectors' scripts; and
`positions_2d[video]['custom']` with the videos' sizes in `metadata`. Both hold COCO points unless
they say otherwise. There is no 3D truth.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.data.sequences.h36m import keypoint_order
from pstmo_core.data.sequences.pose_dataset import (
    COCO,
    DatasetError,
    JointOrder,
    PoseDataset,
    PoseSequence,
    check_array,
    check_pixels,
    require_key,
    require_mapping,
)
from pstmo_core.keypoints.npz.safe_unpickle import read_npz


def load_wild(
    path: Path | str,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    order: JointOrder | None = None,
) -> PoseDataset:
    """Load keypoints of videos; each video is a sequence, named after it or after the file.

    Args:
        path: the npz file.
        size: image width and height in pixels; needed for `kpts`, which does not say them.
        fps: frames per second, which no such file says.
        order: what the 17 points are; by default what the file says, or COCO's.

    Raises:
        DatasetError: if it is no such file, or the size is not known.
        UnpickleError: if the file cannot be read, or is hostile.
    """
    return parse_wild(read_npz(path), str(path), size, fps, order)


def parse_wild(
    content: dict[str, Any],
    path: str,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    order: JointOrder | None = None,
) -> PoseDataset:
    """Do what `load_wild` does, of content that was read already."""
    if "kpts" in content:
        arrays = {Path(path).stem: (content["kpts"], size, f"{path}: 'kpts'")}
        found = COCO
    else:
        arrays = _videos(content, size, path)
        found = keypoint_order(content["metadata"], f"{path}: 'metadata'")
    sequences = [
        _sequence(name, points, pixels, fps, where)
        for name, (points, pixels, where) in arrays.items()
    ]
    return PoseDataset("in the wild", tuple(sequences), order or found, None)


def _videos(
    content: dict[str, Any], size: tuple[int, int] | None, path: str
) -> dict[str, tuple[Any, tuple[int, int] | None, str]]:
    """Return the arrays, sizes and locations of a file of several videos."""
    whole = require_mapping(
        require_key(content, "positions_2d", f"{path}:"), f"{path}: 'positions_2d'", "videos"
    )
    metadata = require_mapping(
        require_key(content, "metadata", f"{path}:"), f"{path}: 'metadata'", "facts on the videos"
    )
    sizes = metadata.get("video_metadata", {})
    arrays = {}
    for video, entry in whole.items():
        where = f"{path}: video {video!r}"
        tracks = require_key(require_mapping(entry, where, "tracks"), "custom", where)
        if not isinstance(tracks, (list, tuple, np.ndarray)) or len(tracks) == 0:
            raise DatasetError(f"{where} must have a list of arrays as 'custom': create it again")
        for index, points in enumerate(tracks):
            name = video if len(tracks) == 1 else f"{video}/{index}"
            arrays[name] = (points, size or _size(sizes, video, where), where)
    return arrays


def _size(sizes: Any, video: str, where: str) -> tuple[int, int] | None:
    """Return what the metadata say of a video's size; None if nothing."""
    if not isinstance(sizes, dict) or video not in sizes:
        return None
    entry = require_mapping(sizes[video], f"{where} metadata", "w and h")
    width, height = (require_key(entry, key, f"{where} metadata") for key in "wh")
    try:
        return int(width), int(height)
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError(f"{where} metadata: w and h must be numbers of pixels") from error


def _sequence(
    name: str, points: Any, size: tuple[int, int] | None, fps: float | None, where: str
) -> PoseSequence:
    array = check_array(points, where, (len(COCO.joint_names), (2, 3)))
    check_pixels(array[..., :2], where)
    if size is None:
        raise DatasetError(f"{where} does not say the image size: give width and height")
    if min(size) <= 0:
        raise DatasetError(f"{where} has the image size {size[0]} x {size[1]}: give the right one")
    return PoseSequence(
        name=name,
        keypoints=np.ascontiguousarray(array[..., :2]),
        scores=array[..., 2] if array.shape[-1] == 3 else None,
        width=size[0],
        height=size[1],
        valid=np.ones(len(array), dtype=bool),
        fps=fps,
        subject=name,
        action=name,
    )
