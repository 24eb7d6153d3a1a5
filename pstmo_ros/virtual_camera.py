"""The node that replaces a camera: images of rendered people in real motion, and ground truth."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Point
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from pstmo_core.errors import PstmoError
from pstmo_core.lift.calibration import pinhole
from pstmo_core.settings import setting
from pstmo_core.simulation.moving_people import MOST_PEOPLE, MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import ROOT
from pstmo_ros.clock_watch import watch_clock
from pstmo_ros.conversions import (
    SKELETON_LAYOUT,
    camera_info_message,
    floats,
    time_message,
)
from pstmo_ros.frames.static_frame import publish_static_frame
from pstmo_ros.image_topic import OFFERED
from pstmo_ros.msg import People2D, Person2D, Skeleton3D, Skeletons3D
from pstmo_ros.parameters import NEVER, Parameters
from pstmo_ros.run_node import run_node, spin


@dataclass(frozen=True)
class CameraParameters:
    """What the virtual camera sees and how often."""

    people: int = setting(
        2, "People before the camera; two of them walk and cross.", low=1, high=MOST_PEOPLE,
        change=NEVER,
    )  # fmt: skip
    fps: float = setting(30.0, "Images per second.", low=0.1, high=240.0, change=NEVER)
    width: int = setting(640, "Image width in pixels.", low=16, high=4096, change=NEVER)
    height: int = setting(480, "Image height in pixels.", low=16, high=4096, change=NEVER)
    focal: float = setting(560.0, "Focal length in pixels.", low=1.0, high=100000.0, change=NEVER)
    camera_height: float = setting(
        1.4, "Height of the camera above the floor in metres.", low=0.1, high=3.0, change=NEVER
    )
    camera_distance: float = setting(
        4.5, "Metres from the camera to the people.", low=1.5, high=6.5, change=NEVER
    )
    seed: int = setting(
        5, "Seed of the appearance of room and people.", low=0, high=2**31 - 1, change=NEVER
    )
    noise: float = setting(
        3.0, "Deviation of the sensor's noise in grey levels.", low=0.0, high=50.0, change=NEVER
    )
    frame_id: str = setting(
        "camera_color_optical_frame", "Frame of the messages, an optical frame.", change=NEVER
    )
    world_frame: str = setting(
        "map",
        "Frame whose plane z = 0 is the floor. The camera's pose in it is published to TF; "
        "empty: it is not.",
        change=NEVER,
    )

    @property
    def view(self) -> View:
        """The camera in its room."""
        place = (0.0, -self.camera_distance, self.camera_height)
        return View(self.width, self.height, self.focal, place)


class VirtualCamera(Node):
    """Publishes `image_raw`, `camera_info`, and what is true: `truth` and `truth_keypoints`.

    All four carry the same stamp. People are called t1, t2, ... in what is true.

    Raises:
        ConfigError: if a parameter is wrong.
        PstmoError: if OpenCV, which draws, is not installed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("virtual_camera", **options)
        self._own = Parameters(self, CameraParameters).read(CameraParameters)
        self._view = self._own.view
        self._stage = MovingPeople.shipped(self._own.people)
        self._renderer = _renderer(self._own)
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._image = self.create_publisher(Image, "image_raw", OFFERED)
        self._info = self.create_publisher(CameraInfo, "camera_info", OFFERED)
        self._truth = self.create_publisher(Skeletons3D, "truth", reliable)
        self._keypoints = self.create_publisher(People2D, "truth_keypoints", reliable)
        self._start = self._now()
        view = self._view
        self._calibration = camera_info_message(pinhole(view.focal, view.width, view.height))
        if self._own.world_frame:
            publish_static_frame(self, self._own.world_frame, self._own.frame_id, view.pose)
        self.create_timer(1 / self._own.fps, self._take_picture)
        watch_clock(self)
        self.get_logger().info(
            f"shows {self._own.people} people at {self._own.fps:g} images/s on "
            f"{self._image.topic_name}"
        )

    def _take_picture(self) -> None:
        stamp = self._now()
        joints = self._stage.joints((stamp - self._start) / 1e9)
        header = Header(stamp=time_message(stamp), frame_id=self._own.frame_id)
        self._publish_truth(header, self._view.to_camera(joints))
        image = self._renderer.render(joints)
        self._calibration.header = header
        self._info.publish(self._calibration)
        self._image.publish(
            Image(
                header=header,
                height=image.shape[0],
                width=image.shape[1],
                encoding="bgr8",
                step=3 * image.shape[1],
                data=array("B", image.tobytes()),
            )
        )

    def _publish_truth(self, header: Header, in_camera: np.ndarray) -> None:
        names = [f"t{person + 1}" for person in range(len(in_camera))]
        points = self._view.project(in_camera)
        size = (self._view.width, self._view.height)
        inside = ((points >= 0) & (points < size)).all(-1) & (in_camera[..., 2] > 0)
        self._keypoints.publish(
            People2D(
                header=header,
                layout=SKELETON_LAYOUT,
                width=size[0],
                height=size[1],
                people=[
                    Person2D(id=name, points=floats(points[row]), scores=floats(inside[row]))
                    for row, name in enumerate(names)
                ],
            )
        )
        poses = in_camera - in_camera[:, ROOT : ROOT + 1]
        self._truth.publish(
            Skeletons3D(
                header=header,
                newest_stamp=header.stamp,
                layout=SKELETON_LAYOUT,
                people=[
                    Skeleton3D(
                        id=name,
                        joints=floats(poses[row]),
                        confidence=floats(inside[row]),
                        observed=1.0,
                        root=Point(**dict(zip("xyz", in_camera[row, ROOT].tolist(), strict=True))),
                        root_source=Skeleton3D.ROOT_EXTERNAL,
                        root_covariance=np.zeros(9),
                    )
                    for row, name in enumerate(names)
                ],
            )
        )

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _renderer(own: CameraParameters) -> Any:
    try:
        from pstmo_core.simulation.renderer import Renderer
    except ImportError as error:
        raise PstmoError(str(error)) from error
    return Renderer(own.view, own.people, own.seed, own.noise)


def main(args: Sequence[str] | None = None) -> int:
    """Show people until Ctrl-C."""
    return run_node(VirtualCamera, args, spin)


if __name__ == "__main__":
    sys.exit(main())
