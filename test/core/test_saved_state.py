"""The state of a stream: saved and loaded it goes on bit-exactly, and it does not grow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch writes the network of these tests")

from live_networks import write_live

from pstmo_core.keypoints.clip import Clip, load_clip
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.runtime import LiveRuntime, load_runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_core.streaming.saved_state import StateError, load_state, save_state

MS = 1_000_000


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> LiveRuntime:
    runtime = load_runtime(write_live(tmp_path_factory.mktemp("live")), backend="onnxruntime")
    assert isinstance(runtime, LiveRuntime)
    return runtime


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip()


@pytest.mark.parametrize("kind", ["live", "window"])
@pytest.mark.parametrize("look_ahead", [0, 4])
def test_a_stream_whose_state_was_saved_goes_on_to_the_last_bit(
    kind: str, look_ahead: int, live: LiveRuntime, shipped: Any, clip: Clip, tmp_path: Path
) -> None:
    runtime = live if kind == "live" else shipped
    pose = CameraPose.of_tilt(2.0, 10.0)
    frames = [replace(frame, focal=900.0, pose=pose) for frame in list(clip)[:140]]
    config = StreamConfig(max_people=2, look_ahead=look_ahead)
    lifter = StreamLifter(runtime, config)
    for frame in frames[:90]:
        lifter.push(frame)
    save_state(lifter, tmp_path / "state.npz")
    expected = [answer for frame in frames[90:] for answer in lifter.push(frame)] + lifter.flush()
    other = StreamLifter(runtime, config)
    for frame in frames[30:60]:  # what it has seen is forgotten
        other.push(frame)
    load_state(other, tmp_path / "state.npz")
    answers = [answer for frame in frames[90:] for answer in other.push(frame)] + other.flush()
    assert len(answers) == len(expected) >= 50 and other.counters == lifter.counters
    for answer, one in zip(answers, expected, strict=True):
        assert (answer.stamp, answer.newest, answer.ids) == (one.stamp, one.newest, one.ids)
        for name in ("joints", "confidence", "observed", "sigma"):
            assert np.array_equal(getattr(answer, name), getattr(one, name), equal_nan=True)
        assert np.array_equal(answer.roots.position, one.roots.position, equal_nan=True)
        assert np.array_equal(answer.roots.covariance, one.roots.covariance, equal_nan=True)


def test_a_state_of_another_stream_or_of_none_is_refused(live: LiveRuntime, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    save_state(StreamLifter(live, StreamConfig(max_people=2)), path)
    other = StreamLifter(live, StreamConfig(max_people=3))
    with pytest.raises(StateError, match="another network or other settings"):
        load_state(other, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(StateError, match="no state of a stream"):
        load_state(other, path)
    with pytest.raises(StateError, match="no state of a stream"):
        load_state(other, tmp_path / "missing.npz")


@pytest.mark.parametrize("look_ahead", [0, 4])
def test_nothing_grows_with_time_or_with_passers_by(
    live: LiveRuntime, clip: Clip, tmp_path: Path, look_ahead: int
) -> None:
    """Short form; `pstmo bench live-cost --frames 100000` is the long one."""
    lifter = StreamLifter(live, StreamConfig(max_people=2, look_ahead=look_ahead))
    frames, sizes = list(clip), []
    for index in range(1500):
        frame = frames[index % len(frames)]
        names = tuple(f"{name} {index // 100}" for name in frame.ids)
        stamp = index * 33 * MS
        lifter.push(replace(frame, stamp=stamp, ids=names))
        if index in (250, 1450):
            save_state(lifter, tmp_path / "state.npz")
            with np.load(tmp_path / "state.npz") as state:
                sizes.append({name: state[name].shape for name in state if name != "tree"})
    early, late = (sum(np.prod(shape) for shape in each.values()) for each in sizes)
    assert early > 5_000 and abs(late - early) < 1000  # of waiting frames
