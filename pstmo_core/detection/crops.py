"""Boxes of people and the crops that they become."""

from __future__ import annotations

import numpy as np

#: How much larger than the box a crop is.
PADDING = 1.25


def boxes_of(points: np.ndarray) -> np.ndarray:
    """Return the boxes (P, 4), left, top, right, bottom, of joints (P, 17, 2) in pixels."""
    return np.concatenate([points.min(1), points.max(1)], -1)


def crop_maps(boxes: np.ndarray, size: tuple[int, int], padding: float = PADDING) -> np.ndarray:
    """Return the affine maps (P, 2, 3) from an image's pixels to crops of some width and height.

    A crop has the box in its middle, padded, and its own aspect: nothing is stretched.
    """
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0) * padding
    scale = (np.array(size) / sides).min(-1)
    maps = np.zeros((len(boxes), 2, 3), np.float32)
    maps[:, 0, 0] = maps[:, 1, 1] = scale
    maps[:, :, 2] = np.array(size) / 2 - scale[:, None] * middle
    return maps


def apply_maps(maps: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (P, J, 2) by affine maps (P, 2, 3)."""
    return points @ maps[:, :, :2].swapaxes(1, 2) + maps[:, None, :, 2]


def undo_maps(maps: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map points (P, J, 2) of crops back to the image."""
    return (points - maps[:, None, :, 2]) @ np.linalg.inv(maps[:, :, :2]).swapaxes(1, 2)


def warp_crops(image: np.ndarray, maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut crops (P, height, width, 3) out of an image; beyond its edges it is black."""
    import cv2

    from pstmo_core.detection.warping import warped

    crops = np.empty((len(maps), *size[::-1], 3), np.uint8)
    for crop, to_crop in zip(crops, maps.astype(np.float64), strict=True):
        crop[:] = warped(image, cv2.invertAffineTransform(to_crop), size)
    return crops
