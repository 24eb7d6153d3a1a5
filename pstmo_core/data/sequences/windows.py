"""Windows cut from the sequences of a data set, by indexing tensors on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pstmo_core.data.sequences.pose_dataset import (
    H36M,
    DatasetError,
    JointOrder,
    PoseDataset,
    PoseSequence,
)
from pstmo_core.encoding import ASSUMED_FOCAL, get_encoding
from pstmo_core.keypoints.frame import MIN_SCORE
from pstmo_core.model.trained_on import TrainedOn


@dataclass(frozen=True)
class Windows:
    """A batch of windows in pixels, and the truth behind them."""

    keypoints: Tensor
    """(B, F, J, 2) pixels."""
    seen: Tensor
    """(B, F, J), 1.0 or 0.0."""
    size: Tensor
    """(B, 2) image width and height in pixels."""
    focal: Tensor
    """(B, 2) focal lengths in pixels; where not known, those that are assumed."""
    centre: Tensor
    """(B, 2) principal point in pixels."""
    poses: Tensor | None
    """(B, F, J, 3) metres relative to the root joint, camera frame."""
    root_depth: Tensor | None
    """(B, F) metres, the root's distance along the optical axis."""


@dataclass(frozen=True)
class SequenceWindows:
    """All sequences of a data set as tensors on a device, frames end to end."""

    keypoints: Tensor
    """(N, J, 2) pixels."""
    seen: Tensor
    """(N, J), 1.0 or 0.0; 0.0 where a detector's score is below `MIN_SCORE`."""
    valid: Tensor
    """(N,) bool, the frames that count as targets."""
    start: Tensor
    """(S,) first row of each sequence."""
    length: Tensor
    """(S,) rows of each sequence."""
    size: Tensor
    """(S, 2) image width and height in pixels."""
    focal: Tensor
    """(S, 2) focal lengths in pixels; where not known, those that are assumed."""
    centre: Tensor
    """(S, 2) principal point in pixels; the image's centre where not known."""
    calibrated: bool
    """Whether every sequence knows its camera."""
    keypoint_order: JointOrder
    pose_order: JointOrder | None
    joints: TrainedOn
    """The names of both orders."""
    poses: Tensor | None
    """(N, J, 3) metres relative to the root joint, camera frame."""
    root_depth: Tensor | None
    """(N,) metres, the root's distance along the optical axis."""

    @classmethod
    def of(cls, dataset: PoseDataset, device: torch.device | str = "cpu") -> SequenceWindows:
        """Copy a data set to a device."""
        sequences = dataset.sequences

        def joined(parts: list[np.ndarray]) -> Tensor:
            return torch.as_tensor(np.concatenate(parts).astype(np.float32), device=device)

        def optional(name: str) -> Tensor | None:
            parts = [getattr(sequence, name) for sequence in sequences]
            return None if any(part is None for part in parts) else joined(parts)

        length = torch.tensor([len(sequence) for sequence in sequences])
        camera = torch.tensor(np.array([_intrinsics(s) for s in sequences]), dtype=torch.float32)
        sizes = [(float(sequence.width), float(sequence.height)) for sequence in sequences]
        root = optional("root")
        return cls(
            keypoints=joined([sequence.keypoints for sequence in sequences]),
            seen=joined([_seen(sequence) for sequence in sequences]),
            valid=torch.as_tensor(np.concatenate([s.valid for s in sequences]), device=device),
            start=(length.cumsum(0) - length).to(device),
            length=length.to(device),
            size=torch.tensor(sizes, device=device),
            focal=camera[:, :2].to(device),
            centre=camera[:, 2:].to(device),
            calibrated=all(sequence.intrinsics is not None for sequence in sequences),
            keypoint_order=dataset.keypoint_order,
            pose_order=dataset.pose_order,
            joints=dataset.joints,
            poses=optional("poses"),
            root_depth=None if root is None else root[:, 2].contiguous(),
        )

    def targets(self) -> Tensor:
        """Return the rows (T,) of the frames that count, sequence after sequence."""
        return self.valid.nonzero()[:, 0]

    def cut(
        self, targets: Tensor, tds: int, frames: int, target_index: int | None = None
    ) -> Windows:
        """Cut windows round target frames (TDS, paper, section 3.3.2).

        Beyond the ends of a sequence its first and last frames are repeated, on both sides at once.

        Args:
            targets: (B,) rows of the target frames.
            tds: the paper's s: frames from one frame of a window to the next.
            frames: window length F.
            target_index: where in the window the target frame is; None = in the middle.
        """
        sequence = torch.searchsorted(self.start, targets.contiguous(), right=True) - 1
        offsets = torch.arange(frames, device=targets.device)
        offsets = offsets - (frames // 2 if target_index is None else target_index)
        first = self.start[sequence][:, None]
        last = first + self.length[sequence][:, None] - 1
        rows = (targets[:, None] + offsets * tds).clamp(first, last)
        return Windows(
            keypoints=self.keypoints[rows],
            seen=self.seen[rows],
            size=self.size[sequence],
            focal=self.focal[sequence],
            centre=self.centre[sequence],
            poses=None if self.poses is None else self.poses[rows],
            root_depth=None if self.root_depth is None else self.root_depth[rows],
        )

    def flip(self, windows: Windows, which: Tensor | None = None) -> Windows:
        """Mirror windows (B) where `which` (B,) says so: left is right, x counts from the far edge.

        The camera is mirrored with them, so that this commutes with `encode`.
        """
        if which is None:
            which = torch.ones(len(windows.size), dtype=torch.bool, device=windows.size.device)
        keypoints = _swap(windows.keypoints, self.keypoint_order)
        width = windows.size[:, None, None, :1]
        keypoints = torch.cat([width - keypoints[..., :1], keypoints[..., 1:]], -1)
        seen = _swap(windows.seen[..., None], self.keypoint_order)[..., 0]
        centre = torch.stack([windows.size[:, 0] - windows.centre[:, 0], windows.centre[:, 1]], -1)
        poses = windows.poses
        if poses is not None:
            poses = torch.where(which[:, None, None, None], self.flip_poses(poses), poses)
        return replace(
            windows,
            keypoints=torch.where(which[:, None, None, None], keypoints, windows.keypoints),
            seen=torch.where(which[:, None, None], seen, windows.seen),
            centre=torch.where(which[:, None], centre, windows.centre),
            poses=poses,
        )

    def flip_poses(self, poses: Tensor) -> Tensor:
        """Mirror poses (..., J, 3)."""
        assert self.pose_order is not None
        return _swap(poses, self.pose_order) * poses.new_tensor([-1.0, 1.0, 1.0])

    def encode(self, windows: Windows, name: str) -> Tensor:
        """Encode windows as a network's encoding says (`pstmo_core.encoding`).

        `screen` takes any joints, and all of them as they are. `person` and `view` are told which
        were seen, and need Human3.6M's joints, because they centre on the pelvis.

        Returns:
            (B, F, rows, channels).

        Raises:
            DatasetError: if the encoding does not suit the joints.
        """
        self.check_encoding(name)
        encoding, keypoints, seen = get_encoding(name), windows.keypoints, windows.seen
        up = keypoints.new_zeros(*keypoints.shape[:2], 3)  # gravity is not known of these data
        return encoding.encode(
            keypoints,
            seen if encoding.tells_unseen else torch.ones_like(seen),
            windows.size[:, None, None],
            windows.focal[:, None, None],
            windows.centre[:, None, None],
            up,
            torch,
        )

    def truth(self, windows: Windows, frames: Tensor, name: str) -> Tensor:
        """Return what a network is to give for encoded windows, in the frame that it answers in.

        Without truth in the data, that of no joints: (B, F, 0, 3).
        """
        if windows.poses is None:
            return frames.new_zeros(*frames.shape[:2], 0, 3)
        turns = turns_of(frames, name)
        return windows.poses if turns is None else windows.poses @ turns.mT

    def check_encoding(self, name: str) -> None:
        """Refuse an encoding that does not suit the joints.

        Raises:
            DatasetError: saying which does.
        """
        if get_encoding(name).tells_unseen and self.keypoint_order is not H36M:
            raise DatasetError(
                f"the encoding {name!r} needs Human3.6M's joints, but the keypoints are "
                f"{self.keypoint_order.name}: use model.encoding=screen"
            )


def turns_of(frames: Tensor, name: str) -> Tensor | None:
    """Return the rotations of `Encoding.turns` for encoded frames of which gravity is not known."""
    up = frames.new_zeros(*frames.shape[:-2], 3)
    turns: Tensor | None = get_encoding(name).turns(frames, up, torch)
    return turns


def _swap(points: Tensor, order: JointOrder) -> Tensor:
    """Swap left and right in points (..., J, d)."""
    return points[..., torch.as_tensor(order.mirror_order(), device=points.device), :]


def _intrinsics(sequence: PoseSequence) -> np.ndarray:
    if sequence.intrinsics is not None:
        return sequence.intrinsics
    focal = ASSUMED_FOCAL * max(sequence.width, sequence.height)
    return np.array([focal, focal, sequence.width / 2, sequence.height / 2])


def _seen(sequence: PoseSequence) -> np.ndarray:
    if sequence.scores is None:
        return np.ones(sequence.keypoints.shape[:2], np.float32)
    return (sequence.scores >= MIN_SCORE).astype(np.float32)
