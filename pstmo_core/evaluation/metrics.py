"""Errors of 3D poses, in the unit of the input (metres here), vectorised over poses.

Each function takes predictions and truth (..., J, 3), relative to the same root, and returns one
value a pose (...,): average them as the protocol requires. Poses with NaN give NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


#: Protocol of MPI-INF-3DHP: a joint is right within 150 mm; AUC averages over these thresholds.
PCK_THRESHOLD = 0.15
AUC_THRESHOLDS = np.linspace(0, 150, 31) / 1000


def mpjve(predicted: np.ndarray, truth: np.ndarray, fps: float = 1.0) -> np.ndarray:
    """Return the mean per-joint velocity error between neighbouring frames.

    Args:
        predicted: (..., n, J, 3), neighbouring frames of one sequence.
        truth: the same shape.
        fps: frames per second; 1 gives the usual unit, metres per frame, else metres per second.

    Returns:
        (..., n - 1), the error of the step to the next frame.
    """
    return mpjpe(np.diff(predicted, axis=-3), np.diff(truth, axis=-3)) * fps


def acceleration_error(predicted: np.ndarray, truth: np.ndarray, fps: float = 1.0) -> np.ndarray:
    """Return the mean per-joint error of the acceleration, from second differences.

    Args:
        predicted: (..., n, J, 3), neighbouring frames of one sequence.
        truth: the same shape.
        fps: frames per second; 1 gives metres per frame², else metres per second².

    Returns:
        (..., n - 2), the error about each frame but the first and last.
    """
    return mpjpe(np.diff(predicted, 2, axis=-3), np.diff(truth, 2, axis=-3)) * fps**2


def pck(
    predicted: np.ndarray,
    truth: np.ndarray,
    joints: Sequence[int] | None = None,
    threshold: float = PCK_THRESHOLD,
) -> np.ndarray:
    """Return the share of joints that are nearer than a threshold (paper, section 4.1.2).

    Args:
        predicted: (..., J, 3) metres.
        truth: the same shape.
        joints: those that count, `JointOrder.pck_joints`; None = all.
        threshold: metres.
    """
    return _share_below(_picked_errors(predicted, truth, joints), np.array([threshold]))


def auc(
    predicted: np.ndarray,
    truth: np.ndarray,
    joints: Sequence[int] | None = None,
    thresholds: np.ndarray = AUC_THRESHOLDS,
) -> np.ndarray:
    """Return the mean of PCK over thresholds from 0 to 150 mm (paper, section 4.1.2).

    As in the data set's own evaluation the threshold of 0 is one of them, which nothing is below:
    a perfect prediction has 30/31.

    Args:
        predicted: (..., J, 3) metres.
        truth: the same shape.
        joints: those that count, `JointOrder.pck_joints`; None = all.
        thresholds: metres, increasing.
    """
    return _share_below(_picked_errors(predicted, truth, joints), thresholds)


def joint_means(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the mean error (J,) of each joint over all poses (..., J, 3) that are known."""
    errors = joint_errors(predicted, truth)
    errors = errors.reshape(-1, errors.shape[-1])
    known = np.isfinite(errors)
    count = known.sum(0)
    total = np.where(known, errors, 0).sum(0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def frame_metrics(
    predicted: np.ndarray,
    truth: np.ndarray,
    valid: np.ndarray | None = None,
    pck_joints: Sequence[int] | None = None,
) -> dict[str, np.ndarray]:
    """Measure one sequence by everything there is, frame by frame.

    Args:
        predicted: (n, J, 3) metres, neighbouring frames.
        truth: the same shape.
        valid: (n,) bool, the frames that count; None = all.
        pck_joints: the joints that PCK and AUC count; None = all.

    Returns:
        Name -> (n,): `mpjpe`, `p_mpjpe` and `n_mpjpe` in metres, `mpjve` and `acceleration` in
        metres per frame and per frame², `pck` and `auc` from 0 to 1. NaN where a frame does not
        count, or has no neighbours that do: `group_means` leaves these out.
    """
    if valid is not None:
        predicted = np.where(valid[:, None, None], predicted, np.nan)
    before, after = min(1, len(truth)), min(1, max(len(truth) - 1, 0))
    return {
        "mpjpe": mpjpe(predicted, truth),
        "p_mpjpe": p_mpjpe(predicted, truth),
        "n_mpjpe": n_mpjpe(predicted, truth),
        "mpjve": _padded(mpjve(predicted, truth), before, 0),
        "acceleration": _padded(acceleration_error(predicted, truth), before, after),
        "pck": pck(predicted, truth, pck_joints),
        "auc": auc(predicted, truth, pck_joints),
    }


@dataclass(frozen=True, eq=False)
class GroupMeans:
    """Means of a metric within groups of frames: actions, sequences, subjects."""

    labels: tuple[str, ...]
    """G labels, sorted."""
    means: np.ndarray
    """(G,) float64; NaN for a group of which no frame is known."""
    counts: np.ndarray
    """(G,) int, frames that were averaged."""

    @property
    def over_groups(self) -> float:
        """Return the mean of the means, each group counting alike: Human3.6M's, over actions."""
        known = self.counts > 0
        return float(self.means[known].mean()) if known.any() else float("nan")

    @property
    def over_frames(self) -> float:
        """Return the mean of all frames: groups weighted by them, as for MPI-INF-3DHP."""
        known = self.counts > 0
        if not known.any():
            return float("nan")
        return float(np.average(self.means[known], weights=self.counts[known]))

    def as_dict(self) -> dict[str, float]:
        """Return label -> mean."""
        return dict(zip(self.labels, self.means.tolist(), strict=True))


def group_means(values: Sequence[np.ndarray], labels: Sequence[str]) -> GroupMeans:
    """Average a metric within groups, frames with NaN left out.

    Every frame counts for its own group, whatever batch it was computed in.

    Args:
        values: one array (n,) a sequence, of its frames.
        labels: the group of each sequence, e.g. `PoseDataset.labels("action")`.
    """
    if len(values) != len(labels):
        raise ValueError(f"{len(values)} sequences have {len(labels)} labels")
    names, group = np.unique(np.array(labels, dtype=np.str_), return_inverse=True)
    lengths = [len(value) for value in values]
    frames = np.concatenate([*values, np.zeros(0)]).astype(np.float64)
    group = np.repeat(group.reshape(-1), lengths)
    known = np.isfinite(frames)
    counts = np.bincount(group[known], minlength=len(names))
    totals = np.bincount(group[known], weights=frames[known], minlength=len(names))
    means = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    return GroupMeans(tuple(names.tolist()), means, counts)


def _picked_errors(
    predicted: np.ndarray, truth: np.ndarray, joints: Sequence[int] | None
) -> np.ndarray:
    errors = joint_errors(predicted, truth)
    return errors if joints is None else errors[..., list(joints)]


def _share_below(errors: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return the share of (joint, threshold) pairs with error < threshold, of errors (..., J)."""
    above = len(thresholds) - np.searchsorted(thresholds, errors, side="right")
    return np.where(np.isfinite(errors).all(-1), above.mean(-1) / len(thresholds), np.nan)


def _padded(values: np.ndarray, before: int, after: int) -> np.ndarray:
    return np.pad(values, (before, after), constant_values=np.nan)
