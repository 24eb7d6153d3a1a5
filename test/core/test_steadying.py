"""Keypoints and skeletons made steady: swaps, outliers, jitter, hidden joints, missed people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from shared_files import shared

from pstmo_core.bench.real import measure_all
from pstmo_core.bench.real_recordings import load_recordings
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.runtime import LiveRuntime, Runtime, load_runtime, shipped_model
from pstmo_core.skeleton import LEFT, RIGHT
from pstmo_core.streaming import one_euro
from pstmo_core.streaming.config import PLAIN, StreamConfig
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_core.streaming.skeleton_frame import SkeletonFrame

NS = 1_000_000_000
SIZE = (1280, 720)
ARMS = [(14, 11), (15, 12), (16, 13)]
LEGS = [(1, 4), (2, 5), (3, 6)]
WRIST, ANKLE = 13, 6

Motion = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def boxing(sample: dict[str, np.ndarray]) -> Motion:
    """Times (F,) and pixels (F, 17, 2) of real motion, somebody who boxes, without any error."""
    joints = sample["truth"][70:170, 1] + np.array([0.2, 0.1, 4.0])
    return sample["stamps"][:100], joints[..., :2] / joints[..., 2:] * 900 + np.array(SIZE) / 2


def at_rate(motion: Motion, fps: float, seconds: float = 2.0) -> Motion:
    """Stamps (F,) and pixels (F, 17, 2) of a motion as a camera of a frame rate sees it."""
    times, points = motion
    wanted = np.arange(0, seconds, 1 / fps)
    flat = [np.interp(wanted, times, column) for column in points.reshape(len(points), -1).T]
    points = np.stack(flat, -1).reshape(-1, 17, 2).astype(np.float32)
    return np.round(wanted * NS).astype(np.int64), points


def frame_of(stamp: int, points: np.ndarray, scores: np.ndarray | None = None) -> KeypointFrame:
    scores = np.ones(17, np.float32) if scores is None else scores
    return KeypointFrame(int(stamp), ("a",), points[None], scores[None], *SIZE)


def frames_of(motion: Motion, scores: np.ndarray | None = None) -> list[KeypointFrame]:
    stamps, points = motion
    scores = np.ones(points.shape[:2], np.float32) if scores is None else scores
    return [frame_of(*each) for each in zip(stamps, points, scores, strict=True)]


def answers_to(
    runtime: Runtime | LiveRuntime, frames: list[KeypointFrame], **settings: float
) -> list[SkeletonFrame]:
    lifter = StreamLifter(runtime, StreamConfig(**settings))
    return [answer for frame in frames for answer in lifter.push(frame)] + lifter.flush()


def joints_of(runtime: Runtime, frames: list[KeypointFrame], **settings: float) -> np.ndarray:
    return np.concatenate([each.joints for each in answers_to(runtime, frames, **settings)])


def only(**settings: float) -> dict[str, float]:
    """Settings with everything off but some."""
    return PLAIN | settings


def swapped(points: np.ndarray, rows: slice, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Keypoints whose left and right are mixed up in some rows."""
    right, left = (list(side) for side in zip(*pairs, strict=True))
    points = points.copy()
    points[rows, right + left] = points[rows, left + right]
    return points


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """The largest distance between two answers' joints, mm."""
    return float(np.linalg.norm(one - other, axis=-1).max() * 1e3)


@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("pairs", [ARMS + LEGS, ARMS, LEGS, LEGS[1:]])
def test_a_swap_is_undone(
    shipped: Runtime, boxing: Motion, fps: float, pairs: list[tuple[int, int]]
) -> None:
    stamps, points = at_rate(boxing, fps)
    rows = slice(int(0.8 * fps), int(1.3 * fps))
    mixed = frames_of((stamps, swapped(points, rows, pairs)))
    right = joints_of(shipped, frames_of((stamps, points)), **only())
    followed = apart(joints_of(shipped, mixed, **only()), right)
    undone = apart(joints_of(shipped, mixed, **only(unswap=1.0)), right)
    assert followed > 100
    assert undone < 1e-3


