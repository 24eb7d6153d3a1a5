"""Kept embeddings change nothing: every window of any stream equals the full forward."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch")

import torch
from plain_windows import NS, PlainStream
from random_networks import trained_looking

from pstmo_core.encoding import input_shape
from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.step.network import StepNetwork
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.runtime import Runtime, load_runtime
from pstmo_core.runtime.base import STEP_INPUTS
from pstmo_core.runtime.onnx_export import export_onnx
from pstmo_core.runtime.step_inputs import in_order, step_inputs
from pstmo_core.streaming.config import PLAIN, StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip
from pstmo_core.streaming.lifter import StreamLifter

TOLERANCE = 1e-5


PARTS: list[dict[str, Any]] = [
    {}, {"layers": 0}, {"layers": 1}, {"mofa": False}, {"layers": 0, "mofa": False},
    {"sem": "fc"}, {"sem": "transformer", "width": 68, "heads": 4}, {"encoding": "screen"},
    {"encoding": "view", "sigma": True},
]  # fmt: skip


@pytest.mark.parametrize("frames", [9, 27, 81, 243, 351])
@pytest.mark.parametrize("anchor", ["centre", "first"])
def test_the_rearranged_network_computes_what_the_network_does(
    frames: int, anchor: str, small_model: ModelConfig
) -> None:
    for parts in PARTS if frames == 27 else PARTS[:3]:
        changes = {"frames": frames, "mofa_anchor": anchor, "layers": 2, **parts}
        model = trained_looking(dataclasses.replace(small_model, **changes))
        windows = torch.randn(2, frames, *input_shape(model.config.encoding))
        index = torch.arange(2 * frames).view(2, frames)
        network = StepNetwork(model)
        with torch.inference_mode():
            all_frames, target = model(windows)
            rows = network.embed(windows[0])
            inputs = step_inputs(windows[1].numpy(), rows.numpy(), index.numpy(), frames - 1)
            step = [torch.from_numpy(inputs[name]) for name in STEP_INPUTS]
            ours, last, new = network(*step)
            whole = network.whole(windows)
        torch.testing.assert_close(ours, target, atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(last, all_frames[:, -1], atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(whole, (all_frames, target), atol=TOLERANCE, rtol=0)
        assert new.shape == (frames, network.row_width)


@pytest.mark.parametrize("frames", [27, 81])
def test_steps_of_the_authors_architecture_in_onnx_equal_the_full_forward(
    frames: int, tmp_path: Path
) -> None:
    model = trained_looking(ModelConfig(frames=frames, encoding="screen", mofa_anchor="first"))
    export_onnx(model, tmp_path / "m.onnx")
    runtime = load_runtime(tmp_path / "m.onnx", backend="onnxruntime")
    sequence = np.random.default_rng(0).uniform(-1, 1, (frames + 5, 17, 2)).astype(np.float32)
    nothing = np.empty((0, runtime.row_width), np.float32)
    start = np.arange(frames)[None]
    _, rows = runtime.step(sequence[:frames], nothing, start)
    for newest in range(frames, len(sequence)):
        target, row = runtime.step(sequence[newest : newest + 1], rows[-frames + 1 :], start)
        head, _ = runtime.step(sequence[newest : newest + 1], rows[-frames + 1 :], start, 0)
        rows = np.concatenate([rows, row])
        with torch.inference_mode():
            window = torch.from_numpy(sequence[None, newest - frames + 1 : newest + 1])
            all_frames, expected = model(window)
        np.testing.assert_allclose(target, expected, atol=TOLERANCE)
        np.testing.assert_allclose(head, all_frames[:, 0], atol=TOLERANCE)


def faulty_stream(fps: float, seed: int, count: int = 140) -> list[KeypointFrame]:
    """Real motion with jitter, lost and late frames, lost joints, people who come and go.

    The second person is away for a while; every other seed's camera changes its image size.
    """
    random, clip = np.random.default_rng(seed), load_clip(sample_path())
    frames = []
    for index in range(count):
        stamp = round((10 + index / fps + random.normal(0, 0.004)) * NS)
        away = count // 3 < index < 2 * count // 3
        ids = tuple(n for n in "abc" if not (n == "b" and away) and random.random() > 0.05)
        points = [clip.keypoints[(2 * index + 17 * ord(n)) % 300, ord(n) % 2] for n in ids]
        points = np.nan_to_num(np.reshape(points, (-1, 17, 2)).astype(np.float32))
        scores = random.uniform(0.25, 1, points.shape[:2]).astype(np.float32)
        scores[random.random(scores.shape) < 0.1] = 0
        size = (640, 480) if index > 2 * count // 3 and seed % 2 else (1280, 720)
        frames.append(KeypointFrame(stamp, ids, points, scores, *size))
    for index in range(0, count - 1, 7):  # late by a frame
        frames[index : index + 2] = frames[index : index + 2][::-1]
    return [frame for frame in frames if random.random() > 0.07]


FAULTY = [(12.5, 0), (15, 5), (25, 13), (30, 0), (50, 5), (60, 13)]


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A network of the encoding `view` that also gives sigma."""
    path = tmp_path_factory.mktemp("view") / "m.onnx"
    shape = {"width": 32, "feedforward": 32, "heads": 2, "sem_width": 32}
    export_onnx(trained_looking(ModelConfig(encoding="view", sigma=True, **shape)), path)
    return load_runtime(path, backend="onnxruntime")


