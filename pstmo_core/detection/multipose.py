"""MoveNet multipose: up to six people and their keypoints in one pass over an image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pstmo_core.detection.base import DetectorError
from pstmo_core.detection.network_file import WEIGHTS, open_session

#: Input sizes that were tried, the longest side in pixels: smaller ones miss limbs, and in larger
#: ones the network finds no people that fill the image.
SIZES = (192, 256, 320, 384, 448, 512)
MOST = 6
"""People whom the network finds in one pass at most."""
_MULTIPLE = 32
_JOINTS = 17


@dataclass(frozen=True, eq=False)
class Found:
    """The people whom a search found, the surest first."""

    points: np.ndarray
    """(P, 17, 2) float32 pixels of the image."""
    scores: np.ndarray
    """(P, 17) float32, 0 to 1."""
    sure: np.ndarray
    """(P,) float32, 0 to 1: how sure it is that this is a person."""

    @property
    def may_miss(self) -> bool:
        """Whether there may be more people than the network can name."""
        return len(self.points) >= MOST


class Multipose:
    """Finds people in an image or a part of it.

    Raises:
        DetectorError: if the file is missing or holds another network.
    """

    def __init__(self, threads: int = 1, path: Path = WEIGHTS / "movenet_multipose.onnx") -> None:
        self._session = open_session(path, threads)
        (self._input,) = self._session.get_inputs()
        (output,) = self._session.get_outputs()
        if self._input.type != "tensor(int32)" or list(output.shape[1:]) != [MOST, 56]:
            raise DetectorError(
                f"{path}: is not MoveNet multipose, whose input is int32 and whose output is "
                f"(1, {MOST}, 56)"
            )

    def search(self, image: np.ndarray, size: int, least: float) -> Found:
        """Look for people.

        Args:
            image: (H, W, 3) uint8 BGR.
            size: longest side in pixels at which the network sees it.
            least: people of whom it is less sure are left out.
        """
        small, scale = _shrunk(image, size)
        (answer,) = self._session.run(None, {self._input.name: small[None].astype(np.int32)})
        rows = answer[0]
        rows = rows[np.argsort(-rows[:, 55], kind="stable")]
        rows = rows[rows[:, 55] >= least]
        joints = rows[:, : 3 * _JOINTS].reshape(-1, _JOINTS, 3)
        extent = np.array([small.shape[1], small.shape[0]], np.float32) / scale
        return Found(joints[..., [1, 0]] * extent, joints[..., 2].copy(), rows[:, 55].copy())


def _shrunk(image: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image as RGB of some longest side, padded at the right and the bottom.

    Also how many of its pixels a pixel of the image is, along x and y.
    """
    height, width = image.shape[:2]
    ratio = size / max(height, width)
    inside = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    padded = [-(-side // _MULTIPLE) * _MULTIPLE for side in inside]
    small = np.zeros((padded[1], padded[0], 3), np.uint8)
    resized = cv2.resize(image, inside, interpolation=cv2.INTER_AREA)
    small[: inside[1], : inside[0]] = resized[..., ::-1]
    return small, np.array(inside, np.float32) / (width, height)
