"""Keypoint clips with truth as a data set: what is read of them, training and evaluation."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from command import Command

pytest.importorskip("torch", reason="training needs torch")

from pstmo_core.data.sequences.clips import load_clips
from pstmo_core.data.sequences.pose_dataset import DatasetError
from pstmo_core.keypoints.clip import load_clip, save_clip
from pstmo_core.keypoints.recorded import Clip
from pstmo_core.skeleton import ROOT

WEIGHTS = Path(__file__).parents[2] / "pstmo_core" / "weights" / "stmo_27.safetensors"


@pytest.fixture
def sample() -> Clip:
    return load_clip()


def test_each_persons_frames_with_truth_are_sequences_that_gaps_part(
    sample: Clip, tmp_path: Path
) -> None:
    assert sample.truth is not None
    truth, keypoints, stamps = sample.truth.copy(), sample.keypoints.copy(), sample.stamps.copy()
    known = np.isfinite(truth[:, 0]).all((1, 2)) & (sample.scores[:, 0] > 0).any(-1)
    assert known[100:200].all()
    truth[120, 0, 5] = np.nan
    stamps[150:] += 10**9
    keypoints[130:133, 0, 7] = np.nan  # an elbow
    clip = dataclasses.replace(sample, truth=truth, keypoints=keypoints, stamps=stamps)
    save_clip(clip, tmp_path / "walk.npz")
    sequences = {s.name: s for s in load_clips(tmp_path) if s.subject == sample.ids[0]}
    one = sequences[f"walk/{sample.ids[0]}/121"]
    assert len(one) == 29 and one.action == "walk" and one.fps == pytest.approx(30, abs=0.01)
    assert one.poses is not None and one.scores is not None
    expected = truth[121:150, 0] - truth[121:150, 0, ROOT, None]
    np.testing.assert_allclose(one.poses, expected, atol=1e-6)
    assert np.isfinite(one.keypoints).all()
    hidden = (one.scores[9:12] == 0).all(0) & (one.scores[8] > 0)
    assert hidden.any()
    np.testing.assert_array_equal(one.keypoints[9:12, hidden], one.keypoints[[8] * 3][:, hidden])


def test_the_shipped_network_is_measured_on_clips(
    sample: Clip, tmp_path: Path, pstmo: Command
) -> None:
    # 30 frames/s are no whole part of the network's 40 ms: here, each frame lasts 40 ms.
    slow = dataclasses.replace(sample, stamps=np.arange(len(sample.stamps)) * 40_000_000)
    save_clip(slow, tmp_path / "sample.npz")
    code, _, err = pstmo(
        "evaluate", str(WEIGHTS), "--dataset", "clips", "--test", str(tmp_path),
        "-o", str(tmp_path / "report.json"),
    )  # fmt: skip
    assert code == 0, err
    report = json.loads((tmp_path / "report.json").read_text())
    assert 30 < report["mean"]["frames"]["mpjpe"] < 80
    assert list(report["action"]) == ["sample"] and set(report["subject"]) == set(sample.ids)


def test_a_network_is_trained_on_clips(sample: Clip, tmp_path: Path, pstmo: Command) -> None:
    save_clip(sample, tmp_path / "sample.npz")
    code, _, err = pstmo(
        "train", "lifter27_start", "dataset.kind=clips", f"dataset.train={tmp_path}",
        f"dataset.test={tmp_path / 'sample.npz'}", "model.step=0.033333", "model.width=32",
        "model.layers=1", "model.frames=9", "optimiser.steps=3", "optimiser.batch=8",
        "validation_windows=9", "threads=1", "device=cpu", f"output={tmp_path / 'run'}",
    )  # fmt: skip
    assert code == 0, err
    assert (tmp_path / "run" / "best.safetensors").is_file()


def test_clips_that_are_no_data_set_are_refused(sample: Clip, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no clips"):
        load_clips(tmp_path)
    save_clip(dataclasses.replace(sample, truth=None), tmp_path / "a.npz")
    with pytest.raises(DatasetError, match=r"a\.npz: has no key 'truth'"):
        load_clips(tmp_path)
    assert sample.truth is not None
    save_clip(dataclasses.replace(sample, truth=sample.truth * 1e3), tmp_path / "a.npz")
    with pytest.raises(DatasetError, match="'truth': .* convert it to metres"):
        load_clips(tmp_path / "a.npz")
