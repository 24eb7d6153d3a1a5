"""STMO-Live in streams: read step by step, in runs, by nodes and files, always the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch writes the networks of these tests")

from command import Command  # noqa: E402
from live_networks import parallel_poses, trained_looking, write_live  # noqa: E402

from pstmo_core.encoding import camera_poses, encode_pixels  # noqa: E402
from pstmo_core.errors import ConfigError  # noqa: E402
from pstmo_core.keypoints.clip import Clip, load_clip  # noqa: E402
from pstmo_core.keypoints.frame import KeypointFrame  # noqa: E402
from pstmo_core.model.live.config import LiveConfig  # noqa: E402
from pstmo_core.runtime import (  # noqa: E402
    LiveRuntime,
    Runtime,
    RuntimeLoadError,
    load_runtime,
    load_window_runtime,
)
from pstmo_core.runtime.flipped import flipped  # noqa: E402
from pstmo_core.runtime.live.memory import Fresh, LiveMemory  # noqa: E402
from pstmo_core.streaming.config import (  # noqa: E402
    LIVE_CUTOFF,
    PLAIN,
    WINDOW_CUTOFF,
    StreamConfig,
)
from pstmo_core.streaming.lift_clip import lift_clip  # noqa: E402
from pstmo_core.streaming.lifter import StreamLifter  # noqa: E402
from pstmo_core.streaming.skeleton_frame import SkeletonFrame  # noqa: E402

NS = 1_000_000_000
MS = 1_000_000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_live(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def live(file: Path) -> LiveRuntime:
    runtime = load_runtime(file, backend="onnxruntime")
    assert isinstance(runtime, LiveRuntime)
    return runtime


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip()


def encoded(clip: Clip, count: int) -> np.ndarray:
    """Real keypoints of two people, forth and back: (2, count, rows, channels)."""
    there = np.arange(len(clip))
    order = np.resize(np.concatenate([there, there[::-1]]), count)
    frames = [clip.frame(int(index)) for index in order]
    people = []
    for name in clip.ids:
        points, scores = np.zeros((count, 17, 2), np.float32), np.zeros((count, 17), np.float32)
        for row, frame in enumerate(frames):
            if name in frame.ids:
                points[row], scores[row] = (
                    each[frame.ids.index(name)] for each in (frame.points, frame.scores)
                )
        size = np.array([[clip.width, clip.height]])
        people.append(encode_pixels(points[None], scores[None], size, 0.0, "view")[0])
    return np.stack(people)


@pytest.mark.parametrize("backend", ["onnxruntime", pytest.param("torch", marks=pytest.mark.slow)])
def test_steps_equal_the_parallel_forward_over_2000_irregular_frames(
    file: Path, clip: Clip, backend: str
) -> None:
    runtime = load_runtime(file, backend=backend)
    assert isinstance(runtime, LiveRuntime)
    model, heads = trained_looking(), range(len(runtime.config.look_aheads))
    rng, count = np.random.default_rng(0), 2000
    frames = encoded(clip, count)
    stamps = np.cumsum(rng.uniform(1 / 120, 1 / 10, count))
    seen = rng.random((2, count)) > 0.1  # drops; and people leave and come again, with a new past
    for person in range(2):
        for start in rng.integers(0, count, 4):
            seen[person, start : start + 60] = False
    memory, last = runtime.memory(4), np.full(2, -np.inf)
    rows, visits = np.array([2, 1]), [[[]], [[]]]
    poses = np.zeros((2, count, len(heads), 17, 4), np.float32)
    for index, stamp in enumerate(stamps):
        (there,) = seen[:, index].nonzero()
        if not len(there):
            continue
        for person in there[stamp - last[there] > 1.0]:
            memory.forget(rows[person])
            visits[person].append([])
        dt = np.nan_to_num((stamp - last[there])[:, None], posinf=0).astype(np.float32)
        poses[there, index] = runtime.read(
            frames[there, index][:, None], dt, memory, rows[there], heads
        )[:, 0]
        last[there] = stamp
        for person in there:
            visits[person][-1].append(index)
    assert sum(len(each) for each in visits) > 5
    for person, visit in ((p, v) for p in range(2) for v in visits[p] if v):
        dt = np.diff(stamps[visit], prepend=stamps[visit[0]]).astype(np.float32)
        expected = parallel_poses(model, frames[person, visit], dt)
        assert np.abs(poses[person, visit] - expected).max() < 1e-5 * max(1, abs(expected).max())


def test_a_glance_is_forgotten(live: LiveRuntime, clip: Clip) -> None:
    frames = encoded(clip, 40)[:1]
    dt = np.full((1, 1), 0.03, np.float32)
    row, memories = np.array([0]), [live.memory(1), live.memory(1)]
    for index in range(30):
        answers = [live.read(frames[:, index, None], dt, memory, row) for memory in memories]
        assert (answers[0] == answers[1]).all()
        glances = live.read(frames[:, 30:33], dt.repeat(3, 1), memories[1], row, keep=False)
        assert (
            glances[:, 0] == live.read(frames[:, 30, None], dt, memories[1], row, keep=False)
        ).all()


def answers_of(
    runtime: LiveRuntime, frames: Sequence[KeypointFrame], config: StreamConfig
) -> list[SkeletonFrame]:
    lifter = StreamLifter(runtime, config)
    return [answer for frame in frames for answer in lifter.push(frame)] + lifter.flush()


def test_stamps_that_hardly_advance_let_no_more_frames_wait(live: LiveRuntime, clip: Clip) -> None:
    lifter = StreamLifter(live, StreamConfig(look_ahead=4, max_people=2))
    frame = next(iter(clip))
    frames = [replace(frame, stamp=microsecond * 1000) for microsecond in range(300)]
    answers = [answer for each in frames for answer in lifter.push(each)]
    assert len(frames) - len(answers) == 163  # 160 ms at 1,000 Hz
    answers += lifter.flush()
    assert [answer.stamp for answer in answers] == [each.stamp for each in frames]


def test_streams_share_a_network_and_not_their_answers(live: LiveRuntime, clip: Clip) -> None:
    frames, dt = encoded(clip, 60), np.full((2, 1), 0.03, np.float32)
    alone = [_steps(live, live.memory(2), rows, frames, dt) for rows in ([0, 1], [1, 0], [1])]
    memories = [live.memory(2) for _ in range(3)]
    held: list[list[np.ndarray]] = [[], [], []]
    for index in range(frames.shape[1]):
        for part, rows in enumerate(([0, 1], [1, 0], [1])):
            shown, since = frames[: len(rows), index, None], dt[: len(rows)]
            held[part].append(live.read(shown, since, memories[part], np.array(rows)))
    for answers, expected in zip(held, alone, strict=True):
        assert np.abs(np.concatenate(answers, 1) - expected).max() < 1e-6


def _steps(
    live: LiveRuntime, memory: LiveMemory, rows: list[int], frames: np.ndarray, dt: np.ndarray
) -> np.ndarray:
    """Poses (R, F, 1, 17, 4) of a stream that has the network for itself."""
    shown = frames[: len(rows)]
    parts = (shown[:, index, None] for index in range(shown.shape[1]))
    return np.concatenate(
        [live.read(part, dt[: len(rows)], memory, np.array(rows)) for part in parts], 1
    )


def test_a_stream_is_read_frame_by_frame_and_nothing_else(live: LiveRuntime, clip: Clip) -> None:
    config = StreamConfig(max_people=3, **PLAIN)
    answers = answers_of(live, list(clip), config)
    assert [answer.stamp for answer in answers] == clip.stamps.tolist()
    network = cast(LiveRuntime, flipped(live))
    memory, rows, last = network.memory(2), {name: i for i, name in enumerate(clip.ids)}, {}
    size = np.array([[clip.width, clip.height]])
    for frame, answer in zip(clip, answers, strict=True):
        for name, joints in zip(answer.ids, answer.joints, strict=True):
            at = frame.ids.index(name)
            scores = np.where(frame.scores[at] >= config.min_score, frame.scores[at], 0)
            points = frame.points[at][None, None]
            frames = encode_pixels(points, scores[None, None], size, 0.0, "view")
            dt = np.array([[(frame.stamp - last.get(name, frame.stamp)) / 1e9]], np.float32)
            pose = network.read(frames, dt, memory, np.array([rows[name]]))[0, 0, 0, :, :3]
            last[name] = frame.stamp
            pose[0] = 0
            assert np.abs(joints - camera_poses(pose, frames[0, 0], None)).max() < 1e-5


@pytest.mark.parametrize("look_ahead", [0, 2, 13])
def test_a_clip_is_lifted_as_the_stream_is(live: LiveRuntime, clip: Clip, look_ahead: int) -> None:
    rng = np.random.default_rng(1)
    kept = np.flatnonzero(rng.random(len(clip)) > 0.1)
    config = StreamConfig(max_people=2, look_ahead=look_ahead, bridge=0.25)
    frames = [_without_some(clip.frame(int(index)), rng) for index in kept]
    lifter, answers = StreamLifter(live, config), []
    for start in range(0, len(frames), 64):
        answers += lifter.push_all(frames[start : start + 64])
    answers += lifter.flush()
    expected = answers_of(live, frames, config)
    assert [a.stamp for a in answers] == [f.stamp for f in frames]
    bridged = 0
    for answer, one in zip(answers, expected, strict=True):
        assert answer.ids == one.ids
        assert np.abs(answer.joints - one.joints).max(initial=0) < 1e-5
        bridged += int((answer.confidence == 0).all(-1).sum())
    assert bridged > 10


def _without_some(frame: KeypointFrame, rng: np.random.Generator) -> KeypointFrame:
    """A frame in which the detector misses some people."""
    there = [row for row in range(len(frame.ids)) if rng.random() > 0.15]
    ids = tuple(frame.ids[row] for row in there)
    return replace(frame, ids=ids, points=frame.points[there], scores=frame.scores[there])


class _Clock(LiveRuntime):
    """Whose every number is the time of the moment that it answers for, in seconds."""

    config = LiveConfig()
    backend, precision = "onnxruntime", "fp32"

    def describe(self) -> str:
        return "a clock"

    def read(  # type: ignore[override]
        self, frames: np.ndarray, dt: np.ndarray, memory: LiveMemory, rows: np.ndarray,
        heads: Sequence[int] = (0,), keep: bool = True,
    ) -> np.ndarray:  # fmt: skip
        look = memory.look(rows, dt)
        back = np.array([self.config.look_aheads[head] for head in heads]) / 1e3
        if keep:
            people, frames = dt.shape
            layers = np.zeros((self.config.layers, 2, people, 10, frames, 16), np.float32)
            moments = np.zeros((2, people, 2, frames, 16), np.float32)
            tokens = np.zeros((people, frames, 160), np.float32)
            memory.write(look, Fresh(layers, moments, tokens))
        times = look.times[..., None] - back
        return np.broadcast_to(times[..., None, None], (*times.shape, 17, 4)).astype(np.float32)


@pytest.mark.parametrize(("look_ahead", "delay"), [(1, 40), (3, 80), (4, 160), (13, 520)])
@pytest.mark.parametrize("fps", [11.0, 30.0, 120.0])
def test_with_a_look_ahead_an_answer_is_of_its_own_moment_at_any_frame_rate(
    look_ahead: int, delay: int, fps: float
) -> None:
    rng = np.random.default_rng(0)
    stamps = np.cumsum(rng.uniform(0.7, 1.3, 80) / fps * NS).astype(np.int64)
    points = rng.uniform(100, 300, (1, 17, 2)).astype(np.float32)
    frames = [
        KeypointFrame(int(t), ("a",), points, np.ones((1, 17), np.float32), 640, 480)
        for t in stamps
    ]
    lifter = StreamLifter(_Clock(), StreamConfig(look_ahead=look_ahead, max_people=1, **PLAIN))
    answers = []
    for frame in frames:
        for answer in lifter.push(frame):
            assert answer.newest == frame.stamp >= answer.stamp + delay * MS
            answers.append(answer)
    answers += lifter.flush()
    assert [answer.stamp for answer in answers] == stamps.tolist()
    # Sigma is not touched by anything that follows: its logarithm is the time of the moment.
    moments = np.array([np.log(answer.sigma[0, 3]) for answer in answers])
    errors = moments - (stamps - stamps[0]) / NS
    # Nobody was there before the first: there the first moment that is not before it is taken.
    beginning = stamps - stamps[0] < 2 / fps * NS
    assert abs(errors[~beginning]).max() < 1e-4
    assert 0 <= errors[0] < 2 / fps and abs(errors[beginning]).max() < 2 / fps


def test_joints_are_filtered_as_suits_the_network(
    live: LiveRuntime, shipped: Runtime, clip: Clip
) -> None:
    for network, cutoff in ((live, LIVE_CUTOFF), (shipped, WINDOW_CUTOFF)):
        by_itself = lift_clip(clip, network, StreamConfig())
        stated = lift_clip(clip, network, StreamConfig(joint_cutoff=cutoff))
        np.testing.assert_array_equal(by_itself.joints, stated.joints)
    with pytest.raises(ConfigError, match="joint_cutoff is -0.5, but must be a number between 0"):
        StreamConfig(joint_cutoff=-0.5)


def test_late_and_repeated_frames_are_ignored_and_counted(live: LiveRuntime, clip: Clip) -> None:
    frames = list(clip)[:30]
    lifter = StreamLifter(live, StreamConfig(max_people=2))
    expected = answers_of(live, frames, StreamConfig(max_people=2))
    order = [*range(10), 8, 9, *range(10, 20), 15, *range(20, 30)]
    answers = [answer for index in order for answer in lifter.push(frames[index])]
    assert lifter.counters["late"] == 2 and lifter.counters["repeated"] == 1
    for answer, one in zip(answers, expected, strict=True):
        assert (answer.joints == one.joints).all()


def test_who_gets_the_slot_of_another_has_no_past_of_his(live: LiveRuntime, clip: Clip) -> None:
    config = StreamConfig(max_people=1)
    frames = [_only(frame, clip.ids[0], "first") for frame in list(clip)[:40]]
    late = [_only(frame, clip.ids[0], "second") for frame in list(clip)[100:140]]
    assert late[0].stamp - frames[-1].stamp > config.expire * NS
    both = answers_of(live, [*frames, *late], config)[len(frames) :]
    for answer, one in zip(both, answers_of(live, late, config), strict=True):
        assert answer.ids == one.ids == ("second",)
        assert (answer.joints == one.joints).all()


def _only(frame: KeypointFrame, name: str, new_name: str) -> KeypointFrame:
    row = [frame.ids.index(name)]
    return replace(frame, ids=(new_name,), points=frame.points[row], scores=frame.scores[row])


def test_each_kind_of_network_is_refused_where_the_other_is_meant(
    file: Path, live: LiveRuntime, tmp_path: Path, pstmo: Command
) -> None:
    assert "streaming" in live.describe() and "-80, 0, 40" in live.describe()
    with pytest.raises(
        RuntimeLoadError, match="lifts streams .STMO-Live., but this works with win"
    ):
        load_window_runtime(file)
    with pytest.raises(ConfigError, match="look_ahead is 14 .560 ms., but must be at most 13"):
        StreamLifter(live, StreamConfig(look_ahead=14))
    code, _, error = pstmo(
        "export", file.with_suffix(".safetensors"), "-o", tmp_path / "x.onnx", "--kind", "step"
    )
    assert code == 2 and "for networks STMO, but" in error


def test_the_commands_take_either_file(file: Path, tmp_path: Path, pstmo: Command) -> None:
    exported = tmp_path / "again.onnx"
    code, output, error = pstmo("export", file.with_suffix(".safetensors"), "-o", exported)
    assert code == 0 and "largest difference from torch" in output, error
    assert exported.read_bytes() == file.read_bytes()
    lift = ("lift", _sample(), "-o", tmp_path / "out.npz", "--look-ahead", 0)
    code, output, error = pstmo(*lift, "--model", exported)
    assert code == 0 and "again.onnx (streaming, poses of" in output, error
    with np.load(tmp_path / "out.npz") as lifted:
        expected = lift_clip(load_clip(), load_runtime(exported), StreamConfig(max_people=2))
        assert np.array_equal(lifted["joints"], expected.joints, equal_nan=True)
        assert np.isfinite(lifted["sigma"][lifted["observed"] > 0]).all()


def _sample() -> Path:
    from pstmo_core.keypoints.clip import sample_path

    return Path(sample_path())
