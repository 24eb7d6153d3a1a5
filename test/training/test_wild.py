"""Keypoints of videos in the wild, read from synthetic files in exactly their formats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic_datasets as synthetic
from dataset_files import Change, changed, check_shapes, refused, set_at, with_nan

from pstmo_core.data.sequences.check import check_file
from pstmo_core.data.sequences.pose_dataset import COCO, DatasetError
from pstmo_core.data.sequences.wild import load_wild


def test_both_kinds_of_wild_files_are_read(tmp_path: Path) -> None:
    single, several = synthetic.write_wild(tmp_path)
    one, two = load_wild(single, (1000, 1002), fps=30), load_wild(several)
    for data in (one, two):
        check_shapes(data)
        assert data.keypoint_order is COCO and data.pose_order is None
    assert one.sequences[0].fps == 30 and two.labels("name") == ("dance",)
    np.testing.assert_array_equal(one.sequences[0].keypoints, two.sequences[0].keypoints)
    with pytest.raises(DatasetError, match="give width and height"):
        load_wild(single)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_at("positions_2d", "dance", "custom", 0)(with_nan), "'dance' has NaN"),
        (set_at("positions_2d", "dance", "custom")([]), "must have a list of arrays"),
        (set_at("metadata", "video_metadata", "dance")({"w": 3}), "no key 'h'"),
        (set_at("metadata", "video_metadata", "dance", "w")("x"), "must be numbers"),
        (set_at("metadata", "video_metadata", "dance", "w")(0), "image size 0 x 1002"),
        (set_at("metadata", "video_metadata", "dance", "w")(float("inf")), "must be numbers"),
        (set_at("metadata", "keypoints_symmetry")([[float("inf")]]), "neither Human3.6M's order"),
        (lambda c: c.pop("metadata"), "no key 'metadata'"),
    ],
)
def test_wrong_wild_files_are_named(tmp_path: Path, change: Change, says: str) -> None:
    (tmp_path / "bad").mkdir()
    path = changed(synthetic.write_wild(tmp_path)[1], tmp_path / "bad", change)
    refused(path, says, lambda: check_file(path))
