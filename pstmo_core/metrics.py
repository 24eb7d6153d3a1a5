"""Errors of 3D poses, in the unit of the input (metres here), vectorised over poses.

Each function takes predictions and truth (..., J, 3), relative to the same root, and returns one
value a pose (...,): average them as the protocol at hand says. Poses with NaN give NaN.
"""

from __future__ import annotations

import numpy as np


def joint_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the distance of each joint (..., J)."""
    return np.linalg.norm(predicted - truth, axis=-1)


def mpjpe(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the mean per-joint position error (Protocol 1 of Human3.6M)."""
    return joint_errors(predicted, truth).mean(-1)


def n_mpjpe(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return MPJPE after the best scale: what is left when the body's size is given."""
    scale = (predicted * truth).sum((-2, -1)) / (predicted**2).sum((-2, -1))
    return mpjpe(predicted * scale[..., None, None], truth)


def p_mpjpe(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return MPJPE after the best scale, rotation and shift (Protocol 2, Procrustes)."""
    known = np.isfinite(predicted).all((-2, -1)) & np.isfinite(truth).all((-2, -1))
    errors = np.full(known.shape, np.nan)
    if known.any():
        errors[known] = _procrustes_errors(predicted[known], truth[known])
    return errors


def _procrustes_errors(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    centred = predicted - predicted.mean(-2, keepdims=True)
    target = truth - truth.mean(-2, keepdims=True)
    left, singular, right = np.linalg.svd(np.swapaxes(centred, -1, -2) @ target)
    signs = np.ones_like(singular)
    signs[..., -1] = np.sign(np.linalg.det(left @ right))  # a rotation, never a reflection
    rotation = left @ (signs[..., None] * right)
    scale = (singular * signs).sum(-1) / (centred**2).sum((-2, -1))
    return mpjpe(scale[..., None, None] * (centred @ rotation), target)
