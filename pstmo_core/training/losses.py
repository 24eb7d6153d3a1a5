"""The losses of stage I and stage II (paper, sections 3.4.1 and 3.4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pstmo_core.data.motion.streams import StreamBatch
from pstmo_core.settings import check_settings, setting
from pstmo_core.skeleton import PARENTS

#: Sigma is between a third of a millimetre and 3 m.
LOG_SIGMA = (-8.0, 1.1)


def _weight(description: str) -> Any:
    """Declare the weight of a part of a loss, which is left out by default."""
    return setting(0.0, description, low=0.0)


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts of stage II's loss beside the paper's two; 0 leaves a part out."""

    newest: float = _weight("The newest frame's error once more: the pose that a stream shows.")
    velocity: float = _weight("Error of the movement from one frame of the window to the next.")
    bones: float = _weight("Error of the bones' lengths, which do not change while a person moves.")
    twins: float = _weight(
        "Error of the newest frame's movement from a window to the next (`SamplerConfig.twins`)."
    )
    sigma: float = _weight(
        "Likelihood of the errors under the network's sigma. Its gradient does not pass through "
        "the poses, but reaches the layers that poses and sigma share."
    )
    moments: float = _weight(
        "Error of a streaming network's poses of moments beside the newest, the future among them."
    )

    def __post_init__(self) -> None:
        check_settings(self, "loss.")


def mpjpe_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean distance of joints over all leading dimensions; (..., 17, 3) metres."""
    return (predicted - truth).norm(dim=-1).mean()


def lifting_loss(
    all_frames: Tensor,
    target: Tensor,
    truth: Tensor,
    multi_frame_weight: float,
    parts: LossConfig | None = None,
    twins: int = 0,
) -> Tensor:
    """L_single + lambda L_multiple, and further parts.

    Args:
        all_frames: (B, F, 17, C), what the multi-frame head gives, see `STMO`.
        target: (B, 17, C), what MOFA gives for the centre frame.
        truth: (B, F, 17, 3) metres.
        multi_frame_weight: lambda.
        parts: the weights of the further parts.
        twins: as of `Batch`.
    """
    parts = parts or LossConfig()
    poses, centre = all_frames[..., :3], truth[:, truth.shape[1] // 2]
    single = mpjpe_loss(target[..., :3], centre)
    loss = single + multi_frame_weight * mpjpe_loss(poses, truth)
    if parts.newest:
        loss = loss + parts.newest * mpjpe_loss(poses[:, -1], truth[:, -1])
    if parts.velocity:
        loss = loss + parts.velocity * mpjpe_loss(poses.diff(dim=1), truth.diff(dim=1))
    if parts.bones:
        loss = loss + parts.bones * (bone_lengths(poses) - bone_lengths(truth)).abs().mean()
    if parts.twins and twins:
        moved, truly = (p[-twins:, -1] - p[:twins, -1] for p in (poses, truth))
        loss = loss + parts.twins * mpjpe_loss(moved, truly)
    if parts.sigma:
        sigmas = likelihood_loss(all_frames, truth) + likelihood_loss(target, centre)
        loss = loss + parts.sigma * sigmas
    return loss


#: Seconds that a movement is measured over, and the least that it is taken to have lasted: the
#: movement between two frames that follow at once is noise.
_MOVED, _LEAST = 0.04, 0.02


def live_loss(newest: Tensor, others: Tensor, batch: StreamBatch, parts: LossConfig) -> Tensor:
    """The loss of a streaming network over all frames of its sequences.

    The part `moments` is a mean over the moments at which the person had been seen (`batch.valid`),
    taken within each micro-batch and process; the part `sigma` counts every moment.

    Args:
        newest: (B, F, 17, 4), each frame's pose when it was the newest, see `STMOLive`.
        others: (B, Q, M, 17, 4), the poses of other moments at the frames `batch.asked`.
        batch: the sequences and the truth.
        parts: weights; `newest` and `twins` mean nothing here.
    """
    poses = newest[..., :3]
    loss = mpjpe_loss(poses, batch.poses)
    if parts.velocity:
        scale = _MOVED / batch.dt[:, 1:].clamp(min=_LEAST)
        error = (poses.diff(dim=1) - batch.poses.diff(dim=1)).norm(dim=-1)
        loss = loss + parts.velocity * (error * scale[..., None]).mean()
    if parts.bones:
        lengths = bone_lengths(poses) - bone_lengths(batch.poses)
        loss = loss + parts.bones * lengths.abs().mean()
    if parts.moments:
        error = (others[..., :3] - batch.others).norm(dim=-1).mean(-1)
        count = batch.valid.sum().clamp(min=1)
        loss = loss + parts.moments * torch.where(batch.valid, error, 0.0).sum() / count
    if parts.sigma:
        sigmas = likelihood_loss(newest, batch.poses) + likelihood_loss(others, batch.others)
        loss = loss + parts.sigma * sigmas
    return loss


def bone_lengths(poses: Tensor) -> Tensor:
    """Joints (..., 17, 3) -> lengths (..., 16) of the bones that end in joints 1 to 16."""
    return (poses[..., 1:, :] - poses[..., list(PARENTS[1:]), :]).norm(dim=-1)


def likelihood_loss(lifted: Tensor, truth: Tensor) -> Tensor:
    """Negative log likelihood of the distances under sigma, poses as given.

    The distance is taken to be distributed as exp(-distance / sigma) in space, so that sigma comes
    to be a third of the distance that is to be expected.

    Args:
        lifted: (..., 17, 4) joints and log sigma.
        truth: (..., 17, 3).
    """
    distance = (lifted[..., :3].detach() - truth).norm(dim=-1)
    log_sigma = lifted[..., 3].clamp(*LOG_SIGMA)
    return (3 * log_sigma + distance * (-log_sigma).exp()).mean()


def reconstruction_loss(predicted: Tensor, truth: Tensor, seen: Tensor) -> Tensor:
    """Mean distance of restored joints, over visible and masked ones alike (stage I).

    Args:
        predicted: (B, F, 17, 2), the stage-I network's output.
        truth: (B, F, 17, 2), see `pstmo_core.model.masked.reconstruction_target`.
        seen: (B, F, 17), 1.0 where a joint counts, else 0.0.
    """
    return ((predicted - truth).norm(dim=-1) * seen).sum() / seen.sum().clamp(min=1.0)
