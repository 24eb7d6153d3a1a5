"""Messages to the core's arrays and back, without DDS."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_core.room.root_fusion import RootSource
from pstmo_core.skeleton import EDGES, JOINT_NAMES
from pstmo_core.streaming.root import Roots
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_ros.conversions import (
    LONGEST_ID,
    MOST_PEOPLE,
    MessageError,
    joints_of,
    keypoints_from_message,
    keypoints_message,
    layout_message,
    skeletons_message,
    stamp_ns,
    time_message,
)
from pstmo_ros.msg import People2D, Person2D, Skeleton3D


def person(name: str = "a", points: int = 17, scores: int | None = None) -> Person2D:
    score_count = points if scores is None else scores
    return Person2D(
        id=name,
        points=array("f", range(2 * points)),
        scores=array("f", [0.9] * score_count),
    )


def message(*people: Person2D, **fields: object) -> People2D:
    filled = {"layout": "coco17", "width": 640, "height": 480, **fields}
    return People2D(header=Header(stamp=Time(sec=5, nanosec=7)), people=list(people), **filled)


def percentages() -> Person2D:
    found = person()
    found.scores = array("f", [90.0] * 17)
    return found


def reasons(refused: pytest.ExceptionInfo[MessageError]) -> list[str]:
    return [fault.reason for fault in refused.value.faults]


def test_a_clip_goes_through_messages_without_any_change() -> None:
    clip = load_clip(sample_path())
    for index in (0, 50, len(clip) - 1):
        frame, faults = keypoints_from_message(keypoints_message(clip, index, 123, "camera"))
        expected = clip.frame(index)
        assert not faults
        assert (frame.stamp, frame.ids) == (123, expected.ids)
        np.testing.assert_array_equal(frame.points, expected.points)
        np.testing.assert_array_equal(frame.scores, expected.scores)


def test_stamps_are_exact_nanoseconds_also_before_the_epoch() -> None:
    for stamp in (0, 1, 999_999_999, 1_763_000_000_123_456_789, -1):
        assert stamp_ns(time_message(stamp)) == stamp


@pytest.mark.parametrize(
    ("stamp", "nearest"),
    [
        (2**31 * 10**9, Time(sec=2**31 - 1, nanosec=999_999_999)),
        (2**63 - 1, Time(sec=2**31 - 1, nanosec=999_999_999)),
        (-(2**31) * 10**9, Time(sec=-(2**31))),
        (-(2**63), Time(sec=-(2**31))),
    ],
)
def test_a_stamp_beyond_what_a_message_can_say_becomes_the_nearest(
    stamp: int, nearest: Time
) -> None:
    assert time_message(stamp) == nearest


def test_a_frame_behind_the_clips_end_says_nobody() -> None:
    clip = load_clip(sample_path())
    end = keypoints_message(clip, len(clip), 9, "camera")
    frame, faults = keypoints_from_message(end)
    assert (frame.ids, faults, end.width) == ((), [], clip.width)


def test_empty_scores_say_that_every_known_point_is_sure() -> None:
    frame, _ = keypoints_from_message(message(person(points=17, scores=0), layout="h36m17"))
    np.testing.assert_array_equal(frame.scores, 1.0)


@pytest.mark.parametrize(
    ("wrong", "reason", "words"),
    [
        (message(person(), layout="coco"), "layout", "coco17"),
        (message(person(), width=0), "image_size", "0 x 480"),
        (message(person(points=16)), "points", "needs 34"),
        (message(person(scores=3)), "scores", "needs 17"),
        (message(percentages()), "scores", "up to 90, but they must be 0 .* divide percentages"),
    ],
)
def test_a_useless_message_is_refused_with_what_would_be_right(
    wrong: People2D, reason: str, words: str
) -> None:
    with pytest.raises(MessageError, match=words) as refused:
        keypoints_from_message(wrong)
    assert reasons(refused) == [reason]


def test_who_is_right_is_served_beside_who_is_wrong() -> None:
    frame, faults = keypoints_from_message(
        message(person("short", points=16), person("good"), person("good"), person("fine"))
    )
    assert frame.ids == ("good", "fine")
    assert [fault.reason for fault in faults] == ["points", "repeated_id"]


def test_points_that_are_nan_or_infinite_count_as_not_seen() -> None:
    odd = person(points=17)
    odd.points[0], odd.points[6] = float("nan"), float("inf")
    frame, faults = keypoints_from_message(message(odd, layout="h36m17"))
    assert not faults
    assert np.isfinite(frame.points).all()
    assert (frame.scores[0, [0, 3]] == 0).all()
    assert (frame.scores[0, [1, 2]] > 0).all()


def test_the_parameter_layout_wins_over_the_messages() -> None:
    frame, _ = keypoints_from_message(message(person(points=17), layout="mine"), "h36m17")
    assert frame.points[0, 1].tolist() == [2.0, 3.0]


def test_skeletons_keep_their_numbers_and_only_known_roots() -> None:
    joints = np.arange(2 * 17 * 3, dtype=np.float32).reshape(2, 17, 3)
    joints[1, 4] = np.nan
    confidence = np.linspace(0, 1, 34, dtype=np.float32).reshape(2, 17)
    roots = Roots.unknown(2)
    roots.source[1] = RootSource.FLOOR
    roots.position[1], roots.covariance[1] = (1, 2, 3), np.arange(9).reshape(3, 3)
    observed = np.float32([0.5, 1.0])
    frame = SkeletonFrame(3, 5, ("a", "b"), joints, confidence, observed, roots)
    sent = skeletons_message(frame, "camera")
    assert (stamp_ns(sent.header.stamp), stamp_ns(sent.newest_stamp)) == (3, 5)
    assert sent.header.frame_id == "camera"
    for row, skeleton in enumerate(sent.people):
        np.testing.assert_array_equal(joints_of(skeleton), joints[row])
        np.testing.assert_array_equal(skeleton.confidence, confidence[row])
    unknown, known = sent.people
    assert unknown.root_source == unknown.ROOT_NONE
    assert np.isnan([unknown.root.x, unknown.root.y, unknown.root.z]).all()
    assert np.isnan(unknown.root_covariance).all()
    assert known.root_source == known.ROOT_FLOOR
    assert (known.root.x, known.root.y, known.root.z) == (1, 2, 3)
    assert known.root_covariance.tolist() == list(range(9))


def test_the_layout_message_names_all_joints_and_edges() -> None:
    layout = layout_message()
    assert tuple(layout.joint_names) == JOINT_NAMES
    assert np.reshape(layout.edges, (-1, 2)).tolist() == [list(edge) for edge in EDGES]


@pytest.mark.parametrize("named", [True, False])
def test_only_so_many_people_of_a_message_are_looked_at(named: bool) -> None:
    crowd = [person(f"a{row}" if named else "") for row in range(MOST_PEOPLE + 1000)]
    frame, (fault,) = keypoints_from_message(message(*crowd))
    assert len(frame.ids) == MOST_PEOPLE
    assert (fault.reason, fault.amount) == ("too_many_people", 1000)


def test_an_id_has_a_length_and_no_text_from_outside_is_repeated_whole() -> None:
    frame, (fault,) = keypoints_from_message(
        message(person("x" * LONGEST_ID), person("\x1b[2J" * 10**6))
    )
    assert frame.ids == ("x" * LONGEST_ID,)
    assert fault.reason == "long_id"
    with pytest.raises(MessageError) as refused:
        keypoints_from_message(message(person(), layout="coco17\n" * 10**6))
    for sentence in (fault.sentence, str(refused.value)):
        assert len(sentence) < 400
        assert "\n" not in sentence and "\x1b" not in sentence


def test_the_sources_of_places_have_the_messages_numbers() -> None:
    for source in RootSource:
        assert getattr(Skeleton3D, f"ROOT_{source.name}") == source
