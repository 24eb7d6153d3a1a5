"""Windows of a data set's sequences: what a loop over frames would give, mirrored and encoded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="windows are torch tensors")

import synthetic_datasets as synthetic  # noqa: E402

from pstmo_core import encoding  # noqa: E402
from pstmo_core.data.motion.mocap import load_mocap  # noqa: E402
from pstmo_core.data.sequences.h36m import load_h36m  # noqa: E402
from pstmo_core.data.sequences.mocap import mocap_dataset  # noqa: E402
from pstmo_core.data.sequences.mpi_inf_3dhp import load_3dhp  # noqa: E402
from pstmo_core.data.sequences.pose_dataset import DatasetError, PoseDataset  # noqa: E402
from pstmo_core.data.sequences.windows import SequenceWindows  # noqa: E402
from pstmo_core.keypoints.frame import MIN_SCORE  # noqa: E402


@pytest.fixture(scope="module")
def motion(mocap_file: Path) -> PoseDataset:
    """Real motion before standing cameras."""
    return mocap_dataset(load_mocap(mocap_file, "test"), cameras=2, seed=1)


@pytest.fixture(scope="module")
def windows(motion: PoseDataset) -> SequenceWindows:
    return SequenceWindows.of(motion)


def rows_of_a_loop(length: int, target: int, tds: int, frames: int, place: int) -> list[int]:
    """Rows of a window within its sequence, counted one by one."""
    return [min(max(target + (i - place) * tds, 0), length - 1) for i in range(frames)]


@pytest.mark.parametrize(("tds", "frames", "place"), [(1, 27, None), (2, 27, None), (3, 9, 8)])
def test_a_window_holds_what_a_loop_over_its_frames_finds(
    motion: PoseDataset, windows: SequenceWindows, tds: int, frames: int, place: int | None
) -> None:
    # Targets at both ends of each sequence and within it.
    within = [
        (s, target)
        for s, sequence in enumerate(motion)
        for target in (0, 1, 5, len(sequence) // 2, len(sequence) - 2, len(sequence) - 1)
    ]
    targets = torch.tensor([int(windows.start[s]) + target for s, target in within])
    cut = windows.cut(targets, tds, frames, place)
    assert cut.poses is not None and cut.root_depth is not None
    for index, (s, target) in enumerate(within):
        sequence = motion.sequences[s]
        middle = frames // 2 if place is None else place
        rows = rows_of_a_loop(len(sequence), target, tds, frames, middle)
        assert sequence.poses is not None and sequence.root is not None
        np.testing.assert_array_equal(cut.keypoints[index], sequence.keypoints[rows])
        np.testing.assert_array_equal(cut.poses[index], sequence.poses[rows])
        np.testing.assert_array_equal(cut.root_depth[index], sequence.root[rows, 2])
        assert cut.size[index].tolist() == [sequence.width, sequence.height]


def test_a_sequence_shorter_than_the_window_is_repeated_at_both_ends_at_once(
    tmp_path: Path,
) -> None:
    data = load_h36m(*synthetic.write_h36m(tmp_path, actions=["Eating"], frames=5))
    cut = SequenceWindows.of(data).cut(torch.tensor([2]), 2, 27)
    rows = rows_of_a_loop(5, 2, 2, 27, 13)
    assert rows[0] == 0 and rows[-1] == 4
    np.testing.assert_array_equal(cut.keypoints[0], data.sequences[0].keypoints[rows])


def test_flipping_twice_is_the_identity(windows: SequenceWindows) -> None:
    cut = windows.cut(windows.targets()[::50], 1, 9)
    again = windows.flip(windows.flip(cut))
    assert cut.poses is not None and again.poses is not None
    torch.testing.assert_close(again.keypoints, cut.keypoints, rtol=0, atol=1e-3)
    torch.testing.assert_close(again.poses, cut.poses, rtol=0, atol=0)
    torch.testing.assert_close(again.centre, cut.centre)
    torch.testing.assert_close(again.seen, cut.seen)


@pytest.mark.parametrize("name", ["screen", "person"])
def test_flipping_commutes_with_encoding(windows: SequenceWindows, name: str) -> None:
    """Mirrored pixels encode to the mirror image of the encoded ones, and so do H36M cameras."""
    cut = windows.cut(windows.targets()[::50], 2, 9)
    plain, flipped = windows.encode(cut, name), windows.encode(windows.flip(cut), name)
    order = windows.keypoint_order.mirror_order()
    mirrored = plain.clone()
    mirrored[:, :, :17] = plain[:, :, order]
    mirrored[..., 0] *= -1
    torch.testing.assert_close(flipped, mirrored, rtol=0, atol=2e-5)


def test_flipping_mirrors_the_principal_point_too(tmp_path: Path) -> None:
    data = SequenceWindows.of(load_h36m(*synthetic.write_h36m(tmp_path)))
    assert (data.centre - data.size / 2).abs().max() > 5
    cut = data.cut(data.targets()[::40], 1, 9)
    plain, flipped = data.encode(cut, "person"), data.encode(data.flip(cut), "person")
    torch.testing.assert_close(flipped[..., 17, 0], -plain[..., 17, 0])


def test_a_flipped_pose_projects_onto_the_flipped_keypoints(windows: SequenceWindows) -> None:
    cut = windows.flip(windows.cut(windows.targets()[::50], 1, 1))
    assert cut.poses is not None and cut.root_depth is not None
    relative = cut.poses[:, 0]
    root = (cut.keypoints[:, 0, 0] - cut.centre) / cut.focal * cut.root_depth
    joints = relative[..., :2] + root[:, None]
    depth = relative[..., 2:] + cut.root_depth[:, :, None]
    pixels = joints / depth * cut.focal[:, None] + cut.centre[:, None]
    torch.testing.assert_close(pixels, cut.keypoints[:, 0], rtol=0, atol=0.05)


def test_only_the_windows_that_are_marked_are_flipped(windows: SequenceWindows) -> None:
    cut = windows.cut(windows.targets()[:6], 1, 9)
    which = torch.tensor([True, False, False, True, True, False])
    some, whole = windows.flip(cut, which), windows.flip(cut)
    assert some.poses is not None and whole.poses is not None and cut.poses is not None
    for index, flipped in enumerate(which):
        for name in ("keypoints", "seen", "poses", "centre"):
            expected = getattr(whole if flipped else cut, name)[index]
            assert torch.equal(getattr(some, name)[index], expected)


def test_encodings_are_those_of_the_rest_of_the_project(windows: SequenceWindows) -> None:
    cut = windows.cut(windows.targets()[::50], 1, 9)
    size, seen = cut.size.numpy(), cut.seen.numpy()
    pixels = cut.keypoints.numpy()
    expected = encoding.encode_pixels(pixels, seen, size, 0, "screen")
    np.testing.assert_allclose(windows.encode(cut, "screen"), expected, atol=1e-5)
    for index in range(0, len(size), 7):  # each camera has a focal length of its own
        one = slice(index, index + 1)
        focal = float(cut.focal[index, 0])
        expected = encoding.encode_pixels(pixels[one], seen[one], size[one], focal, "person")
        np.testing.assert_allclose(windows.encode(cut, "person")[one], expected, atol=2e-3)


def test_person_refuses_joints_without_a_pelvis_in_front(tmp_path: Path) -> None:
    coco = load_h36m(*synthetic.write_h36m(tmp_path, "detectron_pt_coco"))
    for dataset in (coco, load_3dhp(synthetic.write_3dhp_test(tmp_path))):
        data = SequenceWindows.of(dataset)
        cut = data.cut(data.targets()[:3], 1, 9)
        assert data.encode(cut, "screen").shape == (3, 9, 17, 2)
        with pytest.raises(DatasetError, match="needs Human3.6M's joints.*use model.encoding"):
            data.encode(cut, "person")


def test_scores_of_a_detector_say_which_points_were_seen(tmp_path: Path) -> None:
    dataset = load_h36m(*synthetic.write_h36m(tmp_path, "detectron_pt_coco"))
    scores = np.full((20, 17), MIN_SCORE, np.float32)
    scores[3, 5] = MIN_SCORE / 2
    first = dataclasses.replace(dataset.sequences[0], scores=scores)
    dataset = dataclasses.replace(dataset, sequences=(first, *dataset.sequences[1:]))
    seen = SequenceWindows.of(dataset).seen
    assert seen[3, 5] == 0 and seen.sum() == seen.numel() - 1


def test_targets_are_the_valid_frames(tmp_path: Path) -> None:
    dataset = load_3dhp(synthetic.write_3dhp_test(tmp_path))
    data = SequenceWindows.of(dataset)
    valid = np.concatenate([sequence.valid for sequence in dataset])
    np.testing.assert_array_equal(data.targets(), np.flatnonzero(valid))
    assert not data.calibrated