@pytest.mark.parametrize("seen, hidden", [(ARMS, LEGS), (LEGS, ARMS)], ids=["arms", "legs"])
def test_a_swap_of_limbs_is_undone_where_no_others_are_seen(
    shipped: Runtime, boxing: Motion, seen: list[tuple[int, int]], hidden: list[tuple[int, int]]
) -> None:
    stamps, points = at_rate(boxing, 30)
    scores = np.ones(points.shape[:2], np.float32)
    scores[:, np.array(hidden).ravel()] = 0
    mixed = frames_of((stamps, swapped(points, slice(24, 39), seen)), scores)
    right = joints_of(shipped, frames_of((stamps, points), scores), **only())
    assert apart(joints_of(shipped, mixed, **only()), right) > 100
    assert apart(joints_of(shipped, mixed, **only(unswap=1.0)), right) < 1e-3


@pytest.mark.parametrize("fps", [15, 30, 60])
@pytest.mark.parametrize("seconds", [0.8, 1.5])
def test_somebody_who_really_turns_is_not_taken_for_swapped(
    sample: dict[str, np.ndarray], shipped: Runtime, fps: float, seconds: float
) -> None:
    """A standing body that turns round once, in less than a second for the fastest."""
    pose = sample["truth"][40, 0].astype(np.float64)
    stamps = np.round(np.arange(0, seconds + 1, 1 / fps) * NS).astype(np.int64)
    angle = np.clip(stamps / NS - 0.5, 0, seconds) / seconds * 2 * np.pi
    turn = np.zeros((len(angle), 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 0, 2], turn[:, 2, 0] = np.sin(angle), -np.sin(angle)
    turn[:, 1, 1] = 1
    body = pose @ turn.transpose(0, 2, 1) + np.array([0, 0, 4.0])
    points = (body[..., :2] / body[..., 2:] * 900 + np.array(SIZE) / 2).astype(np.float32)
    frames = frames_of((stamps, points))
    as_is, steady = (joints_of(shipped, frames, **only(unswap=u)) for u in (0.0, 1.0))
    np.testing.assert_array_equal(steady, as_is)


def test_a_swap_that_lasts_is_believed(shipped: Runtime, boxing: Motion) -> None:
    stamps, points = at_rate(boxing, 30, 3.0)
    mixed = swapped(points, slice(30, None), ARMS + LEGS)
    frames = frames_of((stamps, mixed))
    believed, undone = (joints_of(shipped, frames, **only(unswap=u)) for u in (0.0, 0.5))
    assert apart(undone[35:40], believed[35:40]) > 100
    # From half a second after it on, as reported; then the window is over.
    assert apart(undone[-5:], believed[-5:]) < 1e-3


def test_what_was_seen_for_a_moment_does_not_overrule_what_comes_then(
    shipped: Runtime, boxing: Motion
) -> None:
    stamps, points = at_rate(boxing, 30, 2.0)
    frames = frames_of((stamps, swapped(points, slice(0, 6), ARMS + LEGS)))
    as_is, undone = (joints_of(shipped, frames, **only(unswap=u)) for u in (0.0, 1.0))
    assert apart(undone[6:12], as_is[6:12]) > 100
    # Believed after another six frames, at 0.4 s; later a window has passed.
    assert apart(undone[-10:], as_is[-10:]) < 1e-3


def test_a_trunk_that_is_reported_straight_is_not_twisted(shipped: Runtime, boxing: Motion) -> None:
    """Arms that were mixed up at first are believed once they are right."""
    stamps, points = at_rate(boxing, 30, 2.0)
    frames = frames_of((stamps, swapped(points, slice(0, 20), ARMS)))
    as_is, undone = (joints_of(shipped, frames, **only(unswap=u)) for u in (0.0, 1.0))
    assert apart(undone, as_is) < 1e-3


def test_an_outlier_of_one_frame_is_left_out(shipped: Runtime, boxing: Motion) -> None:
    stamps, points = at_rate(boxing, 30)
    right = joints_of(shipped, frames_of((stamps, points)), **only())
    points[40, [WRIST, ANKLE]] += (150, -120)
    wild = frames_of((stamps, points))
    trusted = joints_of(shipped, wild, **only())
    left_out = joints_of(shipped, wild, **only(outlier=0.25, carry=0.2))
    assert apart(trusted[40], right[40]) > 100
    assert apart(left_out[40], right[40]) < 25
    assert apart(left_out[41:], right[41:]) < 25


def test_a_joint_that_jumps_and_stays_is_believed(shipped: Runtime, boxing: Motion) -> None:
    stamps, points = at_rate(boxing, 30)
    points[40:, WRIST] += (-250, 0)
    frames = frames_of((stamps, points))
    trusted, steady = (joints_of(shipped, frames, **only(outlier=each)) for each in (0.0, 0.25))
    assert apart(steady[40], trusted[40]) > 100
    np.testing.assert_allclose(steady[-1, WRIST], trusted[-1, WRIST], atol=0.1)


@pytest.mark.parametrize("rate", ["15", "30", "60", "120", "irregular"])
def test_the_filter_follows_steady_motion_without_lag_and_takes_noise_away(rate: str) -> None:
    random = np.random.default_rng(1)
    steps = random.uniform(0.004, 0.06, 100) if rate == "irregular" else np.full(200, 1 / int(rate))
    times = np.cumsum(steps)
    truth = times[:, None, None] * np.array([120.0, -80.0]) + np.zeros((1, 400, 1))
    noise = random.normal(0, 5, truth.shape)
    points, velocity = truth[0] + noise[0], np.zeros(truth[0].shape)
    filtered = [points]
    for measured, step in zip((truth + noise)[1:], steps[1:], strict=True):
        age = np.full(len(points), step)
        expected, velocity = one_euro.advance(points, velocity, age)
        cutoff = one_euro.adaptive_cutoff(velocity, np.float64(200.0), 3.0, 0.5)
        points, velocity = one_euro.correct(expected, velocity, measured, age, cutoff)
        filtered.append(points)
    settled = times > 1.0
    error = (np.array(filtered) - truth)[settled]
    speed = np.hypot(120.0, 80.0)
    along = error.mean((0, 1)) @ np.array([120.0, -80.0]) / speed
    assert abs(along / speed) < 0.008  # seconds
    assert error.std() < (5 if rate == "15" else 0.85 * 5)


def test_answers_shake_less(shipped: Runtime, boxing: Motion) -> None:
    stamps, points = at_rate(boxing, 30)
    noisy = points + np.random.default_rng(0).normal(0, 3, points.shape).astype(np.float32)

    def shake(**settings: float) -> float:
        joints = joints_of(shipped, frames_of((stamps, noisy)), **settings)
        return float(np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).mean())

    plain = shake(**only())
    keypoints, joints = shake(**only(keypoint_cutoff=3.0)), shake(**only(joint_cutoff=3.0))
    assert keypoints < 0.8 * plain
    assert joints < 0.7 * plain
    assert shake() < 0.5 * plain


