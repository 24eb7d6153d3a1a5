"""The interface of all data sets: named sequences of one person seen by one camera.

Readers (`h36m`, `mpi_inf_3dhp`, `wild`, `mocap`) make a `PoseDataset` of their files;
windows, training and evaluation know nothing else of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pstmo_core import skeleton
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.layouts import coco17
from pstmo_core.model.trained_on import TrainedOn
from pstmo_core.skeleton import BODY_SIZE


class DatasetError(PstmoError):
    """A data set that cannot be used; says where, in which file, what is wrong and what to do."""


@dataclass(frozen=True)
class JointOrder:
    """The meaning of the J rows of keypoints or poses."""

    name: str
    joint_names: tuple[str, ...]
    root: int | None
    """The joint to which poses are relative; None where keypoints have no such point."""
    left: tuple[int, ...]
    """Joints of the left side."""
    right: tuple[int, ...]
    """Their counterparts, in the same order."""
    parents: tuple[int, ...] | None = None
    """Parent of each joint, -1 for the root; None for keypoints that are no tree."""
    pck_joints: tuple[int, ...] | None = None
    """The joints that PCK and AUC count; None = all."""

    def mirror_order(self) -> np.ndarray:
        """Return the joint order (J,) that swaps left and right."""
        return skeleton.mirror_order(self.left, self.right, len(self.joint_names))


H36M = JointOrder(
    "h36m17",
    skeleton.JOINT_NAMES,
    root=skeleton.ROOT,
    left=skeleton.LEFT,
    right=skeleton.RIGHT,
    parents=skeleton.PARENTS,
)
MPI_INF_3DHP = JointOrder(
    "mpi_inf_3dhp17",
    (
        "head_top", "neck", "rshoulder", "relbow", "rwrist", "lshoulder", "lelbow", "lwrist",
        "rhip", "rknee", "rankle", "lhip", "lknee", "lankle", "pelvis", "spine", "head",
    ),
    root=14,
    left=(5, 6, 7, 11, 12, 13),
    right=(2, 3, 4, 8, 9, 10),
    parents=(1, 15, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, -1, 14, 1),
    pck_joints=tuple(range(14)),
)  # fmt: skip
COCO = JointOrder(
    "coco17",
    coco17.POINTS,
    root=None,
    left=(1, 3, 5, 7, 9, 11, 13, 15),
    right=(2, 4, 6, 8, 10, 12, 14, 16),
)


@dataclass(frozen=True, eq=False, repr=False)
class PoseSequence:
    """One person seen by one camera in n frames."""

    name: str
    """Unique in its data set, e.g. `S9/Directions 1/54138969`."""
    keypoints: np.ndarray
    """(n, J, 2) float32 pixels, all finite."""
    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""
    valid: np.ndarray
    """(n,) bool; evaluation counts these frames only, windows use all."""
    poses: np.ndarray | None = None
    """(n, J, 3) float32 metres relative to the root joint, camera frame (x right, y down)."""
    root: np.ndarray | None = None
    """(n, 3) float32 metres, the root's path in the camera frame."""
    scores: np.ndarray | None = None
    """(n, J) float32, as the detector gave them."""
    intrinsics: np.ndarray | None = None
    """(4,) float64 pixels: focal lengths x and y, principal point x and y; lens not undistorted."""
    fps: float | None = None
    """Frames a second; None = not known."""
    subject: str = ""
    action: str = ""
    camera: str = ""

    def __len__(self) -> int:
        """Return the number of frames n."""
        return len(self.keypoints)

    def __repr__(self) -> str:
        return f"PoseSequence({self.name!r}, {len(self)} frames, {self.width}x{self.height})"


@dataclass(frozen=True, eq=False, repr=False)
class PoseDataset:
    """Sequences that share their joints."""

    name: str
    sequences: tuple[PoseSequence, ...]
    keypoint_order: JointOrder
    """What the rows of keypoints are."""
    pose_order: JointOrder | None
    """What the rows of poses are; None without truth."""

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.sequences)

    def __iter__(self) -> Iterator[PoseSequence]:
        return iter(self.sequences)

    def __repr__(self) -> str:
        return f"PoseDataset({self.name!r}, {len(self)} sequences, {self.frames} frames)"

    @property
    def joints(self) -> TrainedOn:
        """Return what a network that is trained on these data states."""
        return TrainedOn(self.keypoint_order.name, self.pose_order.name if self.pose_order else "")

    @property
    def frames(self) -> int:
        """Return the number of frames of all sequences."""
        return sum(len(sequence) for sequence in self.sequences)

    def labels(self, field: str) -> tuple[str, ...]:
        """Return a label of every sequence: `subject`, `action`, `camera` or `name`."""
        return tuple(getattr(sequence, field) for sequence in self.sequences)

    def select(
        self,
        subjects: Collection[str] | None = None,
        actions: Collection[str] | None = None,
        cameras: Collection[str] | None = None,
    ) -> PoseDataset:
        """Return the sequences with these labels; None = any.

        Raises:
            DatasetError: if none is left, or a label does not occur.
        """
        kept = self.sequences
        wanted = {"subject": subjects, "action": actions, "camera": cameras}
        for field, labels in wanted.items():
            if labels is None:
                continue
            known = set(self.labels(field))
            unknown = sorted(set(labels) - known)
            if unknown:
                raise DatasetError(
                    f"{self.name}: no {field} is named {', '.join(unknown)}: choose from "
                    f"{', '.join(sorted(known))}"
                )
            kept = tuple(s for s in kept if getattr(s, field) in labels)
        if not kept:
            raise DatasetError(f"{self.name}: no sequence has all of these labels: choose fewer")
        return replace(self, sequences=kept)