def test_people_seen_by_a_turned_camera_are_lifted_as_the_full_forward_says(
    turning: Runtime,
) -> None:
    """Gravity known and not, people away from the image's centre, hips not seen."""
    config = StreamConfig(look_ahead=5, min_joints=4, **PLAIN)
    lifter, plain = StreamLifter(turning, config), PlainStream(config)
    up = CameraPose.from_up(np.array([0.3, -0.9, -0.2]))
    compared = 0
    for frame in faulty_stream(25, seed=5):
        known = dataclasses.replace(frame, pose=up if frame.stamp > 12 * NS else None)
        answers = lifter.push(known)
        plain.push(known)
        # A window with gravity known in a part of it has no plain counterpart.
        steady = [a for a in answers if not 11.7 * NS <= a.stamp < 13.3 * NS]
        compared += compare(plain, steady, turning)
        assert all(answer.sigma.shape == answer.confidence.shape for answer in answers)
    assert compared > 150


@pytest.mark.parametrize(("fps", "look_ahead"), FAULTY)
def test_every_window_of_a_faulty_stream_equals_the_full_forward(
    fps: float, look_ahead: int, shipped: Runtime
) -> None:
    # The buffer holds no more than it must, so that it comes round and its places serve again.
    config = StreamConfig(
        look_ahead=look_ahead, expire=0.4, min_joints=4, max_rate=1.3 * fps, **PLAIN
    )
    lifter, plain = StreamLifter(shipped, config), PlainStream(config)
    compared = 0
    for frame in faulty_stream(fps, seed=look_ahead):
        answers = lifter.push(frame)
        plain.push(frame)
        compared += compare(plain, answers, shipped)
    compared += compare(plain, lifter.flush(), shipped, flushed=True)
    assert compared > 240
    assert lifter.counters["expired"] > 0 and lifter.counters["late"] == 0


def compare(plain: PlainStream, answers: list[Any], runtime: Runtime, flushed: bool = False) -> int:
    for answer in answers:
        if answer.ids:
            expected = plain.lift(answer, runtime, flushed)
            np.testing.assert_allclose(answer.joints, expected, atol=TOLERANCE)
    return sum(len(answer.ids) for answer in answers)


