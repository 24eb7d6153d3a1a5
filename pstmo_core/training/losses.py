"""The losses of stage I and stage II (paper, sections 3.4.1 and 3.4.2)."""

from __future__ import annotations

from torch import Tensor


def mpjpe_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of joints over all leading dimensions; (..., 17, 3) metres."""
    return (predicted - truth).norm(dim=-1).mean()


def lifting_loss(
    all_frames: Tensor, target: Tensor, truth: Tensor, multi_frame_weight: float
) -> Tensor:
    """L_single + lambda L_multiple; truth is (B, F, 17, 3), the target its centre frame."""
    single = mpjpe_loss(target, truth[:, truth.shape[1] // 2])
    return single + multi_frame_weight * mpjpe_loss(all_frames, truth)


def reconstruction_loss(predicted: Tensor, truth: Tensor, seen: Tensor) -> Tensor:
    """Mean distance of restored joints, over visible and masked ones alike (stage I).

    Args:
        predicted: (B, F, 17, 2), the stage-I network's output.
        truth: (B, F, 17, 2), see `pstmo_core.model.masked.reconstruction_target`.
        seen: (B, F, 17), 1.0 where a joint counts, else 0.0.
    """
    return ((predicted - truth).norm(dim=-1) * seen).sum() / seen.sum().clamp(min=1.0)
