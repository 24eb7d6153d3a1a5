"""Rotated cameras: images and keypoints are turned upright, results are turned back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.upright_axes import upright_axes


def upright_frame(frame: KeypointFrame, rotation: int) -> KeypointFrame:
    """Return a frame as the camera would see it, were it mounted upright."""
    if not rotation:
        return frame
    axes, taken = upright_axes(rotation), (frame.width, frame.height)
    size = taken if rotation == 180 else taken[::-1]
    turn = axes[:2, :2].astype(np.float32)
    points = (frame.points - _middle(taken)) @ turn.T + _middle(size)
    pose = frame.pose.turned(axes) if frame.pose else None
    return replace(frame, points=points, width=size[0], height=size[1], pose=pose)


def upright_image(image: np.ndarray, rotation: int) -> np.ndarray:
    """Return an image (H, W, ...) turned upright; a view."""
    return np.rot90(image, -rotation // 90)


def points_of_turned_image(points: np.ndarray, size: tuple[int, int], rotation: int) -> np.ndarray:
    """Return where points (..., 2) of an upright image lie in the image as the camera took it.

    Args:
        points: pixels of the upright image.
        size: width and height of the image as the camera took it.
        rotation: one of `upright_axes.ROTATIONS`.
    """
    taken = _middle(size)
    middle = taken if rotation % 180 == 0 else taken[::-1]
    turned: np.ndarray = (points - middle) @ upright_axes(rotation)[:2, :2].astype(np.float32)
    return turned + taken


def _middle(size: tuple[int, int]) -> np.ndarray:
    return np.array(size, np.float32) / np.float32(2)
