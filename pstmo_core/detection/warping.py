"""Cuts crops out of images along affine maps, with the same pixels by every version of OpenCV.

OpenCV 4's `cv2.warpAffine` rounds the places that it reads to 1/32 pixel, OpenCV 5's does not: grey
levels differ by a few, and keypoints move. Here places are rounded first, as OpenCV 4 does. How
`cv2.remap` reads such places has not changed.
"""

from __future__ import annotations

import cv2
import numpy as np

#: Bits of a place behind the point: of those that are added, and of those that are read.
_ADDED, _READ = 10, 5
_PART = (1 << _READ) - 1
#: Pixels up to which places are followed; `cv2.remap` takes no larger images.
_FARTHEST = (1 << 15) - 1


def warped(image: np.ndarray, to_image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return a crop of an image; beyond the image's edges it is black.

    Args:
        image: (H, W, 3) uint8, less than 32767 pixels a side.
        to_image: (2, 3) affine map from pixels of the crop to those of the image.
        size: width and height of the crop.

    Returns:
        (height, width, 3) uint8, each pixel interpolated between the four round its place.
    """
    width, height = size
    scaled = np.asarray(to_image, np.float64) * (1 << _ADDED)
    along = _rounded(scaled[:, :1] * np.arange(width))
    down = _rounded(scaled[:, 1:2] * np.arange(height) + scaled[:, 2:])
    down += 1 << (_ADDED - _READ - 1)  # half of what the shift cuts off
    whole = np.empty((height, width, 2), np.int16)
    parts = np.zeros((height, width), np.uint16)
    for axis in (0, 1):
        places = (down[axis][:, None] + along[axis]) >> (_ADDED - _READ)
        parts |= ((places & _PART) << (axis * _READ)).astype(np.uint16)
        places >>= _READ
        whole[..., axis] = np.clip(places, -_FARTHEST, _FARTHEST, out=places)
    return cv2.remap(image, whole, parts, cv2.INTER_LINEAR)


def _rounded(places: np.ndarray) -> np.ndarray:
    """Round to whole numbers, of which two add up without overflow; NaN is far away."""
    most = np.iinfo(np.int32).max // 4
    return np.rint(np.clip(np.nan_to_num(places, nan=most), -most, most)).astype(np.int32)
