"""BlazePose's second network: the 33 landmarks of the person in an upright square."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.blazepose_search import sigmoid, squares_of
from pstmo_core.detection.network_file import WEIGHTS, open_session
from pstmo_core.detection.warping import warped

FULL = WEIGHTS / "blazepose_landmark_full.onnx"
_POINTS, _ALL = 33, 39
#: Of all points: the middle of the hips, and the one that says size and direction.
_HIPS, _END = 33, 34
_SIDE, _CELLS = 256, 64
#: Cells round a point in which its heatmap's middle is taken, and its least peak.
_REACH, _PEAK = 3, 0.5


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What was found in P squares."""

    points: np.ndarray
    """(P, 33, 2) float32 pixels of the image."""
    scores: np.ndarray
    """(P, 33) float32: how likely each is visible."""
    present: np.ndarray
    """(P,) how likely a person is in the square."""
    squares: np.ndarray
    """(P, 4): where to look in the next image."""


class BlazeposeLandmarks:
    """Finds landmarks; the variants lite, full and heavy differ in exactness and time.

    Raises:
        DetectorError: if the file is missing or holds another network.
    """

    def __init__(self, path: Path = FULL, threads: int = 1) -> None:
        self._session = open_session(path, threads)
        self._input = self._session.get_inputs()[0]
        sizes = {int(np.prod(o.shape[1:])): o.name for o in self._session.get_outputs()}
        maps = _CELLS * _CELLS * _ALL
        if list(self._input.shape) != [1, _SIDE, _SIDE, 3] or not {5 * _ALL, 1} <= set(sizes):
            raise DetectorError(
                f"{path}: is not a landmark network of BlazePose, whose input is (1, 256, 256, 3) "
                "and whose outputs are (1, 195) and (1, 1) among others"
            )
        self._outputs = [sizes[5 * _ALL], sizes[1], *([sizes[maps]] if maps in sizes else [])]

    def detect(self, image: np.ndarray, squares: np.ndarray) -> Landmarks:
        """Find the landmarks of the people in squares (P, 4) of an image (H, W, 3) uint8 BGR."""
        count = len(squares)
        points = np.empty((count, _ALL, 2), np.float32)
        scores = np.empty((count, _ALL), np.float32)
        present = np.empty(count, np.float32)
        for person, square in enumerate(squares):
            to_image = _to_image(square)
            crop = warped(image, to_image, (_SIDE, _SIDE))[..., ::-1]
            tensor = crop[None].astype(np.float32) / 255
            rows, sure, *maps = self._session.run(self._outputs, {self._input.name: tensor})
            rows = rows.reshape(_ALL, 5)
            found = _refined(rows[:, :2], sigmoid(maps[0][0])) if maps else rows[:, :2]
            points[person] = found @ to_image[:, :2].T + to_image[:, 2]
            scores[person], present[person] = sigmoid(rows[:, 3]), sure.item()
        following = squares_of(points[:, _HIPS], points[:, _END])
        return Landmarks(points[:, :_POINTS], scores[:, :_POINTS], present, following)


def _to_image(square: np.ndarray) -> np.ndarray:
    """Return the map (2, 3) from pixels of the network's input to those of the image."""
    x, y, side, angle = square
    scale = side / _SIDE
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = np.array([x, y]) - turn @ np.full(2, _SIDE / 2)
    return np.concatenate([turn, offset[:, None]], 1)


def _refined(points: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Return points (39, 2) moved to the middle of their heatmaps (64, 64, 39) nearby."""
    cell = np.floor(points * _CELLS / _SIDE).astype(int)
    inside = ((cell >= 0) & (cell < _CELLS)).all(-1)
    cell = np.clip(cell, 0, _CELLS - 1)
    shift = np.arange(-_REACH, _REACH + 1)
    columns, rows = (cell[:, axis, None] + shift for axis in (0, 1))
    padded = np.pad(maps, ((_REACH, _REACH), (_REACH, _REACH), (0, 0)))
    near = padded[
        rows[:, :, None] + _REACH,
        columns[:, None, :] + _REACH,
        np.arange(len(points))[:, None, None],
    ]
    mass = near.sum((1, 2))
    middle = np.stack(
        [(near.sum(1) * columns).sum(1) / mass, (near.sum(2) * rows).sum(1) / mass], -1
    )
    moved = inside & (near.max((1, 2)) >= _PEAK)
    return np.where(moved[:, None], middle * _SIDE / _CELLS, points)
