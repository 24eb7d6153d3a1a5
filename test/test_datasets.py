"""Readers of the benchmark data sets, on synthetic files in exactly their formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Command

from pstmo_core.data import synthetic
from pstmo_core.data.check import check_file, check_files
from pstmo_core.data.h36m import KEPT, load_h36m, read_h36m_keypoints, read_h36m_poses
from pstmo_core.data.h36m_cameras import CAMERAS, SUBJECTS, h36m_camera
from pstmo_core.data.mocap import MocapError
from pstmo_core.data.mpi_inf_3dhp import load_3dhp
from pstmo_core.data.sequences import (
    COCO,
    H36M,
    JOINT_ORDERS,
    MPI_INF_3DHP,
    DatasetError,
    PoseDataset,
)
from pstmo_core.data.unpickle import read_npz
from pstmo_core.data.wild import load_wild
from pstmo_core.errors import PstmoError
from pstmo_core.layouts import get_layout

Content = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("datasets")


@pytest.fixture(scope="module")
def h36m_files(folder: Path) -> tuple[Path, Path]:
    return synthetic.write_h36m(folder)


@pytest.fixture(scope="module")
def h36m(h36m_files: tuple[Path, Path]) -> PoseDataset:
    return load_h36m(*h36m_files)


@pytest.fixture(scope="module")
def train_file(folder: Path) -> Path:
    return synthetic.write_3dhp_train(folder)


@pytest.fixture(scope="module")
def test_file(folder: Path) -> Path:
    return synthetic.write_3dhp_test(folder)


def refused(path: Path, says: str, use: Callable[[], object]) -> None:
    """The file ends in one sentence that names it and says this."""
    with pytest.raises(PstmoError, match=says) as caught:
        use()
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def changed(path: Path, to: Path, change: Callable[[Content], object]) -> Path:
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


def test_joint_orders_pair_left_with_right_and_agree_with_the_layouts() -> None:
    for order in JOINT_ORDERS.values():
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


def test_both_kinds_of_wild_files_are_read(tmp_path: Path) -> None:
    single, several = synthetic.write_wild(tmp_path)
    one, two = load_wild(single, (1000, 1002), fps=30), load_wild(several)
    for data in (one, two):
        check_shapes(data)
        assert data.keypoint_order is COCO and not data.has_poses
    assert one.sequences[0].fps == 30 and two.labels("name") == ("dance",)
    np.testing.assert_array_equal(one.sequences[0].keypoints, two.sequences[0].keypoints)
    with pytest.raises(DatasetError, match="give width and height"):
        load_wild(single)


def test_mocap_joins_the_interface_through_virtual_cameras(mocap_file: Path) -> None:
    pytest.importorskip("torch", reason="virtual cameras need torch")
    from pstmo_core.data.mocap import load_mocap
    from pstmo_core.data.mocap_sequences import mocap_dataset

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


def test_sequences_are_chosen_by_label(h36m: PoseDataset) -> None:
    chosen = h36m.select(subjects=["S9"], actions=["Walking"], cameras=[CAMERAS[2]])
    assert chosen.labels("name") == (f"S9/Walking/{CAMERAS[2]}",)
    with pytest.raises(DatasetError, match="no action is named Flying: choose from Directions"):
        h36m.select(actions=["Flying"])


def _set(*keys: Any) -> Callable[[Any], Callable[[Content], None]]:
    """Return what makes a change of the value at nested keys."""

    def with_value(value: Any) -> Callable[[Content], None]:
        def change(content: Content) -> None:
            holder: Any = content
            for key in keys[:-1]:
                holder = holder[key]
            holder[keys[-1]] = value(holder[keys[-1]]) if callable(value) else value

        return change

    return with_value


def _nan(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array[7, 5] = np.nan
    return array


POSES, POINTS = ("positions_3d", "S9", "Walking"), ("positions_2d", "S9", "Walking", 2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set(*POSES)(_nan), r"S9 'Walking' has NaN .* in 1 of 21 frames, first in frame 7"),
        (_set(*POSES)(lambda a: a[:, :17]), r"S9 'Walking' has the shape \(21, 17, 3\)"),
        (_set(*POSES)(lambda a: a * 1000), r"S9 'Walking'.* no human's size .*metres"),
        (_set(*POSES)("walk"), r"S9 'Walking' holds no array of numbers"),
        (_set(*POSES)(lambda a: a[:0]), r"S9 'Walking' has no frames"),
        (_set("positions_3d", "S9")([1]), "S9 must be a dictionary of actions"),
        (_set("positions_3d")({}), "must be a dictionary of subjects"),
        (lambda c: c["positions_3d"].update(S2=c["positions_3d"]["S1"]), "cameras of S2"),
        (lambda c: c.update(poses=c.pop("positions_3d")), "no data file that is known"),
    ],
)
def test_wrong_h36m_poses_are_named(
    h36m_files: tuple[Path, Path], tmp_path: Path, change: Callable[[Content], object], says: str
) -> None:
    path = changed(h36m_files[0], tmp_path, change)
    refused(path, says, lambda: check_file(path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set(*POINTS)(_nan), r"S9 'Walking' camera 58860488 has NaN"),
        (_set(*POINTS)(lambda a: a[:, :16]), r"camera 58860488 has the shape \(21, 16, 2\)"),
        (_set(*POINTS)(lambda a: a / 500 - 1), r"camera 58860488 .*normalised, but must be pixels"),
        (_set(*POINTS)(lambda a: a[:-1]), r"58860488 has 20 frames of keypoints, but .* have 21"),
        (_set(*POINTS[:-1])(lambda a: a[:3]), "S9 'Walking' has 3 cameras"),
        (lambda c: c["positions_2d"]["S9"].pop("Walking"), "no keypoints of S9 'Walking'"),
        (lambda c: c.pop("metadata"), "no key 'metadata'"),
        (_set("metadata", "keypoints_symmetry")([[1], [2]]), "neither Human3.6M's order"),
        (_set("metadata")("x"), "'metadata' must be a dictionary"),
    ],
)
def test_wrong_h36m_keypoints_are_named(
    h36m_files: tuple[Path, Path], tmp_path: Path, change: Callable[[Content], object], says: str
) -> None:
    path = changed(h36m_files[1], tmp_path, change)
    for use in (lambda: load_h36m(h36m_files[0], path), lambda: check_files([h36m_files[0], path])):
        refused(path, says, use)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set("data", "S2 Seq2", 0, "4", "data_3d")(_nan), "'S2 Seq2' camera 4 'data_3d' has NaN"),
        (_set("data", "S2 Seq2", 0, "4", "data_3d")(lambda a: a / 1000), "no human's size"),
        (_set("data", "S2 Seq2", 0, "4", "data_2d")(lambda a: a[1:]), "camera 4 has 19 frames"),
        (_set("data", "S2 Seq2", 0, "4")(None), "camera 4 must be a dictionary"),
        (lambda c: c["data"]["S2 Seq2"][0]["4"].pop("data_2d"), "no key 'data_2d'"),
        (lambda c: c["data"]["S2 Seq2"][0].update({"3": 0}), "camera 3: cameras are named"),
        (_set("data", "S2 Seq2", 1)(0), "frame rate 0"),
        (_set("data", "S2 Seq2")(5), "'S2 Seq2' must be a list of cameras and frame rate"),
        (lambda c: c["data"].update(S3=c["data"]["S2 Seq2"]), "'S3' must be subject and sequence"),
    ],
)
def test_wrong_3dhp_training_files_are_named(
    train_file: Path, tmp_path: Path, change: Callable[[Content], object], says: str
) -> None:
    path = changed(train_file, tmp_path, change)
    refused(path, says, lambda: check_file(path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["data"]["TS3"].pop("valid"), "'TS3' has no key 'valid'"),
        (_set("data", "TS3", "valid")(lambda a: a[1:]), "'TS3' has 20 frames, but 19 marks"),
        (_set("data", "TS3", "valid")(lambda a: a * 2), "'valid' must be 0 or 1"),
        (_set("data", "TS3", "valid")(lambda a: a * 0), "'TS3' has no valid frame"),
        (lambda c: c["data"].update(TS7=c["data"]["TS1"]), "'TS7' is no test sequence"),
    ],
)
def test_wrong_3dhp_test_files_are_named(
    test_file: Path, tmp_path: Path, change: Callable[[Content], object], says: str
) -> None:
    path = changed(test_file, tmp_path, change)
    refused(path, says, lambda: check_file(path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_set("positions_2d", "dance", "custom", 0)(_nan), "'dance' has NaN"),
        (_set("positions_2d", "dance", "custom")([]), "must have a list of arrays"),
        (_set("metadata", "video_metadata", "dance")({"w": 3}), "no key 'h'"),
        (_set("metadata", "video_metadata", "dance", "w")("x"), "must be numbers"),
        (_set("metadata", "video_metadata", "dance", "w")(0), "image size 0 x 1002"),
        (lambda c: c.pop("metadata"), "no key 'metadata'"),
    ],
)
def test_wrong_wild_files_are_named(
    tmp_path: Path, change: Callable[[Content], object], says: str
) -> None:
    (tmp_path / "bad").mkdir()
    path = changed(synthetic.write_wild(tmp_path)[1], tmp_path / "bad", change)
    refused(path, says, lambda: check_file(path))


def test_check_says_what_each_file_is(
    folder: Path,
    h36m_files: tuple[Path, Path],
    train_file: Path,
    test_file: Path,
    mocap_file: Path,
) -> None:
    from pstmo_core.clip import sample_path

    single, several = synthetic.write_wild(folder)
    kinds = {
        h36m_files[0]: "Human3.6M, poses",
        h36m_files[1]: "Human3.6M, keypoints",
        train_file: "MPI-INF-3DHP train",
        test_file: "MPI-INF-3DHP test",
        single: "in the wild",
        several: "in the wild",
        mocap_file: "motion capture",
        sample_path(): "a keypoint clip",
    }
    for path, kind in kinds.items():
        assert check_file(path).kind.startswith(kind)


def test_check_names_the_clip_of_a_broken_row_of_motion_capture(
    mocap_file: Path, tmp_path: Path
) -> None:
    content = read_npz(mocap_file)
    content["root_pos"][content["clip_start"][2] + 4, 1] = np.nan
    np.savez(tmp_path / "bad.npz", **content)
    with pytest.raises(MocapError, match=f"NaN .* in 1 rows, .* clip {content['clip_id'][2]}"):
        check_file(tmp_path / "bad.npz")


def test_check_compares_keypoints_with_poses(h36m_files: tuple[Path, Path], tmp_path: Path) -> None:
    fitting = check_files(h36m_files)[1]
    assert fitting.facts["fit"].startswith("0.0 px") and not fitting.remarks

    def shift(content: Content) -> None:
        for actions in content["positions_2d"].values():
            for cameras in actions.values():
                cameras[:] = [array + 100 for array in cameras]

    other = check_files([h36m_files[0], changed(h36m_files[1], tmp_path, shift)])[1]
    assert "other recordings" in str(other)
    longer = synthetic.write_h36m(tmp_path, "cpn_ft_h36m_dbb")
    assert "16 videos go on after" in str(check_files(longer)[1])


def test_the_command_prints_a_report_or_one_sentence_and_exits_with_2(
    h36m_files: tuple[Path, Path],
    tmp_path: Path,
    pstmo: Command,
) -> None:
    code, out, _ = pstmo("data", "check", *h36m_files)
    assert code == 0 and "Human3.6M, poses" in out and "Human3.6M, keypoints" in out
    bad = changed(h36m_files[0], tmp_path, _set(*POSES)(_nan))
    code, _, err = pstmo("data", "check", bad)
    assert code == 2 and err.startswith(f"error: {bad}: S9 'Walking' has NaN")
    assert err.count("\n") == 1
    bad.write_bytes(bad.read_bytes()[:-100])
    code, _, err = pstmo("data", "check", bad)
    assert code == 2 and "truncated or damaged" in err and err.count("\n") == 1
