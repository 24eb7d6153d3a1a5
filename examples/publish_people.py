#!/usr/bin/env python3
"""A ROS 2 node that feeds the lifter from a detector of your own.

Run it beside `ros2 launch pstmo_ros lifter.launch.py`:
examples/publish_people.py --ros-args -r image:=/camera/image_raw
"""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from pstmo_ros.msg import People2D, Person2D

Detect = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stand in for your detector: put yours here.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        Points (P, 17, 2) in pixels, in the order of COCO, and scores (P, 17), 0 to 1.
    """
    return np.zeros((0, 17, 2)), np.zeros((0, 17))


class PeoplePublisher(Node):
    """Subscribes to `image`, publishes `keypoints`."""

    def __init__(self, detect: Detect = detect) -> None:
        super().__init__("people_publisher")
        self._detect = detect
        self._keypoints = self.create_publisher(People2D, "keypoints", 10)
        self.create_subscription(Image, "image", self._on_image, qos_profile_sensor_data)

    def _on_image(self, message: Image) -> None:
        # rgb8 or bgr8 without padding; pstmo_core.images decodes everything that cameras send.
        image = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        points, scores = self._detect(image)
        people = [
            # Without an id the lifter's tracker tells who is who. Set id if yours does.
            Person2D(points=p.astype(np.float32).ravel(), scores=s.astype(np.float32))
            for p, s in zip(points, scores, strict=True)
        ]
        # The header is the image's: skeletons come out in its frame, at its stamp. Publish an
        # empty list too: it says that nobody is there.
        self._keypoints.publish(
            People2D(
                header=message.header,
                layout="coco17",
                width=message.width,
                height=message.height,
                people=people,
            )
        )


def main() -> None:
    """Run the node until Ctrl-C."""
    rclpy.init()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(PeoplePublisher())


if __name__ == "__main__":
    main()
