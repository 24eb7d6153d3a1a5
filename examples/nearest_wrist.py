#!/usr/bin/env python3
"""A ROS 2 node that prints how near the nearest wrist is to the camera.

Run it beside `ros2 launch pstmo_ros lifter.launch.py virtual_camera:=true`. Distances need root
positions, and these a calibrated camera (a CameraInfo beside the images or keypoints).
This is an example, not a safety function.
"""

from contextlib import suppress

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from pstmo_ros.msg import SkeletonLayout, Skeletons3D


class NearestWrist(Node):
    """Subscribes to `skeletons` and `skeleton_layout`."""

    def __init__(self) -> None:
        super().__init__("nearest_wrist")
        self._wrists: list[int] = []
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(SkeletonLayout, "skeleton_layout", self._on_layout, latched)
        self.create_subscription(Skeletons3D, "skeletons", self._on_skeletons, 10)

    def _on_layout(self, layout: SkeletonLayout) -> None:
        names = enumerate(layout.joint_names)
        self._wrists = [index for index, name in names if name.endswith("wrist")]

    def _on_skeletons(self, message: Skeletons3D) -> None:
        distances = {}
        for person in message.people:
            root = np.array([person.root.x, person.root.y, person.root.z])
            joints = np.array(person.joints).reshape(-1, 3) + root  # metres, the camera's frame
            distances[person.id] = np.linalg.norm(joints[self._wrists], axis=-1).min(initial=np.inf)
        known = {name: each for name, each in distances.items() if np.isfinite(each)}
        if known:
            name = min(known, key=known.__getitem__)
            self.get_logger().info(f"{known[name]:.2f} m from the camera: a wrist of {name}")
        elif distances:
            self.get_logger().info("people, but no root positions: publish camera_info")


def main() -> None:
    """Run the node until Ctrl-C."""
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(NearestWrist())


if __name__ == "__main__":
    main()
