"""BlazePose's first network: finds people, as the middle of their hips and a direction."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.network_file import WEIGHTS, open_session

_SIDE = 224
#: Cells of the network's grids, and answers a cell.
_GRIDS = ((28, 2), (14, 2), (7, 6))
#: Overlap (intersection over union) of two boxes of one person.
_SAME_PERSON = 0.3
#: A person's square, in distances from the middle of the hips to the point that says the size.
_SQUARE = 2.5


def _anchors() -> np.ndarray:
    """Return the anchors (2254, 2), x and y from 0 to 1, that the answers are relative to."""
    anchors = []
    for cells, answers in _GRIDS:
        middles = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2)
        anchors.append(np.repeat(grid, answers, 0))
    return np.concatenate(anchors).astype(np.float32)


_ANCHORS = _anchors()


class BlazeposeSearch:
    """Finds people in whole images.

    Raises:
        DetectorError: if the file is missing or holds another network.
    """

    def __init__(self, threads: int = 1, path: Path = WEIGHTS / "blazepose_detection.onnx") -> None:
        self._session = open_session(path, threads)
        self._input = self._session.get_inputs()[0]
        shapes = [list(output.shape) for output in self._session.get_outputs()]
        if shapes != [[1, len(_ANCHORS), 12], [1, len(_ANCHORS), 1]]:
            raise DetectorError(f"{path}: is not BlazePose's detection network")

    def search(self, image: np.ndarray, least: float) -> np.ndarray:
        """Return squares (P, 4) round people: x and y of the middle, side, angle; the surest first.

        Args:
            image: (H, W, 3) uint8 BGR.
            least: people with a lower score are left out.
        """
        height, width = image.shape[:2]
        scale = _SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2
        letter = np.zeros((_SIDE, _SIDE, 3), np.float32)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)[..., ::-1]
        letter[top : top + size[1], left : left + size[0]] = small
        answers, logits = self._session.run(None, {self._input.name: letter[None] / 127.5 - 1})
        scores = sigmoid(logits[0, :, 0])
        sure = np.flatnonzero(scores >= least)
        pairs = answers[0, sure].reshape(-1, 6, 2) / _SIDE
        pairs[:, [0, 2, 3, 4, 5]] += _ANCHORS[sure, None]
        pairs = (pairs * _SIDE - (left, top)) / scale
        sides = answers[0, sure, 2:4] / scale
        return _squares(pairs[:, 0], sides, pairs[:, 2:4], scores[sure])


def _squares(
    middles: np.ndarray, sides: np.ndarray, marks: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Return a square (P, 4) for each person, the mean of all answers that overlap with its best.

    Args:
        middles: (N, 2) of boxes, pixels.
        sides: (N, 2) of boxes.
        marks: (N, 2, 2): the middle of the hips, and the point that says size and direction.
        scores: (N,).
    """
    boxes = np.concatenate([middles - sides / 2, middles + sides / 2], -1)
    left = np.argsort(-scores, kind="stable")
    people = []
    while len(left):
        same = overlaps(boxes[left[0]], boxes[left]) > _SAME_PERSON
        same[0] = True
        group = left[same]
        weight = scores[group] / scores[group].sum()
        people.append((marks[group] * weight[:, None, None]).sum(0))
        left = left[~same]
    marked = np.array(people).reshape(-1, 2, 2)
    return squares_of(marked[:, 0], marked[:, 1])


def squares_of(hips: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return squares (P, 4) of people whose hips' middle and end point (P, 2) are known.

    The angle is by how much a person leans clockwise in the image, radians.
    """
    along = ends - hips
    side = np.maximum(_SQUARE * np.linalg.norm(along, axis=-1), 1.0)
    angle = np.arctan2(along[:, 0], -along[:, 1])
    return np.stack([hips[:, 0], hips[:, 1], side, angle], -1)


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union (N,) of a box (4,) with others (N, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    areas = (others[:, 2:] - others[:, :2]).prod(-1) + (box[2:] - box[:2]).prod()
    return common / np.maximum(areas - common, 1e-9)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Return probabilities of logits."""
    return 1 / (1 + np.exp(-np.clip(values, -60, 60)))
