"""Between subscriber and publisher: what is told, how often, and the stream's own time."""

from __future__ import annotations

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_ros.conversions import keypoints_message
from pstmo_ros.drops import DropCounter
from pstmo_ros.msg import People2D
from pstmo_ros.stream import Stream

SECOND = 1_000_000_000


def test_a_reason_is_told_at_once_and_then_once_in_a_while() -> None:
    drops = DropCounter(period=5)
    told = [drops.add("late", "it was late", now) for now in (0, 1, 4, 5, 6, 11)]
    assert [line is not None for line in told] == [True, False, False, True, False, True]
    assert told[3] == "it was late (late: 4 so far)"
    assert drops.add("other", "another", 6) is not None
    assert drops.summary() == "late 6, other 1"


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


def test_one_message_is_one_inference_for_all_people(
    stream: Stream, clip: Clip, counted: list[int]
) -> None:
    (skeletons,) = stream.take(frame(clip, 0), "", now=0)
    assert len(skeletons.people) == len(clip.frame(0).ids)
    assert counted == [len(skeletons.people)]


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


def test_a_message_that_comes_twice_is_told(stream: Stream, clip: Clip, told: list[str]) -> None:
    stream.take(frame(clip, 0), "", now=0)
    assert stream.take(frame(clip, 0), "", now=1) == []
    assert len(told) == 1
    assert "stamp came a second time" in told[0]


def test_a_looped_recording_starts_anew_and_is_told(
    stream: Stream, clip: Clip, told: list[str]
) -> None:
    for index in (0, 10, 40, 0):
        answers = stream.take(frame(clip, index), "", now=index)
    assert answers[-1].people
    assert "jumped back" in told[-1]
