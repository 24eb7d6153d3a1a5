"""Made-up data files with faults: writing them, and what must be said of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import synthetic_datasets as synthetic

from pstmo_core.data.sequences.pose_dataset import PoseDataset
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.npz.safe_unpickle import read_npz

Content = dict[str, Any]
Change = Callable[[Content], object]


def refused(path: Path, says: str, use: Callable[[], object]) -> None:
    """The file ends in one sentence that names it and says this."""
    with pytest.raises(PstmoError, match=says) as caught:
        use()
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def changed(path: Path, to: Path, change: Change) -> Path:
    """Write a copy of a file with its content changed, under the same name."""
    content = read_npz(path)
    change(content)
    copy = to / path.name
    synthetic.save_pickled(copy, **content)
    return copy


def check_shapes(data: PoseDataset) -> None:
    assert len(set(data.labels("name"))) == len(data)
    for sequence in data:
        frames, joints = len(sequence), len(data.keypoint_order.joint_names)
        assert sequence.keypoints.shape == (frames, joints, 2)
        assert sequence.valid.shape == (frames,) and sequence.valid.dtype == bool
        assert sequence.keypoints.dtype == np.float32
        assert (sequence.keypoints >= 0).all()
        assert (sequence.keypoints <= (sequence.width, sequence.height)).all()
        if data.pose_order is not None:
            assert sequence.poses is not None and sequence.root is not None
            assert sequence.poses.shape == (frames, len(data.pose_order.joint_names), 3)
            assert sequence.root.shape == (frames, 3)
            assert (sequence.poses[:, data.pose_order.root] == 0).all()


def set_at(*keys: Any) -> Callable[[Any], Change]:
    """Return what makes a change of the value at nested keys: to a value, or by a function."""

    def with_value(value: Any) -> Change:
        def change(content: Content) -> None:
            holder: Any = content
            for key in keys[:-1]:
                holder = holder[key]
            holder[keys[-1]] = value(holder[keys[-1]]) if callable(value) else value

        return change

    return with_value


def with_nan(array: np.ndarray) -> np.ndarray:
    """A copy with NaN in frame 7, joint 5."""
    array = array.copy()
    array[7, 5] = np.nan
    return array
