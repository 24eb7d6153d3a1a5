"""Settings of the streaming core: one home for their meaning, defaults and ranges.

The node declares its parameters from this table, so that both say the same.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.frame import MIN_SCORE
from pstmo_core.keypoints.rotation import ROTATIONS


def setting(default: Any, low: float, high: float, description: str) -> Any:
    """Declare a setting with its range (both ends included) and its description."""
    metadata = {"low": low, "high": high, "description": description}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class StreamConfig:
    """How a stream of keypoints becomes windows. Times are seconds."""

    look_ahead: int = setting(
        0, 0, 175, "Frames of the window (of 40 ms with the shipped network) that lie after the "
        "target frame: 0 shows people now, half of the window is the paper's centre frame.",
    )  # fmt: skip
    tolerance: float = setting(
        0.02, 0.0, 0.5, "How far a frame may be from its place in the window and still be taken "
        "as it is; beyond it keypoints are interpolated.",
    )  # fmt: skip
    max_gap: float = setting(
        0.4, 0.0, 10.0, "Longest time between two sightings of a joint that is interpolated.",
    )  # fmt: skip
    reorder: float = setting(
        0.1, 0.0, 5.0, "How late a frame may come and still be put in its place.",
    )  # fmt: skip
    reset: float = setting(
        0.5, 0.0, 60.0, "A stamp older than the newest by more than this means that time jumped "
        "back (a looped bag): everybody is forgotten. Between reorder and this, it is ignored.",
    )  # fmt: skip
    expire: float = setting(
        1.0, 0.05, 60.0, "A person not seen for this long has left.",
    )  # fmt: skip
    min_score: float = setting(
        MIN_SCORE, 0.0, 1.0, "Keypoints with a lower score count as not seen.",
    )  # fmt: skip
    min_joints: int = setting(
        6, 1, 17, "A person with fewer joints in the frame is not lifted in it.",
    )  # fmt: skip
    max_people: int = setting(
        16, 1, 256, "People followed at once; further ones are dropped and counted.",
    )  # fmt: skip
    max_rate: float = setting(
        120.0, 1.0, 1000.0, "Highest frame rate in Hz for which the buffer holds a whole window.",
    )  # fmt: skip
    focal: float = setting(
        0.0, 0.0, 100000.0, "Focal length of the camera in pixels; with it people get their "
        "places, 0 assumes a usual one and gives none. A calibrated camera (CameraInfo) states "
        "its own.",
    )  # fmt: skip
    height: float = setting(
        0.0, 0.0, 2.5, "Height of the people in metres: skeletons are made as tall, which also "
        "places them at the right distance. 0 leaves the network's estimate, an average adult's.",
    )  # fmt: skip

    rotation: int = setting(
        0, 0, 270, "Degrees clockwise by which images have to be turned to be upright, where the "
        "camera is mounted turned: 0, 90, 180 or 270. Results are in the frame of the camera as "
        "it is.",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, low, high = getattr(self, field.name), *_range(field)
            if not low <= value <= high:
                raise ConfigError(
                    f"{field.name} is {value}, but must be between {low} and {high}: "
                    f"{field.metadata['description']}"
                )
        if self.rotation not in ROTATIONS:
            raise ConfigError(f"rotation is {self.rotation}, but must be 0, 90, 180 or 270 degrees")
        if self.reset < self.reorder:
            raise ConfigError(
                f"reset is {self.reset} s, but must not be below reorder ({self.reorder} s)"
            )


def _range(field: dataclasses.Field[Any]) -> tuple[float, float]:
    return field.metadata["low"], field.metadata["high"]
