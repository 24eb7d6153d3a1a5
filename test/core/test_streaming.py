"""The streaming core against offline windows cut from the same keypoints by other means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pstmo_core.encoding import camera_poses, encode_pixels
from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.runtime import Runtime
from pstmo_core.runtime.flipped import flipped
from pstmo_core.streaming import embedding_cache
from pstmo_core.streaming.config import PLAIN, StreamConfig
from pstmo_core.streaming.lifter import StreamLifter

NS = 1_000_000_000
SIZE = (1280, 720)


def frames_of(motion: np.ndarray, stamps: np.ndarray, name: str = "a") -> list[KeypointFrame]:
    scores = np.ones((1, 17), np.float32)
    return [
        KeypointFrame(int(stamp), (name,), points[None], scores, *SIZE)
        for stamp, points in zip(stamps, motion, strict=True)
    ]


def at_rate(walk: tuple[np.ndarray, np.ndarray], fps: float) -> tuple[np.ndarray, np.ndarray]:
    """The walk as a camera of another frame rate sees it."""
    times, points = walk
    stamps = np.round(np.arange(0, times[-1], 1 / fps) * NS).astype(np.int64)
    flat = points.reshape(len(points), -1)
    columns = [np.interp(stamps / NS, times, column) for column in flat.T]
    return stamps, np.stack(columns, -1).reshape(-1, 17, 2).astype(np.float32)


def lift_stream(
    runtime: Runtime, frames: list[KeypointFrame], config: StreamConfig
) -> tuple[np.ndarray, np.ndarray]:
    lifter = StreamLifter(runtime, config)
    answers = [answer for frame in frames for answer in lifter.push(frame)] + lifter.flush()
    return np.array([a.stamp for a in answers]), np.concatenate([a.joints for a in answers])


def lift_offline(
    runtime: Runtime, stamps: np.ndarray, points: np.ndarray, config: StreamConfig
) -> np.ndarray:
    """All windows at once: index arithmetic and np.interp, nothing of the streaming core."""
    model = runtime.config
    offsets = np.arange(model.frames) - (model.frames - 1 - config.look_ahead)
    moments = stamps[:, None] + offsets * round(model.step * NS)
    inside = np.clip(moments, stamps[0], stamps[-1])
    nearest = np.abs(stamps[None, None] - inside[..., None]).argmin(-1)
    near = np.abs(stamps[nearest] - inside) <= config.tolerance * NS
    windows = points[nearest]
    for row, column in zip(*np.nonzero(~near), strict=True):
        moment = inside[row, column]
        after = int(np.searchsorted(stamps, moment))
        before = after - 1
        weight = np.float32((moment - stamps[before]) / (stamps[after] - stamps[before]))
        windows[row, column] = points[before] + weight * (points[after] - points[before])
    size = np.tile(np.array(SIZE, np.float32), (len(stamps), 1))
    seen = np.ones(windows.shape[:-1], np.float32)
    encoded = encode_pixels(windows, seen, size, 0.0, model.encoding)
    index = model.frames - 1 - config.look_ahead
    joints = flipped(runtime).lift(encoded, None if index == model.target else index)[..., :3]
    joints[:, 0] = 0
    return camera_poses(joints, encoded[:, index], None) if model.encoding == "view" else joints


@pytest.mark.parametrize("fps", [15, 25, 30, 50, 60])
@pytest.mark.parametrize("look_ahead", [0, 5, 13])
def test_a_stream_without_faults_equals_offline_windows(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray], fps: float, look_ahead: int
) -> None:
    stamps, points = at_rate(walk, fps)
    config = StreamConfig(look_ahead=look_ahead, **PLAIN)
    answered, joints = lift_stream(runtime, frames_of(points, stamps), config)
    np.testing.assert_array_equal(answered, stamps)
    offline = lift_offline(runtime, stamps, points, config)
    # The stream keeps what SEM made of a frame, here SEM sees whole windows: rounding differs.
    np.testing.assert_allclose(joints, offline, atol=1e-5)


def test_a_late_frame_is_put_in_its_place(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    frames = frames_of(points, stamps)
    # The filter of joints goes from answer to answer, and those may not wait for late frames.
    config = StreamConfig(
        look_ahead=13, reorder=0.1, joint_cutoff=0.0, bone_memory=0.0, ray_error=0.0
    )
    expected = lift_stream(runtime, frames, config)
    swapped = list(frames)
    swapped[20], swapped[21] = swapped[21], swapped[20]
    actual = lift_stream(runtime, swapped, config)
    np.testing.assert_array_equal(actual[0], expected[0])
    # Frames 7 and 8 are answered when frame 21 comes, before frame 20 does; no other can tell.
    others = ~np.isin(np.arange(len(stamps)) + config.look_ahead, (20, 21))
    np.testing.assert_allclose(actual[1][others], expected[1][others], atol=1e-6)


def test_without_look_ahead_a_late_frame_serves_later_windows_but_is_not_answered(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    frames = frames_of(points, stamps)
    config = StreamConfig(
        look_ahead=0, joint_cutoff=0.0, bone_memory=0.0
    )  # these go from answer to answer
    expected = dict(zip(*lift_stream(runtime, frames, config), strict=True))
    frames[20], frames[21] = frames[21], frames[20]
    answered, joints = lift_stream(runtime, frames, config)
    assert stamps[20] not in answered
    assert len(answered) == len(stamps) - 1
    lifter = StreamLifter(runtime, config)
    for frame in frames:
        lifter.push(frame)
    assert lifter.counters["overtaken"] == 1
    np.testing.assert_array_equal(joints[-1], expected[stamps[-1]])


def test_a_repeated_stamp_is_ignored_and_counted(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    frames = frames_of(points, stamps)
    lifter = StreamLifter(runtime, StreamConfig())
    lifter.push(frames[0])
    assert lifter.push(frames[0]) == []
    assert lifter.counters["repeated"] == 1


def test_a_frame_later_than_the_bound_is_ignored_and_counted(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    frames = frames_of(points, stamps)
    lifter = StreamLifter(runtime, StreamConfig(reorder=0.1, reset=0.5))
    for frame in frames[:20]:
        lifter.push(frame)
    before = lifter.newest
    late = KeypointFrame(int(stamps[12]) + 1, ("a",), points[12][None], frames[12].scores, *SIZE)
    assert lifter.push(late) == []
    assert lifter.counters["late"] == 1
    assert lifter.newest == before


def test_a_jump_back_in_time_restarts_as_when_a_bag_loops(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    frames = frames_of(points, stamps)
    config = StreamConfig(look_ahead=13)
    lifter = StreamLifter(runtime, config)
    once = [a for frame in frames for a in lifter.push(frame)]
    waiting = len(frames) - len(once)
    again = [a for frame in frames for a in lifter.push(frame)]
    assert lifter.counters["reset"] == 1
    # What waited when the loop began is answered first, then the second round equals the first.
    np.testing.assert_array_equal([a.stamp for a in again[:waiting]], stamps[-waiting:])
    for first, second in zip(once, again[waiting:], strict=True):
        assert first.stamp == second.stamp
        np.testing.assert_array_equal(first.joints, second.joints)


def test_a_person_who_returns_after_a_long_gap_restarts(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    lifter = StreamLifter(runtime, StreamConfig(expire=1.0))
    for frame in frames_of(points[:30], stamps[:30]):
        lifter.push(frame)
    back = stamps[:10] + stamps[30] + 2 * NS
    returned = [lifter.push(frame)[0] for frame in frames_of(points[40:50], back)]
    fresh = StreamLifter(runtime, StreamConfig())
    again = [fresh.push(frame)[0] for frame in frames_of(points[40:50], back)]
    assert lifter.counters["expired"] == 1
    for actual, expected in zip(returned, again, strict=True):
        np.testing.assert_array_equal(actual.joints, expected.joints)


def test_silence_answers_what_waits_then_says_that_nobody_is_there(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    lifter = StreamLifter(runtime, StreamConfig(look_ahead=13, expire=1.0))
    answered = [a for frame in frames_of(points[:30], stamps[:30]) for a in lifter.push(frame)]
    assert lifter.expire(int(stamps[29]) + NS // 2) == []
    rest = lifter.expire(int(stamps[29]) + 2 * NS)
    assert len(answered) + len(rest) == 30 + 1
    assert rest[-1].ids == ()
    assert lifter.people == ()
    assert lifter.expire(int(stamps[29]) + 3 * NS) == []


def test_people_come_and_go_and_are_lifted_in_one_batch(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray], counted: list[int]
) -> None:
    stamps, points = at_rate(walk, 25)
    scores = np.ones((2, 17), np.float32)
    lifter = StreamLifter(runtime, StreamConfig(bridge=0.0))
    alone = dict(zip(*lift_stream(runtime, frames_of(points, stamps), StreamConfig()), strict=True))
    counted.clear()
    for index, stamp in enumerate(stamps[:30]):
        both = np.stack([points[index], points[index] + 100])
        people = ("a", "b") if 10 <= index < 20 else ("a",)
        count = len(people)
        frame = KeypointFrame(int(stamp), people, both[:count], scores[:count], *SIZE)
        (answer,) = lifter.push(frame)
        assert answer.ids == people
        np.testing.assert_allclose(answer.joints[0], alone[stamp], atol=1e-5)
    assert counted == [2] * 10 + [4] * 10 + [2] * 10  # with everybody's mirror image


def test_every_joint_is_answered_also_one_that_is_never_seen(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    lifter = StreamLifter(runtime, StreamConfig())
    for index in range(30):
        scores = np.ones((1, 17), np.float32)
        scores[0, 3] = 0  # the right ankle is never seen
        scores[0, 13] = 0 if index == 29 else 0.7
        frame = KeypointFrame(int(stamps[index]), ("a",), points[index][None], scores, *SIZE)
        (answer,) = lifter.push(frame)
    assert np.isfinite(answer.joints).all()
    assert answer.confidence[0, 3] == answer.confidence[0, 13] == 0
    assert answer.confidence[0, 12] == 1


def test_the_observed_share_counts_moments_with_a_frame(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    frames = frames_of(points, stamps)
    lifter = StreamLifter(runtime, StreamConfig())
    shares = [lifter.push(frame)[0].observed[0] for frame in frames[:40]]
    np.testing.assert_allclose(shares[:27], np.arange(1, 28) / 27, rtol=1e-6)
    assert shares[-1] == 1
    holes = [frame for index, frame in enumerate(frames[:60]) if index % 2 == 0]
    lifter.reset()
    assert [lifter.push(frame)[0].observed[0] for frame in holes][-1] == pytest.approx(14 / 27)


def test_too_many_people_and_too_few_joints_are_dropped_and_counted(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    _, points = walk
    lifter = StreamLifter(runtime, StreamConfig(max_people=2))
    people = ("a", "b", "c", "d")
    scores = np.ones((4, 17), np.float32)
    scores[0, 5:] = 0
    frame = KeypointFrame(0, people, np.repeat(points[:1], 4, 0), scores, *SIZE)
    (answer,) = lifter.push(frame)
    assert answer.ids == ("b", "c")
    assert lifter.counters["too_few_joints"] == 1
    assert lifter.counters["too_many_people"] == 1


def test_nobody_is_answered_with_nobody(runtime: Runtime) -> None:
    lifter = StreamLifter(runtime, StreamConfig())
    empty = np.empty((0, 17, 2), np.float32)
    (answer,) = lifter.push(KeypointFrame(5, (), empty, empty[..., 0], *SIZE))
    assert answer.ids == () and answer.joints.shape == (0, 17, 3)


def test_a_stream_far_faster_than_the_buffer_is_made_for_does_not_fail(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    _, points = walk
    lifter = StreamLifter(runtime, StreamConfig(max_rate=10))
    stamps = np.arange(200, dtype=np.int64) * 1_000_000
    answers = [lifter.push(frame) for frame in frames_of(points[:200], stamps[: len(points[:200])])]
    assert all(len(answer) == 1 for answer in answers)


def test_a_stream_too_fast_for_the_look_ahead_loses_no_frame_and_is_told(
    runtime: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    _, points = walk
    lifter = StreamLifter(runtime, StreamConfig(max_rate=10, look_ahead=13))
    stamps = np.arange(100, dtype=np.int64) * 1_000_000
    answers = [a for frame in frames_of(points[:100], stamps) for a in lifter.push(frame)]
    answers += lifter.flush()
    assert [answer.stamp for answer in answers] == stamps.tolist()
    assert lifter.counters["too_fast"] > 50


@pytest.mark.parametrize(
    "most", [{"max_people": 256, "max_rate": 1000.0}, {"max_rate": 1000.0, "carry": 10.0}]
)
def test_windows_that_would_take_gigabytes_are_refused(
    shipped: Runtime, most: dict[str, float]
) -> None:
    with pytest.raises(
        ConfigError, match=r"would take [1-9]\.\d GiB.*lower max_people or max_rate"
    ):
        StreamLifter(shipped, StreamConfig(**most))


@pytest.mark.parametrize(("people", "megabytes"), [(16, 30), (256, 460)])
def test_windows_take_the_memory_that_is_checked_and_documented(
    shipped: Runtime, people: int, megabytes: int
) -> None:
    reading = StreamLifter(shipped, StreamConfig(max_people=people)).reading
    kept = reading._buffer, reading._steadier, reading._embeddings
    taken = sum(getattr(array, "nbytes", 0) for part in kept for array in vars(part).values())
    rows, width = reading._embeddings._rows.shape
    assert 0.9 < taken / (rows * (4 * width + embedding_cache._BESIDES)) <= 1
    assert taken == pytest.approx(megabytes * 1e6, rel=0.1)


def test_a_focal_length_that_breathes_or_zooms_changes_nothing_that_is_lifted(
    shipped: Runtime, walk: tuple[np.ndarray, np.ndarray]
) -> None:
    stamps, points = at_rate(walk, 25)
    middle = np.array(SIZE, np.float32) / 2
    focal = 1000 * (1 + 0.3 * np.sin(np.arange(len(stamps)))) + 0.5
    fixed, zoomed = (StreamLifter(shipped, StreamConfig()) for _ in range(2))
    for index, frame in enumerate(frames_of(points, stamps)):
        seen = middle + (frame.points - middle) * np.float32(focal[index] / 1000)
        (wanted,) = fixed.push(replace(frame, focal=1000.0))
        (answer,) = zoomed.push(replace(frame, points=seen, focal=float(focal[index])))
        np.testing.assert_allclose(answer.joints, wanted.joints, atol=1e-3)
        np.testing.assert_allclose(answer.roots.position, wanted.roots.position, rtol=2e-3)
        assert answer.observed == wanted.observed
    assert zoomed.counters["camera"] == 0