def check_array(value: Any, where: str, shape: tuple[int | tuple[int, ...], ...]) -> np.ndarray:
    """Return a finite float32 array (n, *shape), n > 0, or say what is wrong with the value.

    Args:
        value: what the file holds.
        where: file, subject, action and camera, for the error.
        shape: the lengths of the axes after the first; a tuple lists those allowed.

    Raises:
        DatasetError: naming `where`.
    """
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise DatasetError(f"{where} holds no array of numbers: create the file again")
    fits = value.ndim == len(shape) + 1 and all(
        length in (allowed if isinstance(allowed, tuple) else (allowed,))
        for length, allowed in zip(value.shape[1:], shape, strict=True)
    )
    if not fits:
        asked = ", ".join(
            " or ".join(map(str, n)) if isinstance(n, tuple) else str(n) for n in shape
        )
        raise DatasetError(
            f"{where} has the shape {value.shape}, but must have (frames, {asked}): these are "
            "other joints or another file"
        )
    if len(value) == 0:
        raise DatasetError(f"{where} has no frames: leave it out of the file")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(value, dtype=np.float32)
    broken = ~np.isfinite(array)
    if broken.any():
        frame, joint = np.argwhere(broken)[0][:2]
        frames = broken.reshape(len(array), -1).any(-1).sum()
        raise DatasetError(
            f"{where} has NaN or infinite values in {frames} of {len(array)} frames, first in "
            f"frame {frame}, joint {joint}: interpolate them or cut these frames out"
        )
    return array


def check_pixels(keypoints: np.ndarray, where: str) -> None:
    """Refuse keypoints (n, J, 2) that are normalised to the image.

    Raises:
        DatasetError: naming `where`.
    """
    largest = np.abs(keypoints).max()
    if largest <= 4:
        raise DatasetError(
            f"{where} has no coordinate beyond {largest:.3g}: these keypoints are normalised, but "
            "must be pixels (w/2 * (x + 1) and w/2 * y + h/2 undo the usual form)"
        )


def check_size(poses: np.ndarray, where: str, unit: str) -> None:
    """Refuse root-relative poses (n, J, 3), here in metres, that are no human's size.

    Args:
        poses: after conversion to metres.
        where: file, subject, action and camera, for the error.
        unit: the unit in which the file should be.

    Raises:
        DatasetError: naming `where`.
    """
    size = float(np.median(np.linalg.norm(poses[:: max(1, len(poses) // 100)], axis=-1)))
    low, high = BODY_SIZE
    if not low <= size <= high:
        raise DatasetError(
            f"{where}: half of the joints are within {size:.3g} m of the root if the file is in "
            f"{unit}, which is not a human's size ({low} to {high} m): convert it to {unit}"
        )


def require_mapping(value: Any, where: str, what: str) -> dict[str, Any]:
    """Return a dictionary with text keys that is not empty, or say that this is none.

    Raises:
        DatasetError: naming `where`.
    """
    if not isinstance(value, dict) or not value or not all(isinstance(key, str) for key in value):
        raise DatasetError(f"{where} must be a dictionary of {what}: this is another kind of file")
    return value


def require_key(entries: dict[str, Any], key: str, where: str) -> Any:
    """Return an entry, or say that it is missing.

    Raises:
        DatasetError: naming the key and those there are.
    """
    if key not in entries:
        raise DatasetError(
            f"{where} has no key {key!r}, only {_listed(entries)}: this is another kind of file"
        )
    return entries[key]


def _listed(names: Collection[str], most: int = 8) -> str:
    shown = ", ".join(repr(name) for name in list(names)[:most])
    return (shown or "nothing") + (", ..." if len(names) > most else "")


def relative_to_root(positions: np.ndarray, order: JointOrder) -> tuple[np.ndarray, np.ndarray]:
    """Split positions (n, J, 3) into poses relative to the root joint, and its path (n, 3)."""
    if order.root is None:
        raise DatasetError(f"{order.name} has no root joint")
    path = positions[:, order.root]
    return (positions - path[:, None]).astype(np.float32), path.astype(np.float32)