@pytest.mark.parametrize(("fps", "look_ahead"), FAULTY)
def test_frames_taken_in_together_are_lifted_as_one_by_one(
    fps: float, look_ahead: int, shipped: Runtime
) -> None:
    config = StreamConfig(look_ahead=look_ahead, expire=0.4)
    frames = faulty_stream(fps, seed=look_ahead)
    one, many = StreamLifter(shipped, config), StreamLifter(shipped, config)
    singly = [answer for frame in frames for answer in one.push(frame)]
    together = [
        a for start in range(0, len(frames), 50) for a in many.push_all(frames[start:][:50])
    ]
    assert one.counters == many.counters
    for ours, theirs in zip(together, singly, strict=True):
        assert (ours.stamp, ours.newest, ours.ids) == (theirs.stamp, theirs.newest, theirs.ids)
        np.testing.assert_allclose(ours.joints, theirs.joints, atol=TOLERANCE)
        np.testing.assert_array_equal(ours.observed, theirs.observed)


@pytest.mark.parametrize("kept_rows", [0, 1, 90])
def test_inputs_rearranged_for_a_graph_stand_for_the_same_windows(kept_rows: int) -> None:
    random = np.random.default_rng(kept_rows)
    kept, fresh = (random.random((n, 4), np.float32) for n in (kept_rows, 5))
    index = random.integers(0, kept_rows + len(fresh), (3, 9))
    windows = np.concatenate([kept, fresh])[index]
    inputs = step_inputs(fresh, kept, index, None)
    ours = inputs["kept"][inputs["index"]].reshape(-1, 4)
    ours[inputs["place"]] = fresh[inputs["source"]]
    np.testing.assert_array_equal(ours.reshape(windows.shape), windows)
    rows, places = in_order(kept, index)
    assert len(rows) <= index.size
    np.testing.assert_array_equal(np.concatenate([rows, fresh])[places], windows)


class Recording(Runtime):
    """Another runtime whose steps are noted; can be told to fail."""

    def __init__(self, runtime: Runtime) -> None:
        self.config, self.row_width, self.batch = runtime.config, runtime.row_width, runtime.batch
        self.backend, self.precision = runtime.backend, runtime.precision
        self.runtime, self.fresh, self.fails = runtime, 0, False

    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.fails:
            raise RuntimeError("as a device that is gone")
        self.fresh += len(fresh)
        return self.runtime.step(fresh, kept, index, frame)

    def describe(self) -> str:
        return "recording"


@pytest.mark.parametrize("at_once", [1, 64])
def test_sem_sees_each_frame_of_each_person_once(at_once: int, shipped: Runtime) -> None:
    clip, runtime = load_clip(sample_path()), Recording(shipped)
    whole = dataclasses.replace(
        clip, keypoints=np.nan_to_num(clip.keypoints, nan=9.0), scores=np.ones_like(clip.scores)
    )
    prediction = lift_clip(whole, runtime, StreamConfig(**PLAIN), at_once=at_once)
    people = whole.scores[..., 0].size
    assert runtime.fresh == 2 * people  # each as it is, and mirrored
    assert prediction.counters["lifted"] == people


def test_after_a_failed_inference_the_next_frames_are_right(shipped: Runtime) -> None:
    frames = faulty_stream(25, seed=0)
    runtime = Recording(shipped)
    # Without what goes from answer to answer: some are lost.
    config = StreamConfig(joint_cutoff=0.0, bone_memory=0.0, ray_error=0.0)
    lifter, undisturbed = (StreamLifter(each, config) for each in (runtime, shipped))
    for index, frame in enumerate(frames):
        expected = undisturbed.push(frame)
        runtime.fails = 20 <= index < 24
        if runtime.fails and expected:
            with pytest.raises(RuntimeError, match="gone"):
                lifter.push(frame)
            continue
        for ours, theirs in zip(lifter.push(frame), expected, strict=True):
            np.testing.assert_allclose(ours.joints, theirs.joints, atol=TOLERANCE)
