"""Evaluation on whole sequences: exact figures from stand-ins for a network that know the truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="evaluation needs torch")

import synthetic_datasets as synthetic  # noqa: E402
from official_reference import Reference, random_state  # noqa: E402

from pstmo_core.data.motion.mocap import load_mocap  # noqa: E402
from pstmo_core.data.sequences.h36m import load_h36m  # noqa: E402
from pstmo_core.data.sequences.mocap import mocap_dataset  # noqa: E402
from pstmo_core.data.sequences.mpi_inf_3dhp import load_3dhp  # noqa: E402
from pstmo_core.data.sequences.pose_dataset import DatasetError, PoseDataset  # noqa: E402
from pstmo_core.data.sequences.windows import SequenceWindows  # noqa: E402
from pstmo_core.errors import ConfigError  # noqa: E402
from pstmo_core.evaluation import metrics  # noqa: E402
from pstmo_core.evaluation.dataset import (  # noqa: E402
    EvaluationProtocol,
    evaluate_dataset,
    lift,
    own_tds,
)
from pstmo_core.evaluation.dataset_report import dataset_tables  # noqa: E402
from pstmo_core.evaluation.robustness import Corruption  # noqa: E402
from pstmo_core.model.checkpoints import load_official  # noqa: E402
from pstmo_core.model.config import ModelConfig  # noqa: E402
from pstmo_core.model.refine import Refine  # noqa: E402
from pstmo_core.model.stmo import STMO  # noqa: E402

SCREEN = ModelConfig(
    frames=9, layers=1, width=32, feedforward=32, sem_width=32, heads=4, encoding="screen"
)


class Oracle:
    """Knows the truth of a frame by its keypoints, mirrored ones too, and adds an offset to it."""

    def __init__(self, dataset: PoseDataset, offset: np.ndarray | None = None) -> None:
        self.config = SCREEN
        data = SequenceWindows.of(dataset)
        assert data.poses is not None
        cut = data.cut(torch.arange(len(data.valid)), 1, 1)
        both = [cut, data.flip(cut)]
        self._known = torch.cat([data.encode(w, "screen").flatten(1) for w in both])
        poses = torch.cat([w.poses[:, 0] for w in both])  # type: ignore[index]
        added = torch.zeros_like(data.poses)
        if offset is not None:
            added += torch.as_tensor(np.array(offset), dtype=torch.float32)
        # A mirrored answer carries the mirrored offset, so that averaging gives the offset again.
        self._poses = poses + torch.cat([added, data.flip_poses(added)])
        self.batches: list[int] = []

    def __call__(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.batches.append(len(frames))
        shown = frames.flatten(0, 1).flatten(1)
        nearest = torch.cdist(shown, self._known).argmin(1)
        poses = self._poses[nearest].unflatten(0, frames.shape[:2])
        return poses, poses[:, frames.shape[1] // 2]


@pytest.fixture(scope="module")
def h36m(tmp_path_factory: pytest.TempPathFactory) -> PoseDataset:
    folder = tmp_path_factory.mktemp("h36m")
    actions = ["Directions", "Directions 1", "Walking", "SittingDown 2"]
    return load_h36m(*synthetic.write_h36m(folder, subjects=["S9", "S11"], actions=actions), "test")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> PoseDataset:
    return load_3dhp(synthetic.write_3dhp_test(tmp_path_factory.mktemp("3dhp")))


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("look_ahead", [None, 0, 3, 8])
def test_the_truth_has_no_error_whichever_head_is_asked(
    h36m: PoseDataset, three: PoseDataset, flip: bool, look_ahead: int | None
) -> None:
    protocol = EvaluationProtocol(tds=2, flip=flip, look_ahead=look_ahead, batch=100)
    for dataset in (h36m, three):
        report = evaluate_dataset(Oracle(dataset), dataset, protocol)
        frames = sum(int(sequence.valid.sum()) for sequence in dataset)
        assert report["frames"] == frames
        for mean in report["mean"].values():
            for name in ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve"):
                assert mean[name] == pytest.approx(0, abs=2e-3)
            # No three neighbours of the 3DHP file are valid.
            assert mean["acceleration"] == (pytest.approx(0, abs=2e-3) if dataset is h36m else None)
            assert mean["pck"] == pytest.approx(100)
            assert mean["auc"] == pytest.approx(100 * 30 / 31)
        assert max(report["joint"].values()) < 1e-3


def test_an_offset_of_the_joints_is_the_error_but_for_the_root(h36m: PoseDataset) -> None:
    offset = np.broadcast_to([0.0, 0.03, 0.04], (17, 3))  # 50 mm
    report = evaluate_dataset(Oracle(h36m, offset), h36m, EvaluationProtocol(tds=1))
    assert report["mean"]["actions"]["mpjpe"] == pytest.approx(50 * 16 / 17, abs=1e-3)
    assert report["joint"]["hip"] == 0
    assert report["joint"]["head"] == pytest.approx(50, abs=1e-3)
    assert report["mean"]["frames"]["mpjve"] == pytest.approx(0, abs=1e-3)


def test_human36m_is_averaged_over_actions_each_counting_alike(h36m: PoseDataset) -> None:
    """Directions has three takes of S9 and S11, SittingDown two; both weigh the same."""
    sizes = {"Directions": 0.01, "Walking": 0.02, "SittingDown": 0.06}
    direction = np.array([0.0, 1.0, 0.0])
    per_frame = np.concatenate([np.full(len(s), sizes[s.action]) for s in h36m])
    offset = per_frame[:, None, None] * np.broadcast_to(direction, (17, 3))
    report = evaluate_dataset(Oracle(h36m, offset), h36m, EvaluationProtocol(tds=1))
    for action, size in sizes.items():
        assert report["action"][action]["mpjpe"] == pytest.approx(size * 1e3 * 16 / 17, abs=1e-3)
    assert report["mean"]["actions"]["mpjpe"] == pytest.approx(30 * 16 / 17, abs=1e-3)
    expected = per_frame.mean() * 1e3 * 16 / 17
    assert report["mean"]["frames"]["mpjpe"] == pytest.approx(expected, abs=1e-3)
    assert abs(expected - 30 * 16 / 17) > 1
    predicted = np.concatenate([s.poses for s in h36m if s.poses is not None])
    shifted = predicted + np.where(np.arange(17)[:, None] > 0, offset, 0)
    walking = np.concatenate([np.full(len(s), s.action == "Walking") for s in h36m])
    exact = metrics.p_mpjpe(shifted, predicted)[walking].mean() * 1e3
    assert report["action"]["Walking"]["p_mpjpe"] == pytest.approx(exact, abs=1e-2)


def test_3dhp_weights_sequences_by_their_valid_frames_and_counts_14_joints(
    three: PoseDataset,
) -> None:
    """TS1 is shortened; its error weighs by its frames. Errors of head and spine are no PCK."""
    first = three.sequences[0]
    valid = first.valid & (np.arange(len(first)) < 7)
    shorter = dataclasses.replace(first, valid=valid)
    dataset = dataclasses.replace(three, sequences=(shorter, *three.sequences[1:]))
    per_frame = np.concatenate([np.full(len(s), 0.2 if s.name == "TS1" else 0.0) for s in dataset])
    offset = per_frame[:, None, None] * np.broadcast_to([0.0, 1.0, 0.0], (17, 3))
    report = evaluate_dataset(Oracle(dataset, offset), dataset, EvaluationProtocol(tds=1))
    counts = {s.name: int(s.valid.sum()) for s in dataset}
    share = counts["TS1"] / sum(counts.values())
    assert report["sequence"]["TS1"]["frames"] == counts["TS1"] == 4
    assert report["sequence"]["TS1"]["pck"] == 0
    assert report["mean"]["frames"]["pck"] == pytest.approx(100 * (1 - share))
    assert report["mean"]["frames"]["mpjpe"] == pytest.approx(200 * 16 / 17 * share, abs=1e-3)
    head_and_spine = np.zeros((17, 3))
    head_and_spine[[15, 16], 1] = 0.5
    report = evaluate_dataset(Oracle(three, head_and_spine), three, EvaluationProtocol(tds=1))
    assert report["mean"]["frames"]["pck"] == pytest.approx(100)
    assert report["mean"]["frames"]["mpjpe"] == pytest.approx(1000 / 17, abs=1e-3)


def test_plain_and_mirrored_windows_go_through_the_network_together(h36m: PoseDataset) -> None:
    oracle = Oracle(h36m)
    frames = sum(map(len, h36m))
    lift(oracle, SequenceWindows.of(h36m), EvaluationProtocol(tds=1, batch=frames))
    assert oracle.batches == [2 * frames]


def test_how_windows_are_batched_changes_nothing(mocap_file: Path) -> None:
    torch.manual_seed(1)
    data = SequenceWindows.of(mocap_dataset(load_mocap(mocap_file, "test"), seed=1))
    network = STMO(dataclasses.replace(SCREEN, encoding="person")).eval()
    corruption = Corruption(0.01, True, 0.1, 0.1)
    one, other = (
        lift(network, data, EvaluationProtocol(2, corruption=corruption, batch=batch))
        for batch in (64, 999)
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


@torch.inference_mode()
def test_the_authors_weights_give_their_average_of_flipped_and_plain(h36m: PoseDataset) -> None:
    """The formula of their `input_augmentation`, in double precision, on made-up weights."""
    state = random_state("stage_two", 27)
    network, _ = load_official(state)
    assert isinstance(network, STMO)
    chosen = h36m.select(subjects=["S9"], actions=["Walking"], cameras=["54138969"])
    lifted = lift(network, SequenceWindows.of(chosen), EvaluationProtocol(tds=2))
    (sequence,) = chosen.sequences
    left, right = [4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]
    size = np.array([sequence.width, sequence.width])
    normalised = sequence.keypoints / size * 2 - [1, sequence.height / sequence.width]
    reference = Reference(state)
    for target in range(len(sequence)):
        rows = np.clip(target + 2 * np.arange(-13, 14), 0, len(sequence) - 1)
        plain = torch.from_numpy(normalised[rows][None])
        mirrored = plain.clone()
        mirrored[..., 0] *= -1
        mirrored[:, :, left + right] = mirrored[:, :, right + left]
        both = [reference.stage_two(poses)[1] for poses in (plain, mirrored)]
        both[1][..., 0] *= -1
        both[1][:, left + right] = both[1][:, right + left]
        expected = (both[0] + both[1])[0] / 2
        expected[0] = 0
        np.testing.assert_allclose(lifted[target], expected, atol=1e-5)


def test_refining_needs_cameras_and_human36m_joints(three: PoseDataset, tmp_path: Path) -> None:
    coco = load_h36m(*synthetic.write_h36m(tmp_path, "detectron_pt_coco"))
    protocol = EvaluationProtocol(tds=1)
    for dataset in (three, coco):
        with pytest.raises(DatasetError, match="the refine module needs keypoints of Human3.6M's"):
            lift(STMO(SCREEN).eval(), SequenceWindows.of(dataset), protocol, Refine().eval())


def test_refining_the_truth_leaves_it(h36m: PoseDataset) -> None:
    """Both versions of a true pose are the same, so that any blend of them is it."""
    report = evaluate_dataset(Oracle(h36m), h36m, EvaluationProtocol(tds=1), Refine().eval())
    assert report["protocol"]["refine"] and report["mean"]["actions"]["mpjpe"] < 0.05


def test_the_downsampling_follows_from_the_networks_step(
    h36m: PoseDataset, three: PoseDataset
) -> None:
    assert [own_tds(h36m, step) for step in (0.02, 0.04, 0.1)] == [1, 2, 5]
    assert own_tds(three, 0.04) == 1
    with pytest.raises(ConfigError, match="has 50 frames/s, which no whole number .* give tds"):
        own_tds(h36m, 0.033)
    report = evaluate_dataset(Oracle(h36m), h36m, EvaluationProtocol())
    assert report["protocol"]["tds"] == 2


def test_data_without_a_valid_frame_are_refused(h36m: PoseDataset) -> None:
    nothing = tuple(dataclasses.replace(s, valid=np.zeros(len(s), bool)) for s in h36m)
    empty = dataclasses.replace(h36m, sequences=nothing)
    with pytest.raises(DatasetError, match="there is nothing to measure"):
        evaluate_dataset(Oracle(h36m), empty, EvaluationProtocol(tds=1))


def test_a_look_ahead_beyond_the_window_is_refused(h36m: PoseDataset) -> None:
    with pytest.raises(ConfigError, match="look_ahead is 9, but the network's window has 9 frames"):
        evaluate_dataset(Oracle(h36m), h36m, EvaluationProtocol(tds=1, look_ahead=9))


def test_the_table_of_human36m_has_the_columns_of_the_paper(
    h36m: PoseDataset, three: PoseDataset
) -> None:
    report = evaluate_dataset(Oracle(h36m), h36m, EvaluationProtocol(tds=1))
    lines = dataset_tables({"kind": "h36m", **report}).splitlines()
    assert lines[2] == (
        "|  | Dir. | Disc. | Eat | Greet | Phone | Photo | Pose | Pur. | Sit | SitD. | Smoke | "
        "Wait | WalkD. | Walk | WalkT. | Avg |"
    )
    row = [cell.strip() for cell in lines[4].split("|")[1:-1]]
    assert row[0] == "MPJPE" and row[1] == row[10] == row[14] == row[16] == "0.0"
    assert row[2] == "-"
    report = evaluate_dataset(Oracle(three), three, EvaluationProtocol(tds=1))
    text = dataset_tables({"kind": "mpi_inf_3dhp", **report})
    assert (
        "| sequence | PCK@150 | AUC | MPJPE |" in text and "| all frames | 100.0 | 96.8 |" in text
    )
