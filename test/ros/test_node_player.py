"""The player: exact stamps, in time, and an end that says nobody is there."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

import rclpy
from node_world import World
from own_time import OwnTime
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosgraph_msgs.msg import Clock

from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.clip import ClipError, load_clip, sample_path, save_clip
from pstmo_core.room.quaternions import matrix_from_quaternion
from pstmo_ros.conversions import stamp_ns, time_message
from pstmo_ros.keypoint_player import KeypointPlayer, play_times
from pstmo_ros.msg import People2D

FRAMES = 30


@pytest.fixture
def short(tmp_path: Path) -> Path:
    whole = load_clip(sample_path())
    cut = {name: getattr(whole, name)[:FRAMES] for name in ("keypoints", "scores", "stamps")}
    save_clip(dataclasses.replace(whole, truth=None, **cut), tmp_path / "short.npz")
    return tmp_path / "short.npz"


def player(**parameters: Any) -> KeypointPlayer:
    given = {"wait_for_subscribers": 0, "start_delay": 0.0, **parameters}
    return KeypointPlayer(parameter_overrides=[Parameter(n, value=v) for n, v in given.items()])


def test_at_rate_1_the_recorded_intervals_are_kept_exactly() -> None:
    stamps = np.array([5, 33_333_338, 66_666_671, 100_000_004], np.int64)
    assert play_times(stamps, 1.0).tolist() == [0, 33_333_333, 66_666_666, 99_999_999, 133_333_332]


def test_at_rate_2_everything_takes_half_the_time() -> None:
    stamps = np.array([0, 40_000_000, 80_000_000], np.int64)
    assert play_times(stamps, 2.0).tolist() == [0, 20_000_000, 40_000_000, 60_000_000]


def test_a_clock_that_was_set_during_the_recording_is_not_waited_for() -> None:
    stamps = np.array([0, 1_700_000_000, 1_700_000_001, 5, 6, 7], np.int64) * 1_000_000_000
    assert play_times(stamps, 1.0)[-1] == 6_000_000_000


def test_one_frame_is_a_clip_too() -> None:
    assert play_times(np.array([7], np.int64), 1.0).tolist() == [0, 1_000_000_000]


def test_looped_stamps_go_on_increasing(ros: None, short: Path) -> None:
    node = player(clip=str(short), loop=True)
    times = play_times(load_clip(short).stamps, 1.0).tolist()
    three_turns = list(itertools.islice(node._schedule(times), 3 * FRAMES))
    due = np.array([offset for _, offset in three_turns])
    assert (np.diff(due) > 0).all()
    assert [index for index, _ in three_turns] == list(range(FRAMES)) * 3
    assert due[FRAMES] - due[FRAMES - 1] == times[-1] - times[-2]
    node.destroy_node()


@pytest.fixture
def listener(ros: None) -> Iterator[tuple[list[tuple[int, People2D]], SingleThreadedExecutor]]:
    """Messages with the time of their arrival, heard in a context of its own."""
    context = Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node("listener", context=context)
    heard: list[tuple[int, People2D]] = []

    def hear(message: People2D) -> None:
        heard.append((node.get_clock().now().nanoseconds, message))

    node.create_subscription(People2D, "keypoints", hear, 100)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield heard, executor
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_frames_come_when_they_are_due_and_then_nobody_is_there(
    listener: tuple[list[tuple[int, People2D]], SingleThreadedExecutor], short: Path
) -> None:
    heard, executor = listener
    thread = Thread(target=executor.spin, daemon=True)
    thread.start()
    node = player(clip=str(short), wait_for_subscribers=1, start_delay=0.2, frame_id="eye")
    with OwnTime() as own_time:
        node.play()
    node.destroy_node()
    executor.shutdown()
    thread.join()

    stamps = np.array([stamp_ns(message.header.stamp) for _, message in heard])
    clip = load_clip(short)
    np.testing.assert_array_equal(np.diff(stamps), np.diff(play_times(clip.stamps, 1.0)))
    assert [len(message.people) for _, message in heard[-2:]] == [len(clip.frame(-1).ids), 0]
    assert {message.header.frame_id for _, message in heard} == {"eye"}
    delays = np.array([arrival for arrival, _ in heard]) - stamps
    assert delays.min() >= 0
    if own_time.enough:
        assert np.median(delays) < 20e6
    else:
        print(f"measured: {np.median(delays) / 1e6:.0f} ms late, as the machine is busy")


def test_with_simulated_time_it_waits_for_the_clock_wherever_that_begins(
    listener: tuple[list[tuple[int, People2D]], SingleThreadedExecutor], short: Path
) -> None:
    heard, executor = listener
    (world,) = executor.get_nodes()
    clock, ticks = world.create_publisher(Clock, "/clock", 10), itertools.count()
    node = player(clip=str(short), wait_for_subscribers=1, use_sim_time=True)

    def tick() -> None:  # the simulation starts half a second after the player
        if clock.get_subscription_count() and (tick := next(ticks)) >= 100:
            clock.publish(Clock(clock=time_message(1000 * 10**9 + tick * 10**7)))

    world.create_timer(0.005, tick)
    thread = Thread(target=executor.spin, daemon=True)
    thread.start()
    node.play()
    node.destroy_node()
    executor.shutdown()
    thread.join()
    stamps = [stamp_ns(message.header.stamp) for _, message in heard]
    assert len(stamps) == FRAMES + 1
    assert min(stamps) >= 1000 * 10**9


@pytest.mark.parametrize(
    ("parameters", "kind", "words"),
    [
        ({"clip": "/no/such.npz"}, ClipError, "/no/such.npz"),
        ({"rate": 0.0}, ConfigError, "between 0.01 and 100.0"),
        ({"layout": "coco"}, ConfigError, "coco17"),
    ],
)
def test_wrong_clips_and_settings_are_refused(
    ros: None, parameters: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        player(**parameters)


def test_tf_learns_where_the_camera_of_the_sample_or_of_a_stated_viewpoint_stood(
    ros: None, short: Path
) -> None:
    pytest.importorskip("tf2_msgs", reason="needs tf2_msgs")
    from tf2_msgs.msg import TFMessage

    def told(**parameters: Any) -> list[tuple[str, float, float]]:
        world = World()
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        heard = world.listen(TFMessage, "/tf_static", latched)
        node = world.take_in(player(**parameters), spin=False)
        expected = node.count_publishers("/tf_static")
        world.spin_until(lambda: len(heard) == expected)
        frames = [frame for message in heard for frame in message.transforms]
        world.close()
        found = []
        for frame in frames:
            assert frame.child_frame_id == "camera_color_optical_frame"
            q = frame.transform.rotation
            ahead = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w]))[:, 2]
            down = float(np.degrees(np.arcsin(-ahead[2])))
            found.append((frame.header.frame_id, frame.transform.translation.z, down))
        return found

    assert told(clip=str(short)) == []  # nobody knows where that camera stood
    ((frame, height, down),) = told()
    assert frame == "map" and height == 1.5 and down == pytest.approx(6.19, abs=0.01)
    stated = {"viewpoint_height": 2.1, "viewpoint_pitch": 20.0, "world_frame": "hall"}
    ((frame, height, down),) = told(clip=str(short), **stated)
    assert frame == "hall" and height == 2.1 and down == pytest.approx(20.0, abs=0.01)
