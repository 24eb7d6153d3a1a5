"""A node that waits for simulated time in vain says so, and is silent once there is a clock."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from pstmo_ros import clock_watch
from pstmo_ros.clock_watch import waits_for_clock, watch_clock


def test_time_that_does_not_come_is_told_of(
    ros: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clock_watch, "PATIENCE", 0.1)
    node = Node("waiting", parameter_overrides=[Parameter("use_sim_time", value=True)])
    clock = node.create_publisher(Clock, "/clock", 10)
    watch_clock(node)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin(seconds: float) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.02)
        return capfd.readouterr().err

    try:
        assert spin(0.5).count("nobody publishes /clock") == 1
        assert waits_for_clock(node)
        message = Clock()
        message.clock.sec = 5
        clock.publish(message)
        assert "nobody" not in spin(0.5)
        assert not waits_for_clock(node)
    finally:
        executor.shutdown()
        node.destroy_node()
