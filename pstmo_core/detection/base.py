"""What every keypoint detector offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pstmo_core.errors import PstmoError


class DetectorError(PstmoError):
    """A detector that cannot be used; says what is missing and where to get it."""


@dataclass(frozen=True, eq=False)
class Detections:
    """The people in one image. They have no ids: a tracker tells who is who."""

    points: np.ndarray
    """(P, J, 2) float32 pixels of the image, in the order of the detector's layout."""
    scores: np.ndarray
    """(P, J) float32, 0 (not seen) to 1."""
    left_out: int = 0
    """How many more people were seen lately, but are not followed, since they would be more than
    `detected_people`. Only movenet knows."""

    @classmethod
    def nobody(cls, joints: int) -> Detections:
        """Return what is found in an image without people."""
        return cls(np.empty((0, joints, 2), np.float32), np.empty((0, joints), np.float32))


class Detector(Protocol):
    """Finds the keypoints of people in images."""

    layout: str
    """Name of the layout of the points, see `pstmo_core.keypoints.layouts`."""

    def detect(self, image: np.ndarray) -> Detections:
        """Find everybody in an image (H, W, 3) uint8 BGR.

        Some detectors look first where people were in the image before: the images of one camera
        must come in their order.
        """
        ...

    def reset(self) -> None:
        """Forget the images before: the next one is of another recording or camera."""
        ...

    def describe(self) -> str:
        """Say in a line what it is and what it is good for; it may adapt while images come."""
        ...
