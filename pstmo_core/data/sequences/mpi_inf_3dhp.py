"""MPI-INF-3DHP, from the npz files that the paper's authors' preparation scripts make.

Millimetres become metres; the root is joint 14, the pelvis. PCK and AUC count the 14 joints of
`MPI_INF_3DHP.pck_joints` (all but pelvis, spine and head), MPJPE all 17; results of test sequences
are averaged by their frames, valid ones only (paper, section 4.1.2 and Table 2).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.data.sequences.pose_dataset import (
    MPI_INF_3DHP,
    DatasetError,
    PoseDataset,
    PoseSequence,
    check_array,
    check_pixels,
    check_size,
    relative_to_root,
    require_key,
    require_mapping,
)
from pstmo_core.keypoints.npz.safe_unpickle import read_npz

#: Cameras that the training file may have.
CAMERAS = ("0", "1", "2", "4", "5", "6", "7", "8")
TRAIN_SIZE = (2048, 2048)
#: Width and height of the test sequences.
TEST_SIZES: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("TS1", "TS2", "TS3", "TS4"), (2048, 2048)),
    **dict.fromkeys(("TS5", "TS6"), (1920, 1080)),
}
_JOINTS = len(MPI_INF_3DHP.joint_names)


def load_3dhp(path: Path | str) -> PoseDataset:
    """Load `data_train_3dhp.npz` or `data_test_3dhp.npz`, whichever it is.

    Training sequences are named `S1/Seq1/0` (subject, sequence, camera) and know their frame rate;
    test sequences `TS1` to `TS6`, whose rate the file does not say. `action` is the sequence.
    Poses are the file's `data_3d`: the data set's skeletons scaled to one size.

    Raises:
        DatasetError: if it is no such file; it names sequence and camera.
        UnpickleError: if the file cannot be read, or is hostile.
    """
    return parse_3dhp(read_npz(path), str(path))


def parse_3dhp(content: dict[str, Any], path: str) -> PoseDataset:
    """Do what `load_3dhp` does, of content that was read already."""
    whole = require_mapping(
        require_key(content, "data", f"{path}:"), f"{path}: 'data'", "sequences"
    )
    if all(isinstance(entry, dict) for entry in whole.values()):
        return _parse_test(whole, path)
    return _parse_train(whole, path)


def _parse_train(whole: dict[str, Any], path: str) -> PoseDataset:
    sequences = []
    for name, entry in whole.items():
        where = f"{path}: {name!r}"
        subject, _, action = name.partition(" ")
        if not action:
            raise DatasetError(f"{where} must be subject and sequence, like 'S1 Seq1': rename it")
        cameras, fps = _cameras_and_rate(entry, where)
        for camera, content in cameras.items():
            here = f"{where} camera {camera}"
            if camera not in CAMERAS:
                raise DatasetError(f"{here}: cameras are named {', '.join(CAMERAS)}: rename it")
            sequences.append(
                _sequence(
                    content,
                    here,
                    TRAIN_SIZE,
                    name=f"{subject}/{action}/{camera}",
                    fps=fps,
                    subject=subject,
                    action=action,
                    camera=camera,
                )
            )
    return PoseDataset("MPI-INF-3DHP train", tuple(sequences), MPI_INF_3DHP, MPI_INF_3DHP)


def _parse_test(whole: dict[str, Any], path: str) -> PoseDataset:
    sequences = []
    for name, content in whole.items():
        where = f"{path}: {name!r}"
        if name not in TEST_SIZES:
            raise DatasetError(
                f"{where} is not a test sequence: those are {', '.join(TEST_SIZES)}, whose image "
                "sizes are known; rename or remove it"
            )
        sequences.append(
            _sequence(
                content,
                where,
                TEST_SIZES[name],
                marked=True,
                name=name,
                subject=name,
                action=name,
            )
        )
    return PoseDataset("MPI-INF-3DHP test", tuple(sequences), MPI_INF_3DHP, MPI_INF_3DHP)


def _cameras_and_rate(entry: Any, where: str) -> tuple[dict[str, Any], float]:
    if not isinstance(entry, (list, tuple, np.ndarray)) or len(entry) != 2:
        raise DatasetError(
            f"{where} must be a list of cameras and frame rate: create the file again"
        )
    cameras = require_mapping(entry[0], where, "cameras")
    try:
        fps = float(entry[1])
    except (TypeError, ValueError):
        fps = np.nan
    if not 0 < fps < np.inf:
        raise DatasetError(f"{where} has the frame rate {entry[1]!r}, but must have one above 0")
    return cameras, fps


def _sequence(
    content: Any, where: str, size: tuple[int, int], *, marked: bool = False, **labels: Any
) -> PoseSequence:
    """Read one sequence; `marked` ones say which of their frames are valid."""
    fields = require_mapping(content, where, "arrays")
    keypoints = check_array(
        require_key(fields, "data_2d", where), f"{where} 'data_2d'", (_JOINTS, 2)
    )
    check_pixels(keypoints, f"{where} 'data_2d'")
    millimetres = check_array(
        require_key(fields, "data_3d", where), f"{where} 'data_3d'", (_JOINTS, 3)
    )
    if len(millimetres) != len(keypoints):
        raise DatasetError(
            f"{where} has {len(keypoints)} frames of keypoints, but {len(millimetres)} of poses: "
            "create the file again"
        )
    poses, root = relative_to_root(millimetres.astype(np.float64) / 1000, MPI_INF_3DHP)
    check_size(poses, f"{where} 'data_3d'", "millimetres")
    frames = len(keypoints)
    return PoseSequence(
        keypoints=keypoints,
        width=size[0],
        height=size[1],
        valid=_valid(fields, where, frames) if marked else np.ones(frames, dtype=bool),
        poses=poses,
        root=root,
        **labels,
    )


def _valid(fields: dict[str, Any], where: str, frames: int) -> np.ndarray:
    """Return which frames (n,) are valid."""
    marks = np.asarray(require_key(fields, "valid", where)).reshape(-1)
    if marks.dtype.kind not in "biuf" or not np.isin(marks, (0, 1)).all():
        raise DatasetError(f"{where} 'valid' must be 0 or 1 for each frame: create the file again")
    if len(marks) != frames:
        raise DatasetError(
            f"{where} has {frames} frames, but {len(marks)} marks in 'valid': create the file again"
        )
    if not marks.any():
        raise DatasetError(f"{where} has no valid frame: leave it out of the file")
    return marks.astype(bool)
