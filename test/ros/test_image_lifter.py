"""Detector, lifter and virtual camera in one process: skeletons of what is seen, a clean end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from pstmo_ros.msg import Skeletons3D

COMMAND = [sys.executable, "-u", "-m", "pstmo_ros.image_lifter"]


def works(health: list[DiagnosticStatus]) -> bool:
    """Say whether the newest statuses of detector and lifter tell of somebody, and of no fault."""
    newest = {status.name: status for status in health}
    return len(newest) == 2 and all(
        status.level == status.OK and status.message.startswith("active: 1 people, ")
        for status in newest.values()
    )


def test_one_process_sees_lifts_and_ends_cleanly(ros: None) -> None:
    camera = "--virtual-camera=-p people:=1 -p fps:=10.0"
    settings = ["-p", "autostart:=true", "-p", "detector:=simulation"]
    process = subprocess.Popen(
        [*COMMAND, camera, "--ros-args", *settings], cwd="/", stderr=subprocess.PIPE, text=True
    )
    heard: list[Skeletons3D] = []
    health: list[DiagnosticStatus] = []
    node = rclpy.create_node("audience")
    node.create_subscription(Skeletons3D, "skeletons", heard.append, 10)
    node.create_subscription(DiagnosticArray, "/diagnostics", lambda m: health.extend(m.status), 10)
    try:
        deadline = time.monotonic() + 60
        while sum(bool(message.people) for message in heard) < 5 or not works(health):
            assert time.monotonic() < deadline and process.poll() is None
            rclpy.spin_once(node, timeout_sec=0.1)
    finally:
        node.destroy_node()
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert "Traceback" not in log and "never retrieved" not in log
    assert "rendered people only" in log
    names = [status.name for status in health]
    assert set(names) == {"detector: detecting", "lifter: lifting"}
    # Each speaks once a second: neither says what the other one is, nor anything twice.
    assert abs(names.count("detector: detecting") - names.count("lifter: lifting")) <= 3


def test_a_wrong_parameter_of_any_of_them_ends_with_a_sentence(ros_domain: None) -> None:
    for arguments in (["--ros-args", "-p", "people_from:=x"], ["--virtual-camera=-p people:=9"]):
        ended = subprocess.run(
            [*COMMAND, *arguments], cwd="/", capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 2, ended.stderr
        assert "people" in ended.stderr and "Traceback" not in ended.stderr