def test_a_wrist_hidden_for_a_moment_goes_on(shipped: Runtime, boxing: Motion) -> None:
    stamps, points = at_rate(boxing, 30)
    right = joints_of(shipped, frames_of((stamps, points)), **only())
    scores = np.ones(points.shape[:2], np.float32)
    scores[40:46, WRIST] = 0
    hidden = frames_of((stamps, points), scores)
    guessed = joints_of(shipped, hidden, **only())
    carried = answers_to(shipped, hidden, **only(carry=0.2, keypoint_cutoff=3.0))

    def error(joints: np.ndarray) -> float:
        return float(np.linalg.norm(joints[:, WRIST] - right[40:46, WRIST], axis=-1).mean())

    answered = np.concatenate([each.joints for each in carried[40:46]])
    assert error(answered) < error(guessed[40:46])
    assert all(each.confidence[0, WRIST] == 0 for each in carried[40:46])


def test_legs_behind_a_table_are_answered_with_confidence_0(
    shipped: Runtime, boxing: Motion
) -> None:
    motion = at_rate(boxing, 30)
    scores = np.ones(motion[1].shape[:2], np.float32)
    scores[:, [*(pair[0] for pair in LEGS[1:]), *(pair[1] for pair in LEGS[1:])]] = 0
    for answer in answers_to(shipped, frames_of(motion, scores)):
        assert np.isfinite(answer.joints).all()
        assert (answer.confidence[0, [2, 3, 5, 6]] == 0).all()
        assert (answer.confidence[0, [11, 14]] > 0).all()


