"""BlazePose on ONNX Runtime: people are searched for at intervals and followed by landmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pstmo_core.detection.base import Detections
from pstmo_core.detection.blazepose_landmarks import FULL, BlazeposeLandmarks
from pstmo_core.detection.blazepose_search import BlazeposeSearch
from pstmo_core.detection.lighting import lightened
from pstmo_core.detection.options import DetectorOptions
from pstmo_core.detection.same_person import without_repeats

#: Least score of a person in the search, and least probability that the square holds one.
PERSON_SCORE = 0.5
_POINTS = 33


class BlazeposeDetector:
    """Finds the 33 landmarks of people in the images of one camera, in their order.

    Raises:
        DetectorError: if a file is missing or holds another network.
    """

    layout = "blazepose33"

    def __init__(self, options: DetectorOptions) -> None:
        path = Path(options.pose_model or FULL)
        self._search = BlazeposeSearch(options.detector_threads)
        self._landmarks = BlazeposeLandmarks(path, options.detector_threads)
        self._least = options.person_score or PERSON_SCORE
        self._most, self._every = options.most_people, options.search_every
        self._name = path.name
        self.reset()

    def reset(self) -> None:
        """See `Detector.reset`."""
        self._squares: np.ndarray = np.empty((0, 4))
        self._images = 0
        self._size: tuple[int, ...] = (0, 0)

    def detect(self, image: np.ndarray) -> Detections:
        """See `Detector.detect`; people are given in the order in which they came."""
        if image.shape[:2] != self._size:
            self.reset()
            self._size = image.shape[:2]
        image = lightened(image)
        due = self._images % self._every == 0
        self._images += 1
        squares: np.ndarray = self._squares
        known = self._landmarks.detect(image, squares)
        followed = known.present >= self._least
        if len(squares) < self._most and (due or not followed.all() or not len(squares)):
            found = self._landmarks.detect(image, self._search.search(image, self._least))
            points = np.concatenate([known.points[followed], found.points])
            scores = np.concatenate([known.scores[followed], found.scores])
            present = np.concatenate([known.present[followed], found.present])
            squares = np.concatenate([known.squares[followed], found.squares])
        else:
            points, scores = known.points[followed], known.scores[followed]
            present, squares = known.present[followed], known.squares[followed]
        first_come = np.arange(len(points), 0, -1)
        kept = without_repeats(points, scores, first_come) & (present >= self._least)
        kept &= np.cumsum(kept) <= self._most
        self._squares = squares[kept]
        return Detections(points[kept], scores[kept])

    def describe(self) -> str:
        """See `Detector.describe`."""
        return f"BlazePose ({self._name}) on ONNX Runtime, blazepose33, for real people"
