"""The direction of gravity, from the IMU of a camera or a robot."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.gravity import GravityFilter
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.frames.transforms import Transforms


class ImuGravity:
    """Hears an IMU.

    Args:
        node: hears it.
        topic: of sensor_msgs/Imu.
        transforms: tell how the IMU's frame is turned to the camera's.
    """

    def __init__(self, node: Node, topic: str, transforms: Transforms) -> None:
        self.topic = topic
        self._node, self._transforms = node, transforms
        self._filter = GravityFilter()
        self._frame_id = ""
        self._subscription = node.create_subscription(
            Imu, topic, self._on_imu, qos_profile_sensor_data
        )

    def close(self) -> None:
        """Hear nothing any more."""
        self._node.destroy_subscription(self._subscription)

    def camera_pose(self, frame_id: str, stamp: int) -> CameraPose | None:
        """Return how a camera is tilted at a stamp, without its height; None if not known."""
        up = self._filter.up(stamp)
        if up is None:
            return None
        turn = self._transforms.rotation(frame_id, self._frame_id, stamp)
        return None if turn is None else CameraPose.from_up(turn @ up)

    def _on_imu(self, message: Imu) -> None:
        felt = message.linear_acceleration
        self._frame_id = message.header.frame_id
        self._filter.update(stamp_ns(message.header.stamp), np.array([felt.x, felt.y, felt.z]))
