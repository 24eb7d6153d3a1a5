"""The one interface of data sets: joint orders, and the motion capture in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pstmo_core.data.sequences.pose_dataset import COCO, H36M, MPI_INF_3DHP
from pstmo_core.keypoints.layouts import get_layout


def test_joint_orders_pair_left_with_right_and_agree_with_the_layouts() -> None:
    for order in (H36M, MPI_INF_3DHP, COCO):
        names = np.array(order.joint_names)
        mirrored = names[order.mirror_order()]
        for one, other in zip(names, mirrored, strict=True):
            swapped = {"l": "r", "r": "l"}.get(one[0], one[0]) + one[1:]
            assert other in (one, swapped)
            assert (other == swapped) == (other != one or swapped == one)
    assert get_layout("coco17").joint_names == COCO.joint_names
    assert get_layout("h36m17").joint_names == H36M.joint_names
    for order in (H36M, MPI_INF_3DHP):
        assert order.parents is not None
        assert order.parents[order.root or 0] == -1


def test_mocap_joins_the_interface_through_virtual_cameras(mocap_file: Path) -> None:
    pytest.importorskip("torch", reason="virtual cameras need torch")
    from pstmo_core.data.motion.mocap import load_mocap
    from pstmo_core.data.sequences.mocap import mocap_dataset

    mocap = load_mocap(mocap_file, "test")
    data, again = mocap_dataset(mocap, cameras=2, seed=3), mocap_dataset(mocap, cameras=2, seed=3)
    assert len(data) == 2 * len(mocap.clip)
    for sequence, same in zip(data, again, strict=True):
        assert sequence.valid.mean() > 0.9
        assert sequence.intrinsics is not None
        assert sequence.poses is not None and sequence.root is not None
        joints = (sequence.poses + sequence.root[:, None])[sequence.valid]
        pixels = joints[..., :2] / joints[..., 2:] * sequence.intrinsics[:2]
        pixels += sequence.intrinsics[2:]
        np.testing.assert_allclose(pixels, sequence.keypoints[sequence.valid], atol=0.01)
        np.testing.assert_array_equal(sequence.keypoints, same.keypoints)
