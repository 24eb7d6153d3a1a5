"""Human3.6M, from the npz files that VideoPose3D's preparation scripts make (paper, section 4.1.1).

`data_3d_h36m.npz` holds 32 joints of motion capture in the world, in metres; a `data_2d_h36m_*.npz`
holds keypoints of the four cameras: `gt` (projected truth), `cpn_ft_h36m_dbb` (the detector of the
paper's tables) or `detectron_pt_coco` (COCO points).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.data.sequences.h36m_cameras import CAMERAS, SUBJECTS, h36m_camera
from pstmo_core.data.sequences.pose_dataset import (
    COCO,
    H36M,
    DatasetError,
    JointOrder,
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

TRAIN_SUBJECTS = ("S1", "S5", "S6", "S7", "S8")
TEST_SUBJECTS = ("S9", "S11")
SPLITS: dict[str, tuple[str, ...]] = {"train": TRAIN_SUBJECTS, "test": TEST_SUBJECTS}
FPS = 50.0
#: The 15 actions in the order of the columns of the paper's Table 1, and what these are called.
ACTIONS: dict[str, str] = {
    "Directions": "Dir.", "Discussion": "Disc.", "Eating": "Eat", "Greeting": "Greet",
    "Phoning": "Phone", "Photo": "Photo", "Posing": "Pose", "Purchases": "Pur.",
    "Sitting": "Sit", "SittingDown": "SitD.", "Smoking": "Smoke", "Waiting": "Wait",
    "WalkDog": "WalkD.", "Walking": "Walk", "WalkTogether": "WalkT.",
}  # fmt: skip
CAPTURED_JOINTS = 32
DROPPED = (4, 5, 9, 10, 11, 16, 20, 21, 22, 23, 24, 28, 29, 30, 31)
#: The 17 of the 32 captured joints that are `H36M`, shoulders re-parented to the thorax.
KEPT = tuple(joint for joint in range(CAPTURED_JOINTS) if joint not in DROPPED)
#: The video of this take is corrupt; everybody leaves it out.
LEFT_OUT = ("S11", "Directions")


@dataclass(frozen=True, eq=False)
class H36MKeypoints:
    """The content of a file of keypoints."""

    order: JointOrder
    takes: dict[tuple[str, str], tuple[np.ndarray, ...]]
    """Subject and action -> four arrays (n, 17, 2 or 3) float32: pixels, and maybe a score."""


def load_h36m(
    poses: Path | str,
    keypoints: Path | str,
    split: str | None = None,
    subjects: Collection[str] | None = None,
) -> PoseDataset:
    """Load Human3.6M: each take of each camera is a sequence.

    Poses are in the camera's frame, relative to the hip; `action` of a sequence is the action
    without the take's number ("Directions" for "Directions 1"), as results are averaged over.

    Args:
        poses: `data_3d_h36m.npz`.
        keypoints: a `data_2d_h36m_*.npz`.
        split: `train` (S1, S5, S6, S7, S8) or `test` (S9, S11).
        subjects: instead of a split; without both, all subjects of the file of poses.

    Raises:
        DatasetError: if the files are not such files or do not fit each other; it names subject,
            action and camera.
        UnpickleError: if a file cannot be read, or is hostile.
    """
    captured = read_h36m_poses(poses)
    detected = read_h36m_keypoints(keypoints)
    if split is not None:
        if split not in SPLITS or subjects is not None:
            raise DatasetError(f"split is {split!r}: give one of {tuple(SPLITS)}, or subjects")
        subjects = SPLITS[split]
    present = list(dict.fromkeys(subject for subject, _ in captured))
    missing = [subject for subject in subjects or () if subject not in present]
    if missing:
        raise DatasetError(
            f"{poses}: has no subject {', '.join(missing)}, only {', '.join(present)}: choose "
            "among these, or create the file again"
        )
    check_pair(captured, detected, str(keypoints), subjects or present)
    sequences = [
        _sequence(subject, action, index, world, detected)
        for (subject, action), world in captured.items()
        if subject in (subjects or present)
        for index in range(len(CAMERAS))
    ]
    return PoseDataset("Human3.6M", tuple(sequences), detected.order, H36M)


def read_h36m_poses(path: Path | str) -> dict[tuple[str, str], np.ndarray]:
    """Read `data_3d_h36m.npz`.

    Returns:
        Subject and action -> (n, 17, 3) float32 metres, world, without S11's corrupt take.

    Raises:
        DatasetError: if it is no such file.
        UnpickleError: if it cannot be read, or is hostile.
    """
    return parse_h36m_poses(read_npz(path), str(path))


def parse_h36m_poses(content: dict[str, Any], path: str) -> dict[tuple[str, str], np.ndarray]:
    """Do what `read_h36m_poses` does, of content that was read already."""
    whole = require_key(content, "positions_3d", f"{path}:")
    takes = {}
    for subject, action, positions in _takes(whole, f"{path}: 'positions_3d'"):
        where = f"{path}: {subject} {action!r}"
        if subject not in SUBJECTS:
            raise DatasetError(
                f"{where}: the cameras of {subject} are not known, only those of "
                f"{', '.join(SUBJECTS)}: leave this subject out of the file"
            )
        if (subject, action) == LEFT_OUT:
            continue
        kept = check_array(positions, where, (CAPTURED_JOINTS, 3))[:, KEPT]
        check_size(kept - kept[:, :1], where, "metres")
        takes[subject, action] = kept
    return takes


def read_h36m_keypoints(path: Path | str) -> H36MKeypoints:
    """Read a `data_2d_h36m_*.npz`.

    Raises:
        DatasetError: if it is no such file.
        UnpickleError: if it cannot be read, or is hostile.
    """
    return parse_h36m_keypoints(read_npz(path), str(path))


def parse_h36m_keypoints(content: dict[str, Any], path: str) -> H36MKeypoints:
    """Do what `read_h36m_keypoints` does, of content that was read already."""
    whole = require_key(content, "positions_2d", f"{path}:")
    metadata = require_key(content, "metadata", f"{path}:")
    takes = {}
    for subject, action, cameras in _takes(whole, f"{path}: 'positions_2d'"):
        if not isinstance(cameras, (list, tuple, np.ndarray)) or len(cameras) != len(CAMERAS):
            count = f"{len(cameras)}" if isinstance(cameras, (list, tuple, np.ndarray)) else "no"
            raise DatasetError(
                f"{path}: {subject} {action!r} has {count} cameras, but must have a list of "
                f"{len(CAMERAS)}: create the file again"
            )
        takes[subject, action] = tuple(
            _keypoints(points, f"{path}: {subject} {action!r} camera {name}")
            for name, points in zip(CAMERAS, cameras, strict=True)
        )
    return H36MKeypoints(keypoint_order(metadata, f"{path}: 'metadata'"), takes)


def keypoint_order(metadata: Any, where: str) -> JointOrder:
    """Return what the 17 points are, by the sides that `keypoints_symmetry` lists.

    Raises:
        DatasetError: if they are neither Human3.6M's nor COCO's.
    """
    sides = require_key(
        require_mapping(metadata, where, "facts on the keypoints"), "keypoints_symmetry", where
    )
    try:
        found = tuple(tuple(sorted(map(int, side))) for side in sides)
    except (TypeError, ValueError, OverflowError):
        found = ()
    for order in (H36M, COCO):
        if found == (order.left, order.right):
            return order
    raise DatasetError(
        f"{where}: 'keypoints_symmetry' is {sides!r}, which is neither Human3.6M's order of 17 "
        "joints nor COCO's: convert the keypoints to one of them"
    )


def check_pair(
    poses: dict[tuple[str, str], np.ndarray],
    keypoints: H36MKeypoints,
    path: str,
    subjects: Collection[str],
) -> None:
    """Refuse keypoints that lack a take of the poses, or frames of one.

    Raises:
        DatasetError: naming subject, action and camera.
    """
    for (subject, action), world in poses.items():
        if subject not in subjects:
            continue
        if (subject, action) not in keypoints.takes:
            raise DatasetError(
                f"{path}: has no keypoints of {subject} {action!r}, which the poses have: use "
                "files that were made together"
            )
        for name, points in zip(CAMERAS, keypoints.takes[subject, action], strict=True):
            if len(points) < len(world):
                raise DatasetError(
                    f"{path}: {subject} {action!r} camera {name} has {len(points)} frames of "
                    f"keypoints, but the poses have {len(world)}: use files that were made together"
                )


def _sequence(
    subject: str, action: str, index: int, world: np.ndarray, detected: H36MKeypoints
) -> PoseSequence:
    camera = h36m_camera(subject, index)
    # Some videos go on after the motion capture ends.
    points = detected.takes[subject, action][index][: len(world)]
    poses, root = relative_to_root(camera.to_camera(world.astype(np.float64)), H36M)
    return PoseSequence(
        name=f"{subject}/{action}/{camera.name}",
        keypoints=np.ascontiguousarray(points[..., :2]),
        scores=points[..., 2] if points.shape[-1] == 3 else None,
        width=camera.width,
        height=camera.height,
        valid=np.ones(len(points), dtype=bool),
        poses=poses,
        root=root,
        intrinsics=camera.intrinsics,
        fps=FPS,
        subject=subject,
        action=action.partition(" ")[0],
        camera=camera.name,
    )


def _keypoints(points: Any, where: str) -> np.ndarray:
    array = check_array(points, where, (len(H36M.joint_names), (2, 3)))
    check_pixels(array[..., :2], where)
    return array


def _takes(whole: Any, where: str) -> list[tuple[str, str, Any]]:
    """Flatten subject -> action -> content."""
    subjects = require_mapping(whole, where, "subjects")
    return [
        (subject, action, content)
        for subject, actions in subjects.items()
        for action, content in require_mapping(actions, f"{where} {subject}", "actions").items()
    ]
