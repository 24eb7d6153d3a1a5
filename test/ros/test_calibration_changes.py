"""A changed calibration takes effect, a bad one is told once, no callback ends the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo

from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.torture.peer import Peer
from pstmo_ros.torture.stand import Stand

CLIP = load_clip(sample_path())
WIDTH, HEIGHT, FOCAL = CLIP.width, CLIP.height, 0.8 * CLIP.width


def matrix(focal: float) -> list[float]:
    return [focal, 0.0, WIDTH / 2, 0.0, focal, HEIGHT / 2, 0.0, 0.0, 1.0]


def calibration(**changes: Any) -> CameraInfo:
    message = CameraInfo(
        width=WIDTH, height=HEIGHT, k=matrix(FOCAL),
        d=[-0.1, 0.0, 0.0, 0.0], distortion_model="plumb_bob",
    )  # fmt: skip
    for name, value in changes.items():
        part, _, field = name.partition("__")
        setattr(getattr(message, part) if field else message, field or part, value)
    return message


def root_position(
    peer: Peer, message: CameraInfo, counts: Callable[[np.ndarray], bool]
) -> np.ndarray:
    """Return where the first person is as soon as a calibration counts; fail if it never does."""
    peer.calibrations.publish(message)
    for _ in range(20):  # frames may overtake it
        peer._sent = 0  # the same frame of the sample each time
        assert peer.recovery() is not None
        answer = next(s for s in reversed(peer.skeletons) if s.people)
        root = answer.people[0].root
        position = np.array([root.x, root.y, root.z])
        if counts(position):
            return position
        peer.spin(0.1)
    raise AssertionError(f"it does not count: {position}")


def test_region_binning_and_model_count_from_the_message_that_brings_them(ros: None) -> None:
    with Stand(seconds=60.0) as stand:
        _, peer = stand.lifter()
        whole = root_position(peer, calibration(), lambda root: bool(np.isfinite(root).all()))
        changes: list[dict[str, Any]] = [
            {"roi__x_offset": WIDTH // 2, "roi__width": WIDTH, "roi__height": HEIGHT},
            {"k": matrix(2 * FOCAL)},
            {"distortion_model": "equidistant", "d": [5.0, 0.0, 0.0, 0.0]},
        ]
        for change in changes:
            other = calibration(**change)
            root_position(peer, other, lambda root: np.abs(root - whole).max() > 0.3)
            root_position(peer, calibration(), lambda root: np.abs(root - whole).max() < 0.2)


def test_a_calibration_of_nan_is_told_once(ros: None) -> None:
    with Stand(seconds=60.0) as stand:
        process, peer = stand.lifter()
        for _ in range(100):
            peer.calibrations.publish(calibration(k=[float("nan")] * 9))
            peer.spin(0.01)
        assert peer.wait(lambda: "not used" in process.log)
        assert peer.recovery() is not None
        assert process.log.count("not used") == 1


def test_an_exception_in_a_callback_is_counted_and_survived(
    ros: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(self: LifterNode) -> None:
        raise RuntimeError("something that nobody thought of")

    monkeypatch.setattr(LifterNode, "_on_silence", fail)
    node = LifterNode(parameter_overrides=[Parameter("qos_depth", value=3)])
    spinner = SingleThreadedExecutor()
    spinner.add_node(node)
    try:
        assert node.start()
        for _ in range(100):
            spinner.spin_once(timeout_sec=0.05)
            if node.drops.counts["internal"] >= 3:
                break
        assert node.drops.counts["internal"] >= 3
        assert capfd.readouterr().err.count("RuntimeError: something that nobody thought of") == 1
    finally:
        spinner.shutdown()
        node.destroy_node()
