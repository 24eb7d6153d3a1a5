"""Between subscriber and publisher: what is told, how often, and the stream's own time."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from pstmo_core.camera import Camera
from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_ros import stream as stream_module
from pstmo_ros.conversions import floats, keypoints_message, time_message
from pstmo_ros.drops import DropCounter
from pstmo_ros.msg import People2D, Person2D, Skeleton3D, Skeletons3D
from pstmo_ros.stream import Stream

SECOND = 1_000_000_000
_IMPORT = builtins.__import__


def test_a_reason_is_told_at_once_and_then_once_in_a_while() -> None:
    drops = DropCounter(period=5)
    told = [drops.add("late", "it was late", now) for now in (0, 1, 4, 5, 6, 11)]
    assert [line is not None for line in told] == [True, False, False, True, False, True]
    assert told[3] == "it was late (late: 4 so far)"
    assert drops.add("other", "another", 6) is not None
    assert drops.summary() == "late 6, other 1"
    usual = [drops.add("replaced", "newer", now, period=10) for now in (0, 5, 9, 10)]
    assert [line is not None for line in usual] == [True, False, False, True]


@pytest.fixture
def clip() -> Clip:
    return load_clip(sample_path())


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def stream(runtime: Runtime, told: list[str]) -> Stream:
    return Stream(runtime, StreamConfig(expire=1.0), DropCounter(), told.append)


def frame(clip: Clip, index: int) -> People2D:
    return keypoints_message(clip, index, int(clip.stamps[index]), "camera")


def test_nothing_is_kept_of_people_without_ids_whose_time_runs_backwards(
    stream: Stream, clip: Clip
) -> None:
    message = frame(clip, 0)
    for person in message.people:
        person.id = ""
    latest = 1_700_000_000 * SECOND
    for row in range(3 * stream_module._MOST_WAITING):
        message.header.stamp = time_message(latest - row * 100_000)
        stream.take(message, "", now=row)
    assert len(stream._poses) <= stream_module._MOST_WAITING


def test_one_message_is_one_inference_for_all_people(
    stream: Stream, clip: Clip, counted: list[int]
) -> None:
    (skeletons,) = stream.take(frame(clip, 0), "", now=0)
    assert len(skeletons.people) == len(clip.frame(0).ids)
    assert counted == [2 * len(skeletons.people)]  # everybody's mirror image is lifted, too


def test_people_leave_by_the_streams_time_whatever_the_nodes_clock_says(
    stream: Stream, clip: Clip
) -> None:
    now = 1_700_000_000 * SECOND
    stream.take(frame(clip, 0), "", now)
    assert stream.silence(now + SECOND // 2) == []
    (empty,) = stream.silence(now + 2 * SECOND)
    assert empty.people == []
    assert empty.header.frame_id == "camera"
    assert stream.silence(now + 3 * SECOND) == []


def test_a_clock_that_was_set_back_makes_nobody_leave(stream: Stream, clip: Clip) -> None:
    stream.take(frame(clip, 0), "", now=100 * SECOND)
    assert stream.silence(50 * SECOND) == []
    assert stream.people


def test_silence_before_the_first_message_and_after_a_reset_says_nothing(
    stream: Stream, clip: Clip
) -> None:
    assert stream.silence(10 * SECOND) == []
    stream.take(frame(clip, 0), "", now=0)
    stream.reset()
    assert stream.silence(10 * SECOND) == []
    assert stream.people == ()


def test_a_message_that_comes_twice_is_reported(
    stream: Stream, clip: Clip, told: list[str]
) -> None:
    stream.take(frame(clip, 0), "", now=0)
    assert stream.take(frame(clip, 0), "", now=1) == []
    assert len(told) == 1
    assert "stamp came a second time" in told[0]


def test_a_looped_recording_restarts_and_is_reported(
    stream: Stream, clip: Clip, told: list[str]
) -> None:
    for index in (0, 10, 40, 0):
        answers = stream.take(frame(clip, index), "", now=index)
    assert answers[-1].people
    assert "jumped back" in told[-1]


def alternating(clip: Clip, stream: Stream, frames: int) -> set[str]:
    """Feed two cameras' messages in turns; return the frame ids of the answers of the second half.

    The second camera's come 10 ms after the first's.
    """
    used = set()
    for index in range(frames):
        for late, name in ((0, "left"), (10_000_000, "right")):
            stamp = int(clip.stamps[index]) + late
            message = keypoints_message(clip, index, stamp, name)
            answers = stream.take(message, "", now=SECOND + stamp)
            if index >= frames // 2:
                used |= {answer.header.frame_id for answer in answers}
    return used


def test_of_two_cameras_on_one_topic_one_is_lifted_and_both_are_named(
    stream: Stream, clip: Clip, told: list[str]
) -> None:
    assert len(alternating(clip, stream, 40)) == 1
    assert len(told) == 1
    assert "'left' (1280 x 720) and 'right' (1280 x 720)" in told[0]


def test_a_camera_that_takes_anothers_place_is_followed_and_nothing_is_reported(
    stream: Stream, clip: Clip, told: list[str]
) -> None:
    for index, name in enumerate(["a"] * 5 + ["b"] * 5 + ["a"] * 5):
        now = (index // 5) * 3 * SECOND
        stamp = now + int(clip.stamps[index])
        (answer,) = stream.take(keypoints_message(clip, index, stamp, name), "", now)
        assert answer.header.frame_id == name
    assert told == []


def test_a_camera_that_takes_anothers_place_at_once_is_lifted_without_what_that_one_saw(
    runtime: Runtime, clip: Clip, told: list[str]
) -> None:
    used, new = (
        Stream(runtime, StreamConfig(focal=1000.0), DropCounter(), told.append) for _ in range(2)
    )
    for index in range(20):
        used.take(frame(clip, index), "", now=int(clip.stamps[index]))
    for index in range(20, 40):
        message = keypoints_message(clip, index, int(clip.stamps[index]), "another")
        message.people = [
            Person2D(id=p.id, points=floats(np.array(p.points) * 0.7), scores=p.scores)
            for p in message.people
        ]
        (answer,), (expected,) = (
            each.take(message, "", now=int(clip.stamps[index])) for each in (used, new)
        )
        assert [p.id for p in answer.people] == [p.id for p in expected.people]
        for one, other in zip(answer.people, expected.people, strict=True):
            np.testing.assert_array_equal(one.joints, other.joints)
            assert one.root == other.root


def test_keypoints_without_a_frame_get_the_parameters_and_else_a_warning(
    runtime: Runtime, clip: Clip, told: list[str]
) -> None:
    for frame_id in ("", "mast_optical"):
        stream = Stream(runtime, StreamConfig(), DropCounter(), told.append, frame_id)
        for index in range(3):
            message = keypoints_message(clip, index, int(clip.stamps[index]), "")
            (answer,) = stream.take(message, "", now=index)
            assert answer.header.frame_id == frame_id
    assert len(told) == 1
    assert "set the parameter frame_id" in told[0]


def test_a_focal_length_alone_places_people_as_a_calibration_of_it_does(
    shipped: Runtime, clip: Clip
) -> None:
    given = Stream(shipped, StreamConfig(focal=900.0), DropCounter(), print)
    calibrated = Stream(shipped, StreamConfig(), DropCounter(), print)
    calibrated.camera = Camera(clip.width, clip.height, (900.0, 900.0), (640.0, 360.0))
    for index in range(20):
        (first,), (second,) = (s.take(frame(clip, index), "", index) for s in (given, calibrated))
        for one, other in zip(first.people, second.people, strict=True):
            assert one.root == other.root
            np.testing.assert_array_equal(one.joints, other.joints)
    assert first.people[0].root_source == Skeleton3D.ROOT_ASSUMED


def test_who_has_no_id_is_named_without_an_import_at_the_first_message(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, clip: Clip, told: list[str]
) -> None:
    stream = Stream(runtime, StreamConfig(), DropCounter(), told.append)
    message = frame(clip, 0)
    for person in message.people:
        person.id = ""
    monkeypatch.setattr("builtins.__import__", _refuse)
    (answer,) = stream.take(message, "", now=0)
    assert len(answer.people) == len(message.people)


def _refuse(name: str, *rest: object) -> object:
    if name.partition(".")[0] in ("scipy", "cv2", "onnxruntime"):
        raise AssertionError(f"{name} was imported")
    return _IMPORT(name, *rest)


def test_a_camera_that_changes_its_resolution_sees_the_same_people(
    runtime: Runtime, clip: Clip, told: list[str]
) -> None:
    def lift(change: int) -> list[Skeletons3D]:
        stream = Stream(runtime, StreamConfig(focal=900.0), DropCounter(), told.append)
        answers = []
        for index in range(40):
            message = frame(clip, index)
            for person in message.people:
                person.id = ""
            if index >= change:
                message.width, message.height = message.width // 2, message.height // 2
                for person in message.people:
                    person.points = floats(np.asarray(person.points) / 2)
            answers += stream.take(message, "", now=index)
        return answers

    for steady, changed in zip(lift(100), lift(20), strict=True):
        assert [p.id for p in changed.people] == [p.id for p in steady.people]
        for one, other in zip(steady.people, changed.people, strict=True):
            np.testing.assert_allclose(other.joints, one.joints, atol=1e-3)
    assert not told


@pytest.mark.parametrize(("away", "known"), [(3, True), (30, False)])
def test_people_without_ids_who_come_back_get_the_ids_that_they_had(
    runtime: Runtime, clip: Clip, told: list[str], away: int, known: bool
) -> None:
    stream = Stream(runtime, StreamConfig(focal=1000.0), DropCounter(), told.append)
    before: set[str] = set()
    for index in range(60):
        stamp = int(clip.stamps[index]) + away * SECOND * (index >= 30)
        message = keypoints_message(clip, index, stamp, "camera")
        for person in message.people:
            person.id = ""
        (answer,) = stream.take(message, "", now=stamp)
        ids = {person.id for person in answer.people}
        if index == 29:
            before = ids
    assert before and (ids == before if known else not ids & before)
    assert set(stream.people) == ids, "markers of people with other ids would stay"


def test_who_left_before_a_recording_began_again_is_nobody_who_comes_back(
    runtime: Runtime, clip: Clip, told: list[str]
) -> None:
    """In the second turn the same people are seen a little later than they left in the first."""
    stream = Stream(runtime, StreamConfig(focal=1000.0), DropCounter(), told.append)
    seen: list[set[str]] = []
    starts = {0: 5 * SECOND, 15: 6 * SECOND}
    for first, start in starts.items():
        stream.take(keypoints_message(clip, len(clip), 0, "camera"), "", now=0)
        for index in range(first, first + 15):
            stamp = start + int(clip.stamps[index] - clip.stamps[first])
            message = keypoints_message(clip, index, stamp, "camera")
            for person in message.people:
                person.id = ""
            (answer,) = stream.take(message, "", now=stamp)
        seen.append({person.id for person in answer.people})
    assert all(seen) and not seen[0] & seen[1]


def test_who_is_recognised_before_the_tracker_forgets_them_is_there_once(
    runtime: Runtime, clip: Clip, told: list[str]
) -> None:
    stream = Stream(runtime, StreamConfig(focal=1000.0), DropCounter(), told.append)
    ids: list[set[str]] = []
    for index in range(32):
        later = index >= 30  # a third of a second later, half a metre to the side
        stamp = int(clip.stamps[index]) + later * SECOND // 3
        message = keypoints_message(clip, index, stamp, "camera")
        for person in message.people:
            person.id = ""
            points = np.reshape(person.points, (-1, 2)) + [150.0 * later, 0.0]
            person.points = floats(points.ravel())
        (answer,) = stream.take(message, "", now=stamp)
        ids.append({person.id for person in answer.people})
    assert ids[-1] == ids[0] and len(stream.lifter.people) > len(ids[0])
    assert sorted(stream.people) == sorted(ids[0])
