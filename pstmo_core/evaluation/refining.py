"""The refine module on windows of a data set: what it is given, and which data can give it."""

from __future__ import annotations

import torch
from torch import Tensor

from pstmo_core.data.sequences.pose_dataset import H36M, DatasetError
from pstmo_core.data.sequences.windows import SequenceWindows, Windows
from pstmo_core.model.refine import back_project


def check_refinable(data: SequenceWindows) -> None:
    """Refuse data without what the refine module needs: intrinsics, the root's depth, H36M joints.

    Raises:
        DatasetError: saying what is missing.
    """
    if data.keypoint_order is not H36M or data.pose_order is not H36M:
        raise DatasetError(
            f"the refine module needs keypoints of Human3.6M's joints, but these are "
            f"{data.keypoint_order.name}: use another file of keypoints, or do without it"
        )
    if not data.calibrated or data.root_depth is None:
        raise DatasetError(
            "the refine module needs the cameras' intrinsics and the root's true depth, which "
            "this data set does not have: do without it"
        )


def on_rays(lifted: Tensor, windows: Windows, target: int) -> Tensor:
    """Move lifted poses (B, 17, 3) onto the rays of their keypoints, frame `target` of the windows.

    The root's depth is the true one (paper, Table 1, marked with an asterisk).
    """
    assert windows.root_depth is not None
    with torch.autocast(lifted.device.type, enabled=False):
        return back_project(
            windows.keypoints[:, target],
            lifted.float()[..., 2],
            windows.root_depth[:, target],
            windows.focal,
            windows.centre,
        )
