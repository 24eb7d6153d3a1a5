"""Whatever messages come, in whatever order: no exception, bounded answers, every drop counted."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("hypothesis", reason="needs hypothesis, which the development extra installs")

from builtin_interfaces.msg import Time
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from pstmo_core.keypoints.layouts import LAYOUTS
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_ros.conversions import joints_of
from pstmo_ros.drops import DropCounter
from pstmo_ros.msg import People2D, Person2D
from pstmo_ros.stream import Stream

MOST = 4
seconds = some.sampled_from([-(2**31), -1, 0, 5, 1_700_000_000, 2**31 - 1]) | some.integers(0, 60)
stamps = some.builds(Time, sec=seconds, nanosec=some.integers(0, 2**32 - 1))
numbers = some.floats(width=32) | some.floats(0, 640, width=32)


def floats(most: int) -> some.SearchStrategy[array[float]]:
    usual = some.sampled_from([34, 50, 66]).flatmap(
        lambda count: some.lists(some.floats(0, 640, width=32), min_size=count, max_size=count)
    )
    return (usual | some.lists(numbers, max_size=most)).map(lambda values: array("f", values))


people = some.builds(
    Person2D,
    id=some.sampled_from(["", "a", "b", "ä\n"]) | some.text(max_size=200),
    points=floats(70),
    scores=some.just(array("f")) | floats(33),
)
messages = some.builds(
    People2D,
    header=some.builds(Header, stamp=stamps, frame_id=some.sampled_from(["", "camera", "other"])),
    layout=some.sampled_from(sorted(LAYOUTS)) | some.text(max_size=100),
    width=some.sampled_from([0, 1, 640, 2**32 - 1]),
    height=some.sampled_from([0, 1, 480, 2**32 - 1]),
    people=some.lists(people, max_size=8),
)


@settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large,
                           HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    received=some.lists(some.tuples(messages, some.integers(-(2**62), 2**62)), max_size=6),
    look_ahead=some.integers(0, 13),
)
def test_any_messages_in_any_order_are_answered_or_dropped_and_counted(
    shipped: Runtime, received: list[tuple[People2D, int]], look_ahead: int
) -> None:
    drops, told = DropCounter(), list[str]()
    config = StreamConfig(max_people=MOST, look_ahead=look_ahead)
    stream = Stream(shipped, config, drops, told.append)
    for message, now in received:
        counted = drops.counts.total()
        answers = stream.take(message, "", now)
        answers += stream.silence(now) + stream.silence(2**62)
        assert answers or look_ahead or drops.counts.total() > counted
        for answer in answers:
            serialize_message(answer)
            assert len(answer.people) <= MOST
            for person in answer.people:
                assert not np.isinf(joints_of(person)).any()
    assert len(stream.people) <= MOST
    assert all(len(line) < 1000 and "\x1b" not in line for line in told)
