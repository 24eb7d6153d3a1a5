"""MoveNet's networks for one person, lightning and thunder: a square of the image in, points out.

The square for an image is made of the person's keypoints in the image before.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.network_file import open_session

#: Keypoints with a lower score do not count where the person is.
SEEN = 0.2
#: Fewest seen keypoints from which a square is made.
_FEWEST = 4
#: How much larger than the keypoints' box a square is.
_MARGIN = 1.25
#: How far a person's square may be from the best one, in sides, before it is moved there.
_SLACK = 0.05


class SinglePose:
    """Finds the keypoints of the one person in the middle of a square.

    Raises:
        DetectorError: if the file is missing or holds another network.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        self._session = open_session(path, threads)
        self._input = self._session.get_inputs()[0]
        shape, outputs = self._input.shape, self._session.get_outputs()
        if (
            self._input.type != "tensor(int32)"
            or len(shape) != 4
            or not isinstance(shape[1], int)
            or list(outputs[0].shape[-2:]) != [17, 3]
        ):
            raise DetectorError(
                f"{path}: is not MoveNet lightning or thunder, whose input is an int32 image of "
                "fixed size and whose output is (1, 1, 17, 3)"
            )
        self._side = int(shape[1])

    def detect(self, image: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find the keypoints of people.

        Args:
            image: (H, W, 3) uint8 BGR.
            squares: (P, 3): x and y of the middle, and the side, pixels.

        Returns:
            Points (P, 17, 2) in pixels of the image, and scores (P, 17) from 0 to 1, float32.
        """
        found = np.empty((len(squares), 17, 3), np.float32)
        for one, square in zip(found, squares, strict=True):
            crop = self._crop(image, square)
            (answer,) = self._session.run(None, {self._input.name: crop})
            one[:] = answer.reshape(17, 3)
        corners = squares[:, :2] - squares[:, 2:] / 2
        points = found[..., [1, 0]] * squares[:, None, 2:] + corners[:, None]
        return points.astype(np.float32), found[..., 2].copy()

    def _crop(self, image: np.ndarray, square: np.ndarray) -> np.ndarray:
        """Cut a square out, as the network takes it; beyond the image's edges it is black."""
        x, y, side = square
        pixel = side / self._side  # of the crop, in pixels of the image; centres lie at + 0.5
        left, top = (middle - side / 2 + pixel / 2 - 0.5 for middle in (x, y))
        to_image = np.array([[pixel, 0, left], [0, pixel, top]], np.float32)
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(image, to_image, (self._side, self._side), flags=how)
        return crop[None, ..., ::-1].astype(np.int32)


def squares_round(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return squares (P, 3) round people, and (P,) whether enough of each is seen for one.

    Args:
        points: (P, J, 2) pixels.
        scores: (P, J).
    """
    seen = (scores >= SEEN)[..., None]
    low = np.where(seen, points, np.inf).min(1)
    high = np.where(seen, points, -np.inf).max(1)
    enough = seen[..., 0].sum(1) >= _FEWEST
    with np.errstate(invalid="ignore"):  # infinite where nothing is seen
        squares = np.concatenate([(low + high) / 2, (high - low).max(-1, keepdims=True)], -1)
    squares[:, 2] = np.maximum(squares[:, 2] * _MARGIN, 1)
    return squares, enough


def steadied(before: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return squares (P, 3), but those of the image before where these still do.

    A square that moves with the keypoints that were found in it makes them tremble: the network's
    answer depends a little on how its input is cut.
    """
    shift = np.abs(squares[:, :2] - before[:, :2]).max(-1)
    growth = np.abs(squares[:, 2] - before[:, 2]) / 2
    still = np.maximum(shift, growth) < _SLACK * before[:, 2]
    return np.where(still[:, None], before, squares)
