"""What every encoding offers: from pixels to the numbers that a network sees, and back.

All are frame-wise, so a frame's SEM embedding can be kept. The methods that take `xp`, the module
of the arrays, accept NumPy arrays and torch tensors alike, so that training and run time share one
definition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from pstmo_core.skeleton import JOINTS, mirror_order

#: Focal length over the longer image side that is assumed where the camera is not known.
ASSUMED_FOCAL = 0.85

Array = Any

_MIRRORED = mirror_order()


class Encoding(ABC):
    """A representation of 2D poses as network input."""

    name: str
    """Its name in `ModelConfig.encoding`."""
    shape: tuple[int, int]
    """Rows and channels of one frame; the first 17 rows are the joints', x and y first."""
    tells_unseen = True
    """Whether it tells the network which joints were not seen. One that does not takes any joints;
    the others centre on the pelvis and so need Human3.6M's."""
    embeds_unseen = False
    """Whether rows of joints that are not seen are empty: the network puts its embedding there."""
    turned = False
    """Whether the network's poses are in the frame of a camera turned to the person: `turns`."""

    @abstractmethod
    def encode(
        self,
        pixels: Array,
        scores: Array,
        size: Array,
        focal: Array,
        centre: Array,
        up: Array,
        xp: Any,
    ) -> Array:
        """Encode keypoints. All shapes are such that they broadcast with those of `pixels`.

        Args:
            pixels: (..., 17, 2); where not seen, any finite values.
            scores: (..., 17), above 0 where seen, up to 1 as the detector is sure, else 0.
            size: (..., 1, 2), image width and height in pixels.
            focal: (..., 1, 1), focal length in pixels.
            centre: (..., 1, 2), principal point in pixels.
            up: (..., 3), unit vectors against gravity in the camera's optical frame; 0 where not
                known.
            xp: the module of the arrays.

        Returns:
            (..., rows, channels).
        """

    @abstractmethod
    def decode(
        self, poses: np.ndarray, frames: np.ndarray, size: np.ndarray, focal: Array, up: np.ndarray
    ) -> np.ndarray:
        """Turn encoded 2D poses, such as stage I restores, back into pixels.

        Args:
            poses: (..., 17, 2), the first two channels of the joints' rows.
            frames: (..., rows, channels), the encoded frames that the poses belong to.
            size: (..., 1, 2), as given to `encode`.
            focal: as given to `encode`.
            up: (3,) or (..., 3), as given to `encode`.
        """

    def seen(self, frames: Array, xp: Any) -> Array:
        """Say which joints of encoded frames (..., rows, channels) were seen: (..., 17) bool."""
        return frames[..., :JOINTS, 2] > 0

    def mirror(self, frames: Array, xp: Any) -> Array:
        """Return encoded frames (..., rows, channels) of the same scene in a mirror.

        Left joints are right ones, and x, the first number of every row, has the other sign.
        """
        swapped = xp.concatenate([frames[..., _MIRRORED, :], frames[..., JOINTS:, :]], -2)
        return xp.concatenate([-swapped[..., :1], swapped[..., 1:]], -1)

    def turns(self, frames: Array, up: Array, xp: Any) -> Array | None:
        """Return the rotations (..., 3, 3) from the camera's frame to that of the network's poses.

        Args:
            frames: (..., rows, channels), as they were encoded.
            up: (..., 3), as given to `encode`.
            xp: the module of the arrays.

        Returns:
            None where the two frames are one.
        """
        return None


def image_scale(size: np.ndarray, focal: float) -> Any:
    """Return the focal length in pixels: for images of (..., 2) the usual one where it is 0."""
    return focal or ASSUMED_FOCAL * size.max(-1, keepdims=True)
