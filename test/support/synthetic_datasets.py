"""Tiny files in the formats of the benchmark data sets, for tests and for trying the tools.

A jointed figure that swings its limbs takes the place of people: keypoints, poses and cameras fit
each other as in the real files, so that what a reader makes of them can be checked. No number in
them says anything about people.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.data.sequences import mpi_inf_3dhp
from pstmo_core.data.sequences.h36m import CAPTURED_JOINTS, KEPT
from pstmo_core.data.sequences.h36m_cameras import CAMERAS, h36m_camera
from pstmo_core.data.sequences.pose_dataset import COCO, H36M, MPI_INF_3DHP, JointOrder
from pstmo_core.skeleton import JOINT_NAMES

#: Sizes of 2D files of Human3.6M: extra frames after the mocap's end, and columns.
_KINDS = {"gt": (0, 2), "cpn_ft_h36m_dbb": (3, 2), "detectron_pt_coco": (0, 3)}
#: The standing figure, metres: x to its left, y backwards, z up from the hip.
_STANDING: dict[str, tuple[float, float, float]] = {
    "hip": (0, 0, 0),
    "rhip": (-0.13, 0, 0), "rknee": (-0.13, 0, -0.44), "rankle": (-0.13, 0, -0.88),
    "lhip": (0.13, 0, 0), "lknee": (0.13, 0, -0.44), "lankle": (0.13, 0, -0.88),
    "spine": (0, 0, 0.23), "thorax": (0, 0, 0.48), "neck_nose": (0, -0.06, 0.58),
    "head": (0, -0.02, 0.70),
    "lshoulder": (0.15, 0, 0.45), "lelbow": (0.20, 0, 0.18), "lwrist": (0.20, -0.10, -0.05),
    "rshoulder": (-0.15, 0, 0.45), "relbow": (-0.20, 0, 0.18), "rwrist": (-0.20, -0.10, -0.05),
}  # fmt: skip
#: Where the other orders have a joint that is not one of the 17, the nearest stands for it.
_STAND_INS = {
    "head_top": "head", "neck": "thorax", "pelvis": "hip",
    "nose": "neck_nose", "leye": "head", "reye": "head", "lear": "head", "rear": "head",
}  # fmt: skip


def figure(frames: int, seed: int = 0) -> np.ndarray:
    """Return a figure that walks on the spot and turns, (frames, 17, 3) metres, z up."""
    rng = np.random.default_rng(seed)
    pose = np.array([_STANDING[name] for name in JOINT_NAMES])
    time = np.arange(frames)[:, None] / 50 + rng.uniform(0, 2)
    side = np.array([(name[0] == "l") - (name[0] == "r") for name in JOINT_NAMES])
    reach = np.array([np.linalg.norm(pose[j] - pose[0]) * 0.25 for j in range(len(pose))])
    arms = np.array([name.endswith(("elbow", "wrist")) for name in JOINT_NAMES])
    swing = np.sin(2 * np.pi * time) * side * reach * np.where(arms, -1, 1)
    moved = np.repeat(pose[None], frames, 0)
    moved[..., 1] += swing
    turn = 0.5 * time[:, 0] + rng.uniform(0, 2 * np.pi)
    cos, sin, zero = np.cos(turn), np.sin(turn), np.zeros(frames)
    rotation = np.stack([cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1], -1)
    path = np.stack([0.2 * np.cos(turn), 0.2 * np.sin(turn), zero + 0.9], -1)
    return moved @ rotation.reshape(-1, 3, 3).swapaxes(1, 2) + path[:, None]


def write_h36m(
    folder: Path,
    keypoints: str = "gt",
    subjects: Sequence[str] = ("S1", "S9"),
    actions: Sequence[str] = ("Directions 1", "Walking"),
    frames: int = 20,
) -> tuple[Path, Path]:
    """Write `data_3d_h36m.npz` and a `data_2d_h36m_*.npz`; return their paths.

    Args:
        folder: where to.
        keypoints: `gt`, `cpn_ft_h36m_dbb` (3 frames longer than the motion capture) or
            `detectron_pt_coco` (COCO points with scores).
        subjects: subjects with known cameras.
        actions: takes of each.
        frames: frames of the first take; each further one has one more.
    """
    extra, columns = _KINDS[keypoints]
    order = COCO if columns == 3 else H36M
    positions: dict[str, dict[str, np.ndarray]] = {subject: {} for subject in subjects}
    points: dict[str, dict[str, list[np.ndarray]]] = {subject: {} for subject in subjects}
    for rank, subject in enumerate(subjects):
        for take, action in enumerate(actions):
            length = frames + take
            world = figure(length + extra, seed=10 * rank + take)
            captured = np.zeros((length, CAPTURED_JOINTS, 3), np.float32)
            captured[:, KEPT] = world[:length]
            positions[subject][action] = captured
            points[subject][action] = [
                _scored(_project_h36m(world, subject, index, order), columns)
                for index in range(len(CAMERAS))
            ]
    poses_file = folder / "data_3d_h36m.npz"
    keypoints_file = folder / f"data_2d_h36m_{keypoints}.npz"
    save_pickled(poses_file, positions_3d=positions)
    save_pickled(keypoints_file, positions_2d=points, metadata=_metadata(order))
    return poses_file, keypoints_file


def write_3dhp_train(
    folder: Path,
    sequences: Sequence[str] = ("S1 Seq1", "S2 Seq2"),
    cameras: Sequence[str] = mpi_inf_3dhp.CAMERAS,
    frames: int = 20,
) -> Path:
    """Write `data_train_3dhp.npz`; return its path."""
    data = {
        name: [
            {camera: _3dhp(frames, (2048, 2048), seed=i) for i, camera in enumerate(cameras)},
            25,
        ]
        for name in sequences
    }
    path = folder / "data_train_3dhp.npz"
    save_pickled(path, data=data)
    return path


def write_3dhp_test(folder: Path, frames: int = 20) -> Path:
    """Write `data_test_3dhp.npz`, every third frame not valid; return its path."""
    data = {
        name: {**_3dhp(frames, size, seed=i), "valid": (np.arange(frames) % 3 > 0).astype(float)}
        for i, (name, size) in enumerate(mpi_inf_3dhp.TEST_SIZES.items())
    }
    path = folder / "data_test_3dhp.npz"
    save_pickled(path, data=data)
    return path


def write_wild(folder: Path, frames: int = 20) -> tuple[Path, Path]:
    """Write both shapes of in-the-wild files; return the paths of `kpts` and `positions_2d`."""
    points = _project_h36m(figure(frames), "S1", 0, COCO).astype(np.float32)
    single, several = folder / "kpts.npz", folder / "data_2d_custom_wild.npz"
    np.savez_compressed(single, kpts=points)
    sizes = {"video_metadata": {"dance": {"w": 1000, "h": 1002}}}
    save_pickled(
        several,
        positions_2d={"dance": {"custom": [points]}},
        metadata={**_metadata(COCO), **sizes},
    )
    return single, several


def save_pickled(path: Path, **content: Any) -> None:
    """Write an npz whose entries are pickled objects, as the preparation scripts do."""
    arrays: dict[str, Any] = {name: np.array(None, dtype=object) for name in content}
    for name, value in content.items():
        arrays[name][()] = value
    np.savez_compressed(path, **arrays)


def reorder(figures: np.ndarray, order: JointOrder) -> np.ndarray:
    """Turn the 17 joints (..., 17, d) into another order, the nearest joint standing for others."""
    names = [_STAND_INS.get(name, name) for name in order.joint_names]
    return figures[..., [JOINT_NAMES.index(name) for name in names], :]


def _project_h36m(world: np.ndarray, subject: str, index: int, order: JointOrder) -> np.ndarray:
    camera = h36m_camera(subject, index)
    joints = world if order is H36M else reorder(world, order)
    return camera.project(camera.to_camera(joints))


def _scored(points: np.ndarray, columns: int) -> np.ndarray:
    if columns == 3:
        points = np.concatenate([points, np.full_like(points[..., :1], 0.9)], -1)
    return points.astype(np.float32)


def _metadata(order: JointOrder) -> dict[str, Any]:
    return {
        "layout_name": "coco" if order is COCO else "h36m",
        "num_joints": len(order.joint_names),
        "keypoints_symmetry": [list(order.left), list(order.right)],
    }


def _3dhp(frames: int, size: tuple[int, int], seed: int) -> dict[str, np.ndarray]:
    """One sequence 4 m before a level camera, in millimetres and pixels."""
    world = reorder(figure(frames, seed), MPI_INF_3DHP)
    in_camera = world[..., [0, 2, 1]] * (1, -1, 1) + (0, 0.9, 4)
    pixels = in_camera[..., :2] / in_camera[..., 2:] * 1500 + np.array(size) / 2
    return {"data_2d": pixels.astype(np.float32), "data_3d": (in_camera * 1000).astype(np.float32)}
