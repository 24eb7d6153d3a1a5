"""Parameters for keypoints in other packages' messages or in other units."""

from __future__ import annotations

from dataclasses import dataclass

from pstmo_core.settings import check_settings, setting
from pstmo_ros.parameters import UNCONFIGURED

#: What keypoints may come as.
INPUTS = ("people2d", "hri", "yolo", "zed", "vision")


@dataclass(frozen=True)
class InputParameters:
    """Keypoints in other packages' messages.

    Raises:
        ConfigError: if a value is not allowed.
    """

    input: str = setting(
        "people2d",
        "Messages of the keypoints: people2d (pstmo_ros/People2D); yolo "
        "(yolo_msgs/DetectionArray); zed (zed_msgs/ObjectsStamped, body tracking); vision "
        "(vision_msgs/Detection2DArray whose results are keypoints); hri (hri_msgs/Skeleton2D of "
        "everybody in /humans/bodies, REP-155; keypoints_topic is not used).",
        choices=INPUTS,
        change=UNCONFIGURED,
    )
    normalized: bool = setting(
        False,
        "Whether the keypoints' coordinates are shares of the image's width and height, 0 to 1, "
        "instead of pixels.",
        change=UNCONFIGURED,
    )
    keypoints_width: int = setting(
        0,
        "Width of the images that the keypoints belong to, for messages that do not state it "
        "(all but people2d); 0: that of camera_info.",
        low=0,
        high=100000,
        unit="pixels",
        change=UNCONFIGURED,
    )
    keypoints_height: int = setting(
        0,
        "Height of these images; 0: that of camera_info.",
        low=0,
        high=100000,
        unit="pixels",
        change=UNCONFIGURED,
    )

    def __post_init__(self) -> None:
        check_settings(self)
