"""The direction of gravity, from the IMU of a camera or a robot."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.gravity import GravityFilter
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.frames.transforms import Transforms

#: Seconds without a message, while there are people, after which that is reported.
_SILENCE = 3.0
#: Seconds of silence up to which an IMU is believed to be alive.
_BEHIND = 0.5
_UNKNOWN = "so where up is remains unknown"


class ImuGravity:
    """Hears an IMU.

    Args:
        node: hears it.
        topic: of sensor_msgs/Imu.
        transforms: tell how the IMU's frame is turned to the camera's.
        tell: takes a reason and a sentence on what cannot be used.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        transforms: Transforms,
        tell: Callable[[str, str], object],
    ) -> None:
        self.topic = topic
        self._node, self._transforms, self._tell = node, transforms, tell
        self._heard = time.monotonic()
        """When a message came last, or was first waited for."""
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
            self._say_why(stamp)
            return None
        if not self._frame_id:
            self._tell("imu", f"messages of {self.topic} have no frame_id, {_UNKNOWN}")
            return None
        turn = self._transforms.rotation(frame_id, self._frame_id, stamp)
        return None if turn is None else CameraPose.from_up(turn @ up)

    def _say_why(self, stamp: int) -> None:
        """Tell why up is not known at a stamp, unless the IMU has only just been listened to."""
        silence = time.monotonic() - self._heard
        apart = self._filter.seconds_to(stamp)
        if silence > _SILENCE:
            publishers = self._node.count_publishers(self._subscription.topic_name)
            who = f"{publishers} publish there" if publishers else "nobody publishes there"
            self._tell(
                "imu", f"{self.topic} has been silent for {silence:.0f} s, {who}, {_UNKNOWN}"
            )
        elif apart is not None and silence < _BEHIND:
            self._tell(
                "imu",
                f"the newest message of {self.topic} is {apart:.1f} s from the keypoints, "
                f"{_UNKNOWN}: both must be stamped by one clock",
            )

    def _on_imu(self, message: Imu) -> None:
        self._heard = time.monotonic()
        acceleration = message.linear_acceleration
        felt = np.array([acceleration.x, acceleration.y, acceleration.z])
        # By sensor_msgs/Imu, -1 says that there is no such measurement (a gyroscope alone).
        if message.linear_acceleration_covariance[0] == -1 or not (
            felt.any() and np.isfinite(felt).all()
        ):
            self._tell("imu", f"{self.topic} measures no acceleration, {_UNKNOWN}")
            return
        self._frame_id = message.header.frame_id
        self._filter.update(stamp_ns(message.header.stamp), felt)
