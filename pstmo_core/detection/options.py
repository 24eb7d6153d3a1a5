"""What a detector is and where its files are: one home for meaning, defaults and ranges.

The node and the command line declare their options from this table.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pstmo_core.detection.pose_network import OUTPUTS
from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.layouts import LAYOUTS
from pstmo_core.keypoints.rotation import ROTATIONS

KINDS = ("rtm", "mediapipe", "onnx", "simulation")
#: How a top-down network of kind onnx learns where people are.
PEOPLE_FROM = ("image", "previous", "search")


def _option(default: Any, description: str, **metadata: Any) -> Any:
    return dataclasses.field(default=default, metadata={"description": description, **metadata})


@dataclass(frozen=True)
class DetectorOptions:
    """The files of a detector and what they expect. A kind uses those that it needs.

    Raises:
        ConfigError: if a value cannot be used.
    """

    pose_model: str = _option(
        "", "Path of the pose network: an ONNX file, for mediapipe a .task file. For rtm, a file "
        "whose name contains rtmo finds people by itself.",
    )  # fmt: skip
    person_model: str = _option(
        "", "Path of the ONNX file that finds people: for rtm YOLOX or RTMDet, for onnx with "
        "people_from search any whose output is boxes (1, N, 5): left, top, right, bottom, score.",
    )  # fmt: skip
    download: bool = _option(
        False, "Whether rtm may download the files that rtmlib offers where none are named.",
    )  # fmt: skip
    detector_layout: str = _option(
        "coco17", "Layout of the points of rtm and onnx.", choices=tuple(LAYOUTS)
    )
    people_from: str = _option(
        "image", "Where onnx looks for people: image takes the whole image as one person, previous "
        "follows one person by the keypoints of the image before, search asks person_model.",
        choices=PEOPLE_FROM,
    )  # fmt: skip
    pose_output: str = _option("simcc", "What a pose network of onnx gives.", choices=OUTPUTS)
    pose_logits: bool = _option(
        False, "Whether SimCC values of onnx still need a softmax to be probabilities."
    )
    pose_mean: tuple[float, float, float] = _option(
        (123.675, 116.28, 103.53),
        "Subtracted by onnx from red, green and blue, 0 to 255, for the pose network.",
    )
    pose_deviation: tuple[float, float, float] = _option(
        (58.395, 57.12, 57.375), "What onnx divides these by then."
    )
    person_mean: tuple[float, float, float] = _option(
        (123.675, 116.28, 103.53), "As pose_mean, for person_model; RTMDet's by default."
    )
    person_deviation: tuple[float, float, float] = _option(
        (58.395, 57.12, 57.375), "As pose_deviation, for person_model."
    )
    person_bgr: bool = _option(
        True, "Whether person_model takes blue, green, red; false: red, green, blue."
    )
    detected_people: int = _option(4, "Most people that are found in an image.", low=1, high=64)
    person_score: float = _option(
        0.3, "Least score of a person, of the box or the mean of the points.", low=0.0, high=1.0
    )
    rotation: int = _option(
        0, "Degrees clockwise by which images have to be turned to be upright, where the camera "
        "is mounted turned: 0, 90, 180 or 270. Keypoints are in the image as it came.",
        low=0, high=270,
    )  # fmt: skip
    detector_threads: int = _option(
        2, "Threads of the detector's inference on the CPU.", low=1, high=64
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, meta = getattr(self, field.name), field.metadata
            if meta.get("choices") and value not in meta["choices"]:
                raise ConfigError(
                    f"{field.name} is {value!r}, but must be one of {', '.join(meta['choices'])}"
                )
            if "low" in meta and not meta["low"] <= value <= meta["high"]:
                raise ConfigError(
                    f"{field.name} is {value}, but must be between {meta['low']} and {meta['high']}"
                )
            if isinstance(field.default, tuple) and len(value) != 3:
                raise ConfigError(f"{field.name} is {value}, but must be three numbers")
        if self.rotation not in ROTATIONS:
            raise ConfigError(f"rotation is {self.rotation}, but must be 0, 90, 180 or 270 degrees")
        if min(*self.pose_deviation, *self.person_deviation) <= 0:
            raise ConfigError("pose_deviation and person_deviation must be above 0")
