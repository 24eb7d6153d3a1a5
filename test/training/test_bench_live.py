"""`pstmo bench live` and its figure: the same scenes for everybody, judged against their truth."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command import Command

from pstmo_core.bench import streams
from pstmo_core.bench.streams import Situation, StreamBenchError, record, scenes
from pstmo_core.data.motion.mocap import Mocap, load_mocap
from pstmo_core.model.checkpoints import load_live, save_weights
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.live.network import STMOLive
from pstmo_core.model.stmo import STMO

SECONDS = 3.0
LIVE = LiveConfig(layers=1, width=32, feedforward=48, heads=4, key_heads=2, sem_width=32, kept=12)
WINDOW = ModelConfig(
    frames=9, layers=1, width=32, feedforward=32, sem_width=32, heads=4, encoding="view", sigma=True
)


@pytest.fixture(scope="module")
def motion(mocap_file: Path) -> Mocap:
    return load_mocap(mocap_file, "test")


def test_a_clip_shows_the_scene_whatever_the_rate(motion: Mocap) -> None:
    scene = scenes(motion, 1, SECONDS)[0]
    slow, fast = (record(scene, SECONDS, Situation(rate=rate)) for rate in (10.0, 50.0))
    assert len(slow) == 30
    assert len(fast) == 150
    assert slow.truth is not None
    assert fast.truth is not None
    flat = fast.truth.reshape(len(fast), -1)
    at_slow = np.stack([np.interp(slow.stamps, fast.stamps, column) for column in flat.T], 1)
    np.testing.assert_allclose(at_slow, slow.truth.reshape(30, -1), atol=0.01)
    # The keypoints lie where the truth is, some centimetres off as a detector's.
    offsets = slow.keypoints[:, 0, 1:] - slow.keypoints[:, 0, :1]
    shown = slow.truth[:, 0, 1:, :2]
    assert np.corrcoef(offsets[..., 1].ravel(), shown[..., 1].ravel())[0, 1] > 0.95


def test_hidden_joints_and_lost_frames_are_missing_from_the_keypoints(motion: Mocap) -> None:
    scene = scenes(motion, 1, SECONDS)[0]
    hidden = record(scene, SECONDS, Situation(missing_joints=0.5))
    assert np.isnan(hidden.keypoints).mean() == pytest.approx(0.5, abs=0.05)
    assert len(record(scene, SECONDS, Situation(missing_frames=0.5))) < 55
    with pytest.raises(StreamBenchError, match="no clip is 1000 s long"):
        scenes(motion, 1, 1000.0)


def test_the_truth_as_answer_has_no_error(motion: Mocap, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = scenes(motion, 2, SECONDS)

    def perfect(clip: object, *_: object) -> object:
        return dataclasses.make_dataclass("Answer", ["joints"])(clip.truth)  # type: ignore[attr-defined]

    monkeypatch.setattr(streams, "lift_clip", perfect)
    scores = streams.measure(None, chosen, SECONDS, Situation())  # type: ignore[arg-type]
    assert scores.mpjpe == scores.acceleration_error == 0
    assert scores.jitter > 0.1
    assert 55 < scores.frames < 75


def test_networks_are_compared_calibrated_and_drawn(
    mocap_file: Path, tmp_path: Path, pstmo: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    for name, network in (("live", STMOLive(LIVE)), ("window", STMO(WINDOW))):
        save_weights(network.eval(), tmp_path / f"{name}.safetensors")
        exported = pstmo(
            "export", tmp_path / f"{name}.safetensors", "-o", tmp_path / f"{name}.onnx"
        )
        assert exported[0] == 0, exported
    monkeypatch.setattr(streams, "SITUATIONS", (Situation(), Situation(look_ahead=2)))
    models = f"{tmp_path / 'live.onnx'},{tmp_path / 'window.onnx'}"
    bench = ("bench", "live", "--mocap", mocap_file, "--models", models)
    shortly = ("--scenes", 1, "--seconds", SECONDS)
    result = pstmo(*bench, *shortly, "-o", tmp_path)
    assert result[0] == 0, result
    report = json.loads((tmp_path / "live.json").read_text())
    assert [row["look_ahead"] for row in report["rows"]] == [0, 0, 2, 2]
    assert all(cost["newest"] > 0 for cost in report["costs"].values())
    drawn = pstmo("figures", "live", tmp_path / "live.json", "-o", tmp_path / "live.png")
    assert drawn[0] == 0, drawn
    runs = []
    for name in ("window", "live"):  # runs leave files of the same name
        runs.append(tmp_path / name / "best.safetensors")
        runs[-1].parent.mkdir()
        shutil.copy(tmp_path / f"{name}.safetensors", runs[-1])
    result = pstmo(*bench[:-1], f"{runs[0]},{runs[1]}", *shortly, "-o", tmp_path / "runs")
    assert result[0] == 0, result
    report = json.loads((tmp_path / "runs" / "live.json").read_text())
    assert list(report["costs"]) == [str(run.with_suffix("")) for run in runs]
    assert len(report["rows"]) == 4
    calibrated = pstmo(
        "calibrate", tmp_path / "live.safetensors", "-o", tmp_path / "true.safetensors",
        "--mocap", mocap_file, "--windows", 100,
    )  # fmt: skip
    assert calibrated[0] == 0, calibrated
    before, after = (load_live(tmp_path / f"{n}.safetensors") for n in ("live", "true"))
    frames = torch.rand(1, 3, 19, 3)
    poses = [network(frames, torch.full((1, 3), 0.04)) for network in (before, after)]
    torch.testing.assert_close(poses[0][..., :3], poses[1][..., :3])
    assert not torch.allclose(poses[0][..., 3], poses[1][..., 3])
    measured = pstmo(
        "evaluate", tmp_path / "true.safetensors", "--mocap", mocap_file, "--windows", 20
    )
    assert measured[0] == 0, measured
    assert "| clean | 13 |" in measured[1]
    assert "MOFA" not in measured[1]
