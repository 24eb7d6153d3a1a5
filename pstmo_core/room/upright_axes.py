"""Cameras that are mounted rotated, and the axes of the same camera mounted upright."""

from __future__ import annotations

import numpy as np

#: Degrees clockwise by which an image has to be rotated to be upright.
ROTATIONS = (0, 90, 180, 270)


def upright_axes(rotation: int) -> np.ndarray:
    """Return (3, 3), the camera's optical frame to that of a camera that is mounted upright."""
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[rotation // 90]
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float64)
