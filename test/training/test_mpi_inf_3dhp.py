"""MPI-INF-3DHP, read from synthetic files in exactly its format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic_datasets as synthetic
from dataset_files import Change, changed, check_shapes, refused, set_at, with_nan

from pstmo_core.data.sequences.check import check_file
from pstmo_core.data.sequences.mpi_inf_3dhp import load_3dhp
from pstmo_core.data.sequences.pose_dataset import MPI_INF_3DHP


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("3dhp")


@pytest.fixture(scope="module")
def train_file(folder: Path) -> Path:
    return synthetic.write_3dhp_train(folder)


@pytest.fixture(scope="module")
def test_file(folder: Path) -> Path:
    return synthetic.write_3dhp_test(folder)


def test_3dhp_training_sequences_come_in_metres_about_the_pelvis(train_file: Path) -> None:
    data = load_3dhp(train_file)
    check_shapes(data)
    assert len(data) == 2 * 8
    assert data.keypoint_order is data.pose_order is MPI_INF_3DHP
    first = data.sequences[0]
    assert (first.name, first.subject, first.action, first.camera) == (
        "S1/Seq1/0", "S1", "Seq1", "0",
    )  # fmt: skip
    assert (first.width, first.height, first.fps) == (2048, 2048, 25.0)
    assert first.poses is not None and first.root is not None
    hip_to_knee = np.linalg.norm(first.poses[0, 8] - first.poses[0, 9])
    assert 0.40 < hip_to_knee < 0.50
    assert 3 < first.root[0, 2] < 5


def test_3dhp_test_sequences_know_their_sizes_and_valid_frames(test_file: Path) -> None:
    data = load_3dhp(test_file)
    check_shapes(data)
    sizes = {s.name: (s.width, s.height) for s in data}
    assert sizes["TS4"] == (2048, 2048) and sizes["TS5"] == sizes["TS6"] == (1920, 1080)
    assert data.sequences[0].valid.tolist() == (np.arange(20) % 3 > 0).tolist()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            set_at("data", "S2 Seq2", 0, "4", "data_3d")(with_nan),
            "'S2 Seq2' camera 4 'data_3d' has NaN",
        ),
        (set_at("data", "S2 Seq2", 0, "4", "data_3d")(lambda a: a / 1000), "not a human's size"),
        (set_at("data", "S2 Seq2", 0, "4", "data_2d")(lambda a: a[1:]), "camera 4 has 19 frames"),
        (set_at("data", "S2 Seq2", 0, "4")(None), "camera 4 must be a dictionary"),
        (lambda c: c["data"]["S2 Seq2"][0]["4"].pop("data_2d"), "no key 'data_2d'"),
        (lambda c: c["data"]["S2 Seq2"][0].update({"3": 0}), "camera 3: cameras are named"),
        (set_at("data", "S2 Seq2", 1)(0), "frame rate 0"),
        (set_at("data", "S2 Seq2")(5), "'S2 Seq2' must be a list of cameras and frame rate"),
        (lambda c: c["data"].update(S3=c["data"]["S2 Seq2"]), "'S3' must be subject and sequence"),
    ],
)
def test_wrong_3dhp_training_files_are_named(
    train_file: Path, tmp_path: Path, change: Change, says: str
) -> None:
    path = changed(train_file, tmp_path, change)
    refused(path, says, lambda: check_file(path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["data"]["TS3"].pop("valid"), "'TS3' has no key 'valid'"),
        (set_at("data", "TS3", "valid")(lambda a: a[1:]), "'TS3' has 20 frames, but 19 marks"),
        (set_at("data", "TS3", "valid")(lambda a: a * 2), "'valid' must be 0 or 1"),
        (set_at("data", "TS3", "valid")(lambda a: a * 0), "'TS3' has no valid frame"),
        (lambda c: c["data"].update(TS7=c["data"]["TS1"]), "'TS7' is not a test sequence"),
    ],
)
def test_wrong_3dhp_test_files_are_named(
    test_file: Path, tmp_path: Path, change: Change, says: str
) -> None:
    path = changed(test_file, tmp_path, change)
    refused(path, says, lambda: check_file(path))
