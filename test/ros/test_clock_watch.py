"""A node that waits for simulated time in vain says so, and is silent once there is a clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from rcl_interfaces.msg import Log
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from pstmo_ros import clock_watch
from pstmo_ros.clock_watch import waits_for_clock, watch_clock


def test_time_that_does_not_come_is_told_of(ros: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_watch, "PATIENCE", 0.1)
    node = Node("waiting", parameter_overrides=[Parameter("use_sim_time", value=True)])
    clock = node.create_publisher(Clock, "/clock", 10)
    watch_clock(node)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin_until(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 60.0
        while not holds():
            assert time.monotonic() < end
            executor.spin_once(timeout_sec=0.02)

    try:
        said: list[str] = []
        node.create_subscription(Log, "/rosout", lambda log: said.append(log.msg), 100)
        spin_until(lambda: any("nobody publishes /clock" in line for line in said))
        assert waits_for_clock(node)
        message = Clock()
        message.clock.sec = 5
        clock.publish(message)
        spin_until(lambda: not waits_for_clock(node))
        assert sum("nobody publishes /clock" in line for line in said) == 1
    finally:
        executor.shutdown()
        node.destroy_node()
