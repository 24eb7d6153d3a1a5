"""The shipped detector, for the virtual camera's images only.

It was trained on rendered people (`scripts/sim_detector/train.py`) and finds nobody in photographs.
"""

from __future__ import annotations

import cv2
import numpy as np

from pstmo_core.detection.base import Detections
from pstmo_core.detection.network_file import WEIGHTS, open_session
from pstmo_core.detection.pose_network import PoseFile, PoseNetwork
from pstmo_core.skeleton import JOINTS

_STRIDE = 4
#: Least score of a person, and overlap (intersection over union) of two boxes of one person.
_LEAST_SCORE, _SAME_PERSON = 0.3, 0.55


class SimulationDetector:
    """Finds people in the whole image first, then the joints of each."""

    layout = "h36m17"

    def __init__(self, threads: int = 1) -> None:
        self._search = open_session(WEIGHTS / "sim_boxes.onnx", threads)
        shape = self._search.get_inputs()[0].shape
        self._size = (int(shape[3]), int(shape[2]))
        pose = PoseFile(
            str(WEIGHTS / "sim_pose.onnx"),
            layout=self.layout,
            mean=(0.0, 0.0, 0.0),
            deviation=(255.0, 255.0, 255.0),
            logits=True,
        )
        self._pose = PoseNetwork(pose, threads)

    def detect(self, image: np.ndarray) -> Detections:
        """See `Detector.detect`."""
        boxes = self.boxes(image)
        if not len(boxes):
            return Detections.nobody(JOINTS)
        return Detections(*self._pose.detect(image, boxes))

    def boxes(self, image: np.ndarray) -> np.ndarray:
        """Return the boxes (P, 4) of people in an image, pixels: left, top, right, bottom."""
        width, height = self._size
        scale = min(width / image.shape[1], height / image.shape[0])
        small = np.zeros((height, width, 3), np.uint8)
        shrunk = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        shrunk = shrunk[:height, :width]
        small[: shrunk.shape[0], : shrunk.shape[1]] = shrunk
        tensor = small[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
        centre, sides = self._search.run(None, {"image": np.ascontiguousarray(tensor)})
        return _boxes(centre[0, 0], sides[0]) / scale

    def reset(self) -> None:
        """See `Detector.reset`: there is nothing to forget."""

    def describe(self) -> str:
        """See `Detector.describe`."""
        return "the detector simulation, which finds the virtual camera's rendered people only"


def _boxes(centre: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Return the boxes (P, 4) of the peaks of scores (h, w) with distances (4, h, w)."""
    peak = cv2.dilate(centre, np.ones((3, 3), np.uint8)) == centre
    row, column = np.nonzero(peak & (centre >= _LEAST_SCORE))
    order = np.argsort(-centre[row, column])
    row, column = row[order], column[order]
    corner = np.stack([column, row] * 2, -1) * _STRIDE + _STRIDE / 2
    boxes = corner + sides[:, row, column].T * (-1, -1, 1, 1)
    kept: list[int] = []
    for index in range(len(boxes)):
        if not kept or _overlap(boxes[index], boxes[kept]).max() < _SAME_PERSON:
            kept.append(index)
    return boxes[kept]


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    areas = (others[:, 2:] - others[:, :2]).prod(-1) + (box[2:] - box[:2]).prod()
    return common / (areas - common)
