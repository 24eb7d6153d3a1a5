"""Stands for nav2_collision_monitor, which is no wheel: a node that keeps to its rules.

It declares what Nav2's node for Jazzy declares, with the same types, reads clouds as its source
does, and passes velocities on, slower or not at all (src/collision_monitor_node.cpp and
src/pointcloud.cpp).
Circles that stop or slow down are all that it knows.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import numpy as np
import rclpy
import tf2_ros
from geometry_msgs.msg import Twist
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import PointCloud2

from pstmo_core.room.quaternions import matrix_from_quaternion

_OWN = {
    "base_frame_id": "base_footprint", "odom_frame_id": "odom",
    "cmd_vel_in_topic": "cmd_vel_smoothed", "cmd_vel_out_topic": "cmd_vel", "state_topic": "",
    "transform_tolerance": 0.1, "source_timeout": 2.0, "base_shift_correction": True,
    "stop_pub_timeout": 1.0, "polygons": ["none"], "observation_sources": ["none"],
}  # fmt: skip
_POLYGON = {
    "type": "", "radius": 1.0, "action_type": "", "min_points": 4, "slowdown_ratio": 0.5,
    "visualize": False, "polygon_pub_topic": "polygon", "enabled": True,
}  # fmt: skip
_SOURCE = {
    "type": "scan", "topic": "scan", "enabled": True, "min_height": 0.05, "max_height": 0.5,
    "min_range": 0.0,
}  # fmt: skip


class CollisionMonitor(LifecycleNode):
    """Passes velocities on."""

    def __init__(self) -> None:
        super().__init__("collision_monitor")
        self._active = False
        self._cloud: PointCloud2 | None = None

    def _read(self, defaults: dict[str, Any], of: str = "") -> dict[str, Any]:
        """Declare parameters; those of another type than the defaults' raise, as in Nav2."""
        prefix = f"{of}." if of else ""
        return {
            name: self.declare_parameter(prefix + name, default).value
            for name, default in defaults.items()
        }

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        own = self._own = self._read(_OWN)
        self._polygons = [self._read(_POLYGON, name) for name in own["polygons"]]
        (source,) = own["observation_sources"]
        self._source = self._read(_SOURCE, source)
        assert self._source["type"] == "pointcloud"
        assert all(p["type"] == "circle" for p in self._polygons)
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, self)
        self._out = self.create_publisher(Twist, own["cmd_vel_out_topic"], 1)
        self.create_subscription(Twist, own["cmd_vel_in_topic"], self._on_velocity, 1)
        self.create_subscription(
            PointCloud2, self._source["topic"], self._on_cloud, qos_profile_sensor_data
        )
        return super().on_configure(state)

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        self._active = True
        return super().on_activate(state)

    def _on_cloud(self, cloud: PointCloud2) -> None:
        self._cloud = cloud

    def _on_velocity(self, wanted: Twist) -> None:
        if not self._active:
            return
        points = self._points()
        ratio = 1.0
        if points is None:
            ratio = 0.0  # an invalid source stops the robot
        for polygon in self._polygons:
            if points is None or not polygon["enabled"]:
                continue
            if (np.hypot(*points.T) < polygon["radius"]).sum() >= polygon["min_points"]:
                stops = polygon["action_type"] == "stop"
                ratio = min(ratio, 0.0 if stops else polygon["slowdown_ratio"])
        passed = Twist()
        passed.linear.x, passed.angular.z = ratio * wanted.linear.x, ratio * wanted.angular.z
        self._out.publish(passed)

    def _points(self) -> np.ndarray | None:
        """Return the points (N, 2) in the base frame now, None if the source is not valid."""
        cloud, own, now = self._cloud, self._own, self.get_clock().now()
        if cloud is None:
            return None
        stamp = Time.from_msg(cloud.header.stamp, clock_type=now.clock_type)
        if now - stamp > Duration(nanoseconds=round(own["source_timeout"] * 1e9)):
            return None
        try:
            found = self._buffer.lookup_transform_full(
                own["base_frame_id"], now, cloud.header.frame_id, stamp, own["odom_frame_id"],
            ).transform  # fmt: skip
        except tf2_ros.TransformException:
            return None
        q, move = found.rotation, found.translation
        turn = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w]))
        assert [field.name for field in cloud.fields[:3]] == ["x", "y", "z"]
        raw = np.frombuffer(bytes(cloud.data), np.float32).reshape(-1, cloud.point_step // 4)[:, :3]
        points = raw @ turn.T + np.array([move.x, move.y, move.z])
        low, high = self._source["min_height"], self._source["max_height"]
        return np.asarray(points[(points[:, 2] >= low) & (points[:, 2] <= high), :2])


def main() -> int:
    """Run the node until Ctrl-C."""
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(CollisionMonitor())
    return 0


if __name__ == "__main__":
    sys.exit(main())
