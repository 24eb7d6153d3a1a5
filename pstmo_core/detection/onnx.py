"""Any top-down pose network from an ONNX file whose output is described by options."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pstmo_core.detection.base import Detections, DetectorError
from pstmo_core.detection.crops import boxes_of
from pstmo_core.detection.options import DetectorOptions
from pstmo_core.detection.person_search import PersonSearch
from pstmo_core.detection.pose_network import PoseFile, PoseNetwork
from pstmo_core.keypoints.layouts import get_layout

#: Fewest sure points from which the person's next box is made.
_POINTS = 4


class OnnxDetector:
    """Finds people's boxes as `people_from` says, and the keypoints in each by the network."""

    def __init__(self, options: DetectorOptions) -> None:
        if not options.pose_model:
            raise DetectorError(
                "the detector onnx needs the path of a pose network's ONNX file: set pose_model, "
                "and describe it by pose_output, detector_layout, pose_mean and pose_deviation"
            )
        self.layout = options.detector_layout
        self._options = options
        file = PoseFile(
            options.pose_model,
            layout=options.detector_layout,
            output=options.pose_output,
            mean=options.pose_mean,
            deviation=options.pose_deviation,
            logits=options.pose_logits,
        )
        self._pose = PoseNetwork(file, options.detector_threads)
        self._search = _search(options)
        self._last: np.ndarray | None = None
        """The box (1, 4) round the keypoints of the image before."""

    def detect(self, image: np.ndarray) -> Detections:
        """See `Detector.detect`; with people_from previous, images must come in their order."""
        joints = len(get_layout(self.layout).joint_names)
        boxes = self._boxes(image)
        if not len(boxes):
            return Detections.nobody(joints)
        points, scores = self._pose.detect(image, boxes)
        if points.shape[1] != joints:
            raise DetectorError(
                f"{self._options.pose_model}: gives {points.shape[1]} points, but the layout "
                f"{self.layout} has {joints}: set detector_layout"
            )
        kept = scores.mean(-1) >= self._options.least_score
        found = Detections(points[kept], scores[kept])
        self._remember(found)
        return found

    def reset(self) -> None:
        """See `Detector.reset`."""
        self._last = None

    def describe(self) -> str:
        """See `Detector.describe`."""
        name = Path(self._options.pose_model).name
        return f"{name} by ONNX Runtime, {self.layout}, people from {self._options.people_from}"

    def _boxes(self, image: np.ndarray) -> np.ndarray:
        if self._search is not None:
            return self._search.boxes(image)[: self._options.most_people]
        if self._options.people_from == "previous" and self._last is not None:
            return self._last
        return np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)

    def _remember(self, found: Detections) -> None:
        self._last = None
        if len(found.points):
            sure = found.points[0, found.scores[0] >= self._options.least_score]
            if len(sure) >= _POINTS:
                self._last = boxes_of(sure[None])


def _search(options: DetectorOptions) -> PersonSearch | None:
    if options.people_from != "search":
        return None
    if not options.person_model:
        raise DetectorError(
            "people_from is search, which needs the path of an ONNX file that finds people: set "
            "person_model, or people_from to image or previous"
        )
    return PersonSearch(options)
