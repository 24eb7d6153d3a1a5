"""The detector node's own parameters; those of the detector itself are the core's options."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from pstmo_core.detection.options import DEFAULT_KIND, KINDS, DetectorOptions
from pstmo_core.settings import check_settings, setting
from pstmo_ros.parameters import UNCONFIGURED, autostart, check_topic

TRANSPORTS = ("auto", "raw", "compressed")


@dataclass(frozen=True)
class DetectorParameters:
    """Which detector, and its topics."""

    detector: str = setting(
        DEFAULT_KIND,
        "What finds the keypoints: movenet and blazepose come with the package, rtm is RTMPose or "
        "RTMO through rtmlib, mediapipe is MediaPipe's pose landmarker, onnx any top-down network "
        "that is described, simulation is for the virtual camera only.",
        choices=KINDS,
        change=UNCONFIGURED,
    )
    image_topic: str = setting(
        "image_raw", "Topic of the images (Image or CompressedImage).", change=UNCONFIGURED
    )
    image_transport: str = setting(
        "auto",
        "Transport of the images: raw is Image on image_topic; compressed is CompressedImage on "
        "image_topic with /compressed appended if it does not end in it; auto waits until one of "
        "the two is published and prefers raw.",
        choices=TRANSPORTS,
        change=UNCONFIGURED,
    )
    keypoints_topic: str = setting(
        "keypoints", "Topic of the 2D keypoints (People2D).", change=UNCONFIGURED
    )
    max_image_rate: float = setting(
        0.0,
        "Most images processed per second; 0 means as many as the detector can.",
        low=0.0,
        high=1000.0,
        change=UNCONFIGURED,
    )
    autostart: bool = autostart()

    def __post_init__(self) -> None:
        check_settings(self)
        for name in ("image_topic", "keypoints_topic"):
            check_topic(self, name)


#: The core's options as parameters: the detector is loaded when the node is configured.
DetectorFiles = dataclasses.make_dataclass(
    "DetectorFiles",
    [
        (f.name, f.type, setting(f.default, **{**f.metadata, "change": UNCONFIGURED}))
        for f in dataclasses.fields(DetectorOptions)
    ],
    bases=(DetectorOptions,),
    frozen=True,
)


DETECTOR = (DetectorParameters, DetectorFiles)
"""All parameters of the detector node."""
