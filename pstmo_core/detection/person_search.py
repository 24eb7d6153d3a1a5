"""Finds people's boxes by a network from an ONNX file that gives boxes with scores.

That is the form of MMDeploy's exports (RTMDet): the first output (1, N, 5) or (N, 5) holds left,
top, right, bottom in pixels of the input and the score; the second, if there, the classes (1, N),
of which 0 is a person. Boxes of one person must have been merged by the network.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.network_file import open_session
from pstmo_core.detection.options import DetectorOptions

#: What the network sees beyond the image's edges, as RTMDet and YOLOX were trained with.
_GREY = 114
_PERSON = 0


class PersonSearch:
    """Finds people in whole images."""

    def __init__(self, options: DetectorOptions) -> None:
        self._options = options
        self._session = open_session(Path(options.person_model), options.detector_threads)
        self._input = self._session.get_inputs()[0]
        shape = self._input.shape
        if len(shape) != 4 or shape[1] != 3 or not all(isinstance(n, int) for n in shape[2:]):
            raise DetectorError(
                f"{options.person_model}: its input has the shape {shape}, but that of a network "
                "that finds people must be (1, 3, height, width) with a fixed height and width"
            )
        self._size = (int(shape[3]), int(shape[2]))

    def boxes(self, image: np.ndarray) -> np.ndarray:
        """Return boxes (P, 4) in pixels of an image (H, W, 3) uint8 BGR, the surest first.

        Raises:
            DetectorError: if the network's output is no list of boxes.
        """
        width, height = self._size
        scale = min(width / image.shape[1], height / image.shape[0])
        size = (max(1, round(scale * image.shape[1])), max(1, round(scale * image.shape[0])))
        letter = np.full((height, width, 3), _GREY, np.uint8)
        letter[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        normal = letter[..., ::-1] - np.array(self._options.person_mean)
        normal = normal / np.array(self._options.person_deviation)
        ordered = normal[..., ::-1] if self._options.person_bgr else normal
        tensor = np.ascontiguousarray(ordered.transpose(2, 0, 1)[None], np.float32)
        outputs = self._session.run(None, {self._input.name: tensor})
        return self._surest(outputs) / scale

    def _surest(self, outputs: list[np.ndarray]) -> np.ndarray:
        if outputs[0].shape[-1] != 5 or outputs[0].ndim not in (2, 3):
            raise DetectorError(
                f"{self._options.person_model}: its first output has the shape "
                f"{outputs[0].shape}, but must be (1, N, 5), boxes with scores: export it with "
                "its non-maximum suppression"
            )
        found = outputs[0].reshape(-1, 5)
        right = found[:, 4] >= self._options.least_score
        if len(outputs) > 1:
            right &= outputs[1].reshape(-1) == _PERSON
        surest = np.argsort(-found[:, 4])
        return found[surest[right[surest]], :4].astype(np.float32)
