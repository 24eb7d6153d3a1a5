"""Detector, lifter and virtual camera in one process: skeletons of what is seen, a clean end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

import rclpy

from pstmo_ros.msg import Skeletons3D

COMMAND = [sys.executable, "-u", "-m", "pstmo_ros.image_lifter"]


def test_one_process_sees_lifts_and_ends_cleanly(ros: None) -> None:
    camera = "--virtual-camera=-p people:=1 -p fps:=10.0"
    settings = ["-p", "autostart:=true", "-p", "detector:=simulation"]
    process = subprocess.Popen(
        [*COMMAND, camera, "--ros-args", *settings], cwd="/", stderr=subprocess.PIPE, text=True
    )
    heard: list[Skeletons3D] = []
    node = rclpy.create_node("audience")
    node.create_subscription(Skeletons3D, "skeletons", heard.append, 10)
    try:
        deadline = time.monotonic() + 60
        while sum(bool(message.people) for message in heard) < 5:
            assert time.monotonic() < deadline and process.poll() is None
            rclpy.spin_once(node, timeout_sec=0.1)
    finally:
        node.destroy_node()
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert "Traceback" not in log and "never retrieved" not in log
    assert "rendered people only" in log


def test_a_wrong_parameter_of_any_of_them_ends_with_a_sentence(ros_domain: None) -> None:
    for arguments in (["--ros-args", "-p", "people_from:=x"], ["--virtual-camera=-p people:=9"]):
        ended = subprocess.run(
            [*COMMAND, *arguments], cwd="/", capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 2, ended.stderr
        assert "people" in ended.stderr and "Traceback" not in ended.stderr
