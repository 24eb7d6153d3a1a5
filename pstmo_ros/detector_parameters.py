"""The detector node's own parameters; those of the detector itself are the core's options."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from pstmo_core.detection.options import KINDS, DetectorOptions
from pstmo_ros.parameters import NEVER, UNCONFIGURED, check_choices, check_topic, parameter

TRANSPORTS = ("auto", "raw", "compressed")


@dataclass(frozen=True)
class DetectorParameters:
    """Which detector, and its topics."""

    detector: str = parameter(
        "rtm",
        "What finds the keypoints: rtm is RTMPose or RTMO through rtmlib, mediapipe is MediaPipe's "
        "pose landmarker, onnx any top-down network that is described, simulation the shipped one, "
        "for the virtual camera only.",
        choices=KINDS,
        change=UNCONFIGURED,
    )
    image_topic: str = parameter(
        "image_raw", "Topic of the images (Image or CompressedImage).", change=UNCONFIGURED
    )
    image_transport: str = parameter(
        "auto",
        "How images come: raw is Image on image_topic; compressed is CompressedImage on "
        "image_topic with /compressed after it, unless it ends so; auto waits until somebody "
        "publishes images on one of the two and takes what is there, rather raw.",
        choices=TRANSPORTS,
        change=UNCONFIGURED,
    )
    keypoints_topic: str = parameter(
        "keypoints", "Topic of the 2D keypoints (People2D).", change=UNCONFIGURED
    )
    max_image_rate: float = parameter(
        0.0,
        "Images a second that are looked at, at most; 0 means as many as the detector can.",
        low=0.0,
        high=1000.0,
        change=UNCONFIGURED,
    )
    autostart: bool = parameter(
        False,
        "Whether the node configures and activates itself, for use without a launch file.",
        change=NEVER,
    )

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("image_topic", "keypoints_topic"):
            check_topic(self, name)


#: The core's options as parameters: the detector is loaded when the node is configured.
DetectorFiles = dataclasses.make_dataclass(
    "DetectorFiles",
    [
        (f.name, f.type, parameter(f.default, change=UNCONFIGURED, **f.metadata))
        for f in dataclasses.fields(DetectorOptions)
    ],
    bases=(DetectorOptions,),
    frozen=True,
)