def test_a_person_missed_for_a_moment_is_answered_and_one_who_leaves_is_not(
    shipped: Runtime, boxing: Motion
) -> None:
    frames = frames_of(at_rate(boxing, 30))
    nobody = np.zeros((0, 17, 2), np.float32)
    for index in [*range(30, 34), *range(45, 60)]:
        frames[index] = KeypointFrame(frames[index].stamp, (), nobody, nobody[..., 0], *SIZE)
    answers = answers_to(shipped, frames, bridge=0.25)
    there = [len(answer.ids) for answer in answers]
    assert there == [1] * 52 + [0] * 8
    assert all((answer.confidence == 0).all() for answer in answers[30:34])
    # As they were last seen, calmed down.
    assert apart(answers[33].joints[0], answers[29].joints[0]) < 60
    assert all(len(each.ids) == (0 if i in range(30, 34) or i >= 45 else 1)
               for i, each in enumerate(answers_to(shipped, frames, bridge=0.0)))  # fmt: skip


@pytest.mark.parametrize("network", ["stmo_27.onnx", "stmo_live.onnx"])
def test_a_false_detection_of_one_image_is_not_drawn_out(boxing: Motion, network: str) -> None:
    runtime = load_runtime(shipped_model().with_name(network))
    frames = frames_of(at_rate(boxing, 25))
    nobody = np.zeros((0, 17, 2), np.float32)
    for index in {*range(50)} - {5, 20, 21, 22}:
        frames[index] = KeypointFrame(frames[index].stamp, (), nobody, nobody[..., 0], *SIZE)
    there = [bool(answer.ids) for answer in answers_to(runtime, frames, expire=0.3, look_ahead=0)]
    assert np.flatnonzero(there).tolist() == [5, 20, 21, 22, 23, 24]


