"""Human3.6M, read from synthetic files in exactly its format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import synthetic_datasets as synthetic
from dataset_files import Change, changed, check_shapes, refused, set_at, with_nan

from pstmo_core.data.sequences.check import check_file, check_files
from pstmo_core.data.sequences.h36m import KEPT, load_h36m, read_h36m_keypoints, read_h36m_poses
from pstmo_core.data.sequences.h36m_cameras import CAMERAS, SUBJECTS, h36m_camera
from pstmo_core.data.sequences.pose_dataset import COCO, H36M, DatasetError, PoseDataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("h36m")


@pytest.fixture(scope="module")
def h36m_files(folder: Path) -> tuple[Path, Path]:
    return synthetic.write_h36m(folder)


@pytest.fixture(scope="module")
def h36m(h36m_files: tuple[Path, Path]) -> PoseDataset:
    return load_h36m(*h36m_files)


def test_each_h36m_camera_stands_upright_around_the_floor_and_sees_its_middle() -> None:
    for subject in SUBJECTS:
        for index in range(len(CAMERAS)):
            camera = h36m_camera(subject, index)
            turn = camera.rotation
            np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
            assert np.linalg.det(turn) > 0
            assert turn[1, 2] < -0.9  # the camera's y axis points down in the z-up world
            assert 1.4 < camera.position[2] < 1.7 and 3 < np.hypot(*camera.position[:2]) < 6
            middle = camera.to_camera(np.array([0.0, 0.0, 0.9]))
            assert 4 < middle[2] < 6
            assert (np.abs(camera.project(middle) - 500) < 200).all()


def test_h36m_has_a_sequence_for_each_take_and_camera(h36m: PoseDataset) -> None:
    check_shapes(h36m)
    assert len(h36m) == 2 * 2 * 4
    first = h36m.sequences[0]
    assert first.name == "S1/Directions 1/54138969"
    assert (first.subject, first.action, first.camera) == ("S1", "Directions", "54138969")
    assert (first.width, first.height, first.fps) == (1000, 1002, 50.0)
    assert h36m.sequences[1].height == 1000


def test_h36m_poses_and_root_project_onto_the_keypoints(h36m: PoseDataset) -> None:
    for sequence in h36m:
        assert sequence.intrinsics is not None
        assert sequence.poses is not None and sequence.root is not None
        joints = sequence.poses.astype(np.float64) + sequence.root[:, None]
        pixels = joints[..., :2] / joints[..., 2:] * sequence.intrinsics[:2]
        pixels += sequence.intrinsics[2:]
        np.testing.assert_allclose(pixels, sequence.keypoints, atol=2e-3)


def test_the_17_of_32_joints_keep_their_order(h36m_files: tuple[Path, Path]) -> None:
    assert KEPT == (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
    poses = read_h36m_poses(h36m_files[0])["S1", "Walking"]
    np.testing.assert_allclose(poses, synthetic.figure(21, seed=1), atol=1e-6)


def test_h36m_is_split_by_subject(h36m_files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no subject S5, S6, S7, S8, only S1, S9"):
        load_h36m(*h36m_files, split="train")
    assert set(load_h36m(*h36m_files, subjects=["S9"]).labels("subject")) == {"S9"}
    files = synthetic.write_h36m(tmp_path, subjects=SUBJECTS, actions=["Eating"], frames=3)
    train, test = (load_h36m(*files, split=split) for split in ("train", "test"))
    assert set(train.labels("subject")) == {"S1", "S5", "S6", "S7", "S8"}
    assert set(test.labels("subject")) == {"S9", "S11"}
    with pytest.raises(DatasetError, match="split"):
        load_h36m(*files, split="validation")


def test_directions_of_s11_is_left_out(tmp_path: Path) -> None:
    files = synthetic.write_h36m(tmp_path, subjects=["S11"], actions=["Directions", "Directions 1"])
    assert {name.split("/")[1] for name in load_h36m(*files).labels("name")} == {"Directions 1"}


def test_keypoints_that_go_on_after_the_mocap_are_cut(tmp_path: Path) -> None:
    poses, keypoints = synthetic.write_h36m(tmp_path, "cpn_ft_h36m_dbb")
    assert len(read_h36m_keypoints(keypoints).takes["S1", "Directions 1"][0]) == 23
    data = load_h36m(poses, keypoints)
    check_shapes(data)
    assert len(data.sequences[0]) == 20


def test_detectrons_points_are_coco_and_have_scores(tmp_path: Path) -> None:
    data = load_h36m(*synthetic.write_h36m(tmp_path, "detectron_pt_coco"))
    check_shapes(data)
    assert data.keypoint_order is COCO and data.pose_order is H36M
    assert data.sequences[0].scores is not None
    np.testing.assert_allclose(data.sequences[0].scores, np.full((20, 17), 0.9), rtol=1e-6)


def test_sequences_are_chosen_by_label(h36m: PoseDataset) -> None:
    chosen = h36m.select(subjects=["S9"], actions=["Walking"], cameras=[CAMERAS[2]])
    assert chosen.labels("name") == (f"S9/Walking/{CAMERAS[2]}",)
    with pytest.raises(DatasetError, match="no action is named Flying: choose from Directions"):
        h36m.select(actions=["Flying"])


POSES, POINTS = ("positions_3d", "S9", "Walking"), ("positions_2d", "S9", "Walking", 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_at(*POSES)(with_nan), r"S9 'Walking' has NaN .* in 1 of 21 frames, first in frame 7"),
        (set_at(*POSES)(lambda a: a[:, :17]), r"S9 'Walking' has the shape \(21, 17, 3\)"),
        (set_at(*POSES)(lambda a: a * 1000), r"S9 'Walking'.* not a human's size .*metres"),
        (set_at(*POSES)("walk"), r"S9 'Walking' holds no array of numbers"),
        (set_at(*POSES)(lambda a: a[:0]), r"S9 'Walking' has no frames"),
        (set_at("positions_3d", "S9")([1]), "S9 must be a dictionary of actions"),
        (set_at("positions_3d")({}), "must be a dictionary of subjects"),
        (lambda c: c["positions_3d"].update(S2=c["positions_3d"]["S1"]), "cameras of S2"),
        (lambda c: c.update(poses=c.pop("positions_3d")), "not a known data file"),
    ],
)
def test_wrong_h36m_poses_are_named(
    h36m_files: tuple[Path, Path], tmp_path: Path, change: Change, says: str
) -> None:
    path = changed(h36m_files[0], tmp_path, change)
    refused(path, says, lambda: check_file(path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_at(*POINTS)(with_nan), r"S9 'Walking' camera 58860488 has NaN"),
        (set_at(*POINTS)(lambda a: a[:, :16]), r"camera 58860488 has the shape \(21, 16, 2\)"),
        (
            set_at(*POINTS)(lambda a: a / 500 - 1),
            r"camera 58860488 .*normalised, but must be pixels",
        ),
        (set_at(*POINTS)(lambda a: a[:-1]), r"58860488 has 20 frames of keypoints, but .* have 21"),
        (set_at(*POINTS[:-1])(lambda a: a[:3]), "S9 'Walking' has 3 cameras"),
        (lambda c: c["positions_2d"]["S9"].pop("Walking"), "no keypoints of S9 'Walking'"),
        (lambda c: c.pop("metadata"), "no key 'metadata'"),
        (set_at("metadata", "keypoints_symmetry")([[1], [2]]), "neither Human3.6M's order"),
        (set_at("metadata")("x"), "'metadata' must be a dictionary"),
    ],
)
def test_wrong_h36m_keypoints_are_named(
    h36m_files: tuple[Path, Path], tmp_path: Path, change: Change, says: str
) -> None:
    path = changed(h36m_files[1], tmp_path, change)
    for use in (lambda: load_h36m(h36m_files[0], path), lambda: check_files([h36m_files[0], path])):
        refused(path, says, use)
