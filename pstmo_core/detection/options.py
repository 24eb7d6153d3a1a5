"""What a detector is and where its files are; node and command line get their options from here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from pstmo_core.detection.pose_network import OUTPUTS
from pstmo_core.keypoints.layouts import LAYOUTS
from pstmo_core.room.upright_axes import ROTATIONS
from pstmo_core.settings import check_settings, setting

KINDS = ("movenet", "blazepose", "rtm", "mediapipe", "onnx", "simulation")
#: What detects unless a user says otherwise: needs nothing but the package.
DEFAULT_KIND = "movenet"
#: How a top-down network of kind onnx learns where people are.
PEOPLE_FROM = ("image", "previous", "search")
#: What movenet refines people with, by the names that `pose_model` knows, from the fastest to the
#: most accurate, which recordings get unless a user says otherwise.
REFINERS = ("lightning", "lightning-twice", "thunder", "thunder-twice")
#: Values of `pose_model` that leave the choice to the detector.
AUTO = ("", "auto")
#: Most people of an image unless a user says otherwise.
_RECORDED_PEOPLE, _LIVE_PEOPLE = 16, 4


@dataclass(frozen=True)
class DetectorOptions:
    """The files of a detector and what they expect. A kind uses those that it needs.

    Raises:
        ConfigError: if a value cannot be used.
    """

    pose_model: str = setting(
        "", "The pose network. movenet has four in the package: lightning, lightning-twice, "
        "thunder and thunder-twice. Each is more accurate than the one before it, and slower: per "
        "person, they take about 1, 2, 3 and 6 times as long. Those with twice average the results "
        "for an image and its mirror image. auto, or empty: thunder-twice for recordings; in a "
        "node the most accurate one that allows 15 images/s with the people in view, chosen again "
        "when the machine becomes much faster or slower; for blazepose, BlazePose full. "
        "Or the path of another network: an ONNX file, for mediapipe a "
        ".task file.",
    )  # fmt: skip
    person_model: str = setting(
        "", "Path of the ONNX file that finds people. rtm takes YOLOX or RTMDet; onnx, if "
        "people_from is search, takes any whose output is boxes (1, N, 5): left, top, right, "
        "bottom, score.",
    )  # fmt: skip
    download: bool = setting(
        False, "Whether rtm may download the files that rtmlib offers where none are named.",
    )  # fmt: skip
    input_size: int = setting(
        0, "Longest side in pixels at which movenet sees an image when it looks for people; 0 "
        "chooses by the people's size and, in a node, the machine's speed.", low=0, high=2048,
    )  # fmt: skip
    search_every: int = setting(
        5, "movenet and blazepose search for new people in one image out of this many. Known "
        "people are followed in every image.", low=1, high=1000,
    )  # fmt: skip
    search_tiles: int = setting(
        0, "Number of tiles along an image's longest side; in every second search movenet looks at "
        "one of them for people far away. 1 searches whole images only, 0 chooses by the image's "
        "size.", low=0, high=8,
    )  # fmt: skip
    refine: bool = setting(
        True, "Whether movenet refines each person with a second network; false: multipose alone, "
        "whose time does not grow with the number of people, but which is less accurate.",
    )  # fmt: skip
    detector_layout: str = setting(
        "coco17", "Layout of the points of rtm and onnx.", choices=tuple(LAYOUTS)
    )
    people_from: str = setting(
        "image", "Where onnx looks for people: image takes the whole image as one person, previous "
        "follows one person by the keypoints of the image before, search asks person_model.",
        choices=PEOPLE_FROM,
    )  # fmt: skip
    pose_output: str = setting(
        "simcc", "Output format of the pose network of onnx.", choices=OUTPUTS
    )
    pose_logits: bool = setting(
        False, "Whether SimCC values of onnx still need a softmax to be probabilities."
    )
    pose_mean: tuple[float, float, float] = setting(
        (123.675, 116.28, 103.53),
        "Subtracted by onnx from red, green and blue, 0 to 255, for the pose network.",
    )
    pose_deviation: tuple[float, float, float] = setting(
        (58.395, 57.12, 57.375), "Divides the result of that subtraction.", low=0.001
    )
    person_mean: tuple[float, float, float] = setting(
        (123.675, 116.28, 103.53), "As pose_mean, for person_model; RTMDet's by default."
    )
    person_deviation: tuple[float, float, float] = setting(
        (58.395, 57.12, 57.375), "As pose_deviation, for person_model.", low=0.001
    )
    person_bgr: bool = setting(
        True, "Whether person_model takes blue, green, red; false: red, green, blue."
    )
    detected_people: int = setting(
        0, "Most people found in an image; 0: 16 in recordings, and in a node 4, for whom a usual "
        "machine has the time. Live, the log says when more are in view.", low=0, high=64,
    )  # fmt: skip
    person_score: float = setting(
        0.0, "Least score of a person, that of the box or the mean of the points; 0 takes the "
        "detector's default: 0.2 for movenet, 0.5 for blazepose, 0.3 for others.",
        low=0.0, high=1.0,
    )  # fmt: skip
    rotation: int = setting(
        0, "Clockwise rotation in degrees that makes images upright, for a camera that is mounted "
        "rotated. Keypoints are in the image as it came.", choices=ROTATIONS,
    )  # fmt: skip
    detector_threads: int = setting(
        2, "Threads of the detector's inference on the CPU.", low=1, high=64
    )

    def __post_init__(self) -> None:
        check_settings(self)

    def for_recordings(self, kind: str) -> DetectorOptions:
        """Return them with the name of the network that a kind of detector chooses by itself."""
        if kind == DEFAULT_KIND and self.pose_model in AUTO:
            return dataclasses.replace(self, pose_model=REFINERS[-1])
        return self

    def for_live(self) -> DetectorOptions:
        """Return them with the number of people that is chosen for live images."""
        return dataclasses.replace(self, detected_people=self.detected_people or _LIVE_PEOPLE)

    @property
    def most_people(self) -> int:
        """Most people of an image, which recordings leave more time for."""
        return self.detected_people or _RECORDED_PEOPLE

    @property
    def least_score(self) -> float:
        """Least score of a person for detectors of which nothing else is known."""
        return self.person_score or 0.3
