"""Wraps a detector for a camera that is mounted rotated: the detector gets upright images."""

from __future__ import annotations

import numpy as np

from pstmo_core.detection.base import Detections, Detector
from pstmo_core.keypoints.rotation import points_of_turned_image, upright_image


class TurnedDetector:
    """Turns images upright for a detector, and what it finds back.

    Args:
        detector: finds people that stand upright in the image.
        rotation: degrees clockwise by which images have to be turned, 90, 180 or 270.
    """

    def __init__(self, detector: Detector, rotation: int) -> None:
        self._detector, self._rotation = detector, rotation
        self.layout = detector.layout

    def detect(self, image: np.ndarray) -> Detections:
        """Find everybody in an image (H, W, 3) uint8 BGR as the camera took it."""
        found = self._detector.detect(np.ascontiguousarray(upright_image(image, self._rotation)))
        size = (image.shape[1], image.shape[0])
        points = points_of_turned_image(found.points, size, self._rotation)
        return Detections(points.astype(np.float32), found.scores, found.left_out)

    def reset(self) -> None:
        """See `Detector.reset`."""
        self._detector.reset()

    def describe(self) -> str:
        """Say in a line what it is and what it is good for."""
        return f"{self._detector.describe()}, in images turned by {self._rotation} degrees"
