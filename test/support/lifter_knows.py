"""What a lifter in the test's own process has heard so far: waited for instead of some time."""

from __future__ import annotations

from typing import Any

from rclpy.time import Time
from sensor_msgs.msg import CameraInfo

from pstmo_core.camera import calibration_digest
from pstmo_ros.lifter_node import LifterNode


def knows_calibration(lifter: LifterNode, told: CameraInfo, camera: int = 0) -> bool:
    """Say whether a camera's last calibration is this one, frame and all."""
    heard = lifter._cameras[camera]._calibration
    return heard.digest == calibration_digest(told) and heard.frame_id == told.header.frame_id


def knows_transform(lifter: LifterNode, target: str, source: str) -> bool:
    """Say whether TF has told it of a frame in another; also true if it does not listen to TF."""
    transforms = lifter._cameras[0]._surroundings._transforms
    return transforms is None or transforms._buffer.can_transform(target, source, Time())


def imu_of(lifter: LifterNode) -> Any:
    """Return its ear for an IMU; `_heard` changes with each message, `_filter` with good ones."""
    return lifter._cameras[0]._surroundings._imu


def knows_depth(lifter: LifterNode, stamp: int) -> bool:
    """Say whether the newest depth image that it keeps is of a stamp, in nanoseconds."""
    depth = lifter._cameras[0]._surroundings._depth
    return depth is not None and bool(depth._images) and depth._images[-1][0] == stamp
