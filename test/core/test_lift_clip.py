"""A clip lifted offline, by the streaming core of the node and by `pstmo lift`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import Command

from pstmo_core.evaluation.metrics import mpjpe
from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_core.runtime import Runtime
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip


def test_every_frame_of_everybody_in_the_sample_is_lifted_near_the_truth(shipped: Runtime) -> None:
    clip = load_clip(sample_path())
    there = np.isfinite(clip.truth).all((-2, -1))
    bridged = lift_clip(clip, shipped, StreamConfig())
    plain = lift_clip(clip, shipped, StreamConfig(bridge=0.0))
    assert bridged.lifted[there].all() and plain.lifted[there].all()
    assert not plain.lifted[~there].any()
    absent = np.diff(clip.stamps[np.flatnonzero((bridged.lifted & ~there).any(-1))]).sum() / 1e9
    assert absent < StreamConfig.bridge
    known = np.isfinite(bridged.joints).all((-2, -1)) & there
    error = mpjpe(bridged.joints[known], clip.truth[known])
    assert np.median(error) < 0.08


def test_the_command_writes_what_it_says(tmp_path: Path, pstmo: Command) -> None:
    output = tmp_path / "out.npz"
    assert pstmo("lift", sample_path(), "-o", output)[0] == 0
    clip = load_clip(sample_path())
    with np.load(output) as file:
        frames, people = len(clip.stamps), len(clip.ids)
        assert file["joints"].shape == (frames, people, 17, 3)
        assert file["confidence"].shape == (frames, people, 17)
        assert file["observed"].shape == (frames, people)
        np.testing.assert_allclose(file["stamps"], clip.stamps / 1e9)
        assert tuple(file["joint_names"]) == JOINT_NAMES


def test_a_looped_recording_and_repeated_stamps_do_not_stop_it(shipped: Runtime) -> None:
    clip = load_clip(sample_path())
    stamps = np.concatenate([clip.stamps[:60], clip.stamps[:30], clip.stamps[29:30]])
    rows = np.r_[:60, :30, 29]
    looped = type(clip)(
        clip.keypoints[rows], clip.scores[rows], stamps, clip.width, clip.height, clip.layout,
        clip.ids, clip.truth[rows],
    )  # fmt: skip
    prediction = lift_clip(looped, shipped, StreamConfig())
    assert np.isfinite(prediction.joints[:90, 0]).all((-2, -1)).mean() > 0.95
    assert prediction.counters["reset"] == 1
    assert prediction.counters["repeated"] == 1


@pytest.mark.parametrize("text", ["", "not json", "{}"])
def test_bad_input_ends_in_one_sentence_and_exit_code_2(
    text: str, tmp_path: Path, pstmo: Command
) -> None:
    clip = tmp_path / "clip.json"
    clip.write_text(text)
    code, _, err = pstmo("lift", clip, "-o", tmp_path / "out.npz")
    lines = err.strip().splitlines()
    assert (
        code == 2 and len(lines) == 1 and lines[0].startswith("error: ") and "clip.json" in lines[0]
    )
    assert not (tmp_path / "out.npz").exists()


def test_a_missing_model_is_named(tmp_path: Path, pstmo: Command) -> None:
    arguments = ("lift", sample_path(), "-o", tmp_path / "o.npz", "--model", tmp_path / "m.onnx")
    code, _, err = pstmo(*arguments)
    assert code == 2 and "no such model file" in err


def test_a_look_ahead_beyond_half_the_window_is_refused(tmp_path: Path, pstmo: Command) -> None:
    arguments = ("lift", sample_path(), "-o", tmp_path / "out.npz", "--look-ahead", "14")
    code, _, err = pstmo(*arguments)
    assert code == 2 and "must be at most 13" in err


def test_sigma_is_smaller_once_poses_are_corrected(shipped: Runtime) -> None:
    clip = load_clip(sample_path())
    corrected, plain = (
        lift_clip(clip, shipped, StreamConfig(ray_error=error)) for error in (0.02, 0.0)
    )
    np.testing.assert_allclose(corrected.sigma, 0.92 * plain.sigma, rtol=1e-5)
