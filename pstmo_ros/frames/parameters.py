"""Parameters for TF frames, the IMU and depth images."""

from __future__ import annotations

from dataclasses import dataclass

from pstmo_core.settings import check_settings, setting
from pstmo_ros.parameters import UNCONFIGURED, check_topic


@dataclass(frozen=True)
class FrameParameters:
    """Frames of TF, in which the camera and the results stand, and depth images.

    Raises:
        ConfigError: if a value is not allowed.
    """

    floor_frame: str = setting(
        "",
        "Frame whose plane z = 0 is the floor (base_footprint, map). With it TF tells the camera's "
        "height and tilt, and root positions and sizes are estimated from the feet on the "
        "floor. It may move with a robot if it is below target_frame or odom in TF: there, "
        "standing feet stand still. Empty: the floor is not known.",
        change=UNCONFIGURED,
    )
    target_frame: str = setting(
        "",
        "Frame of the results (base_link, map), by TF at the image's stamp; empty: the camera's.",
        change=UNCONFIGURED,
    )
    tf_timeout: float = setting(
        0.1,
        "How long keypoints wait for the transforms at their stamp; after that they are lifted "
        "without.",
        low=0.0,
        high=5.0,
        unit="s",
        change=UNCONFIGURED,
    )

    imu_topic: str = setting(
        "",
        "Topic of an IMU (sensor_msgs/Imu) that gives the network the direction of gravity where "
        "no floor_frame does; TF gives the rotation from IMU to camera. Empty: none.",
        change=UNCONFIGURED,
    )
    depth_topic: str = setting(
        "",
        "Topic of depth images (16UC1 in mm, 32FC1 in m) that are registered to the colour image: "
        "root positions are estimated from the depth of people's joints; empty: none.",
        change=UNCONFIGURED,
    )
    depth_tolerance: float = setting(
        0.04,
        "How far the stamps of keypoints and depth image may be apart.",
        low=0.0,
        high=1.0,
        unit="s",
        change=UNCONFIGURED,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        for name in ("imu_topic", "depth_topic"):
            if getattr(self, name):
                check_topic(self, name)
