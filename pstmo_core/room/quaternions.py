"""Rotations as matrices and as the quaternions (x, y, z, w) that ROS messages hold."""

from __future__ import annotations

import numpy as np


def matrix_from_quaternion(quaternion: np.ndarray) -> np.ndarray:
    """Return the rotation matrix (3, 3) of a quaternion (4,), x, y, z, w, of any length above 0."""
    x, y, z, w = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def quaternions_from_matrices(matrices: np.ndarray) -> np.ndarray:
    """Return the unit quaternions (..., 4), x, y, z, w with w >= 0, of rotations (..., 3, 3)."""
    m = np.asarray(matrices, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    # Four times the products of the quaternion's parts, one row a part; the row of the largest
    # part is the most exact.
    products = np.stack([
        np.stack([1 + xx - yy - zz, m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0],
                  m[..., 2, 1] - m[..., 1, 2]], -1),
        np.stack([m[..., 1, 0] + m[..., 0, 1], 1 - xx + yy - zz, m[..., 2, 1] + m[..., 1, 2],
                  m[..., 0, 2] - m[..., 2, 0]], -1),
        np.stack([m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2], 1 - xx - yy + zz,
                  m[..., 1, 0] - m[..., 0, 1]], -1),
        np.stack([m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0],
                  m[..., 1, 0] - m[..., 0, 1], 1 + xx + yy + zz], -1),
    ], -2)  # fmt: skip
    best = np.diagonal(products, axis1=-2, axis2=-1).argmax(-1)
    rows = np.take_along_axis(products, best[..., None, None], -2)[..., 0, :]
    rows = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    signed: np.ndarray = np.where(rows[..., 3:] < 0, -rows, rows)
    return signed