def faulty(boxing: Motion, seed: int) -> list[KeypointFrame]:
    """A stream with everything: two people, noise, swaps, outliers, holes, irregular stamps."""
    random = np.random.default_rng(seed)
    stamps, points = at_rate(boxing, 40, 2.5)
    stamps = stamps + random.integers(0, NS // 100, len(stamps))
    frames = []
    for index, stamp in enumerate(stamps):
        both = np.stack([points[index], points[index] + 200])
        both += random.normal(0, 2, both.shape)
        if random.random() < 0.2:
            both[0, [*LEFT, *RIGHT]] = both[0, [*RIGHT, *LEFT]]
        both[1, random.integers(17)] += random.normal(0, 100, 2)
        scores = random.uniform(0.1, 1, (2, 17)).astype(np.float32)
        there = slice(0, 1 + int(random.random() > 0.2))
        people = ("a", "b")[there]
        frames.append(
            KeypointFrame(int(stamp), people, both[there].astype(np.float32), scores[there], *SIZE)
        )
    return frames


def replayed(runtime: Runtime, frames: list[KeypointFrame], at_once: int) -> list[SkeletonFrame]:
    lifter = StreamLifter(runtime, StreamConfig(look_ahead=6))
    parts = [frames[start : start + at_once] for start in range(0, len(frames), at_once)]
    return [answer for part in parts for answer in lifter.push_all(part)] + lifter.flush()


def test_a_replay_gives_the_same_bits_and_a_batch_the_same_numbers(
    shipped: Runtime, boxing: Motion
) -> None:
    frames = faulty(boxing, seed=2)
    once, again, together = (replayed(shipped, frames, at_once) for at_once in (1, 1, 32))
    assert len(once) == len(frames)
    for first, second, third in zip(once, again, together, strict=True):
        assert first.ids == second.ids == third.ids
        np.testing.assert_array_equal(first.joints, second.joints)
        np.testing.assert_allclose(first.joints, third.joints, atol=1e-4)


def test_late_frames_are_followed_in_the_order_of_their_stamps(
    shipped: Runtime, boxing: Motion
) -> None:
    frames = faulty(boxing, seed=3)
    late = list(frames)
    for index in range(5, len(late) - 1, 9):
        late[index : index + 2] = late[index : index + 2][::-1]
    config = StreamConfig(look_ahead=13, joint_cutoff=0.0, bone_memory=0.0, ray_error=0.0)
    in_order, out_of_order = StreamLifter(shipped, config), StreamLifter(shipped, config)
    expected = [a for frame in frames for a in in_order.push(frame)] + in_order.flush()
    actual = [a for frame in late for a in out_of_order.push(frame)] + out_of_order.flush()
    assert [each.stamp for each in actual] == [each.stamp for each in expected]
    # Two windows are answered when a frame overtakes another, and lack that; all others are alike.
    differing = sum(
        apart(ours.joints, theirs.joints) > 1e-3
        for ours, theirs in zip(actual, expected, strict=True)
    )
    assert differing <= 2 * len(range(5, len(late) - 1, 9))


def test_people_do_not_disturb_one_another(shipped: Runtime, boxing: Motion) -> None:
    frames = faulty(boxing, seed=4)

    def without(frame: KeypointFrame, name: str) -> KeypointFrame:
        rows = [row for row, each in enumerate(frame.ids) if each != name]
        ids = tuple(frame.ids[row] for row in rows)
        return KeypointFrame(frame.stamp, ids, frame.points[rows], frame.scores[rows], *SIZE)

    for answer, alone in zip(
        answers_to(shipped, frames),
        answers_to(shipped, [without(frame, "b") for frame in frames]),
        strict=True,
    ):
        mine = answer.ids.index("a")
        np.testing.assert_allclose(answer.joints[mine], alone.joints[0], atol=1e-5)


def test_another_image_size_starts_the_tracks_again(shipped: Runtime, boxing: Motion) -> None:
    stamps, points = at_rate(boxing, 30)
    frames = frames_of((stamps, points))
    frames[20:] = [
        KeypointFrame(each.stamp, each.ids, each.points * 2, each.scores, 2560, 1440)
        for each in frames[20:]
    ]
    as_one = joints_of(shipped, frames_of((stamps, points)))
    joints = joints_of(shipped, frames)
    assert apart(joints[-1], as_one[-1]) < 20


@pytest.fixture(scope="module")
def on_real_video(shipped: Runtime) -> Callable[[str], object]:
    recordings = load_recordings(shared("real"))
    configs = {"steady": StreamConfig(), "plain": StreamConfig(**PLAIN)}
    rows = {(row.detector, row.answer): row.mean for row in
            measure_all(recordings, shipped, configs)}  # fmt: skip
    return lambda detector, answer="steady": rows[detector, answer]


DETECTORS = ("blazepose33_heavy", "blazepose33_full", "coco17_thunder", "coco17_multipose256")


def test_on_real_video_skeletons_are_steady_and_complete(
    on_real_video: Callable[..., object],
) -> None:
    for detector in DETECTORS:
        steady, plain = on_real_video(detector), on_real_video(detector, "plain")
        assert steady.jitter <= 6, detector
        assert steady.unanswered == 0, detector
        assert steady.acceleration_error < 0.6 * plain.acceleration_error, detector
        assert steady.mpjpe < plain.mpjpe + 3, detector


def test_on_real_video_no_swap_is_followed(on_real_video: Callable[..., object]) -> None:
    full, plain = (on_real_video("blazepose33_full", each) for each in ("steady", "plain"))
    assert full.swaps == 30 and full.swaps_followed == 0
    assert full.mpjpe <= 101
    assert full.mpjpe < plain.mpjpe - 8  # swaps bend the skeletons of the network alone
