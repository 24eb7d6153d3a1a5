"""Sigma made honest: on people and keypoints that training has not seen, 90 % within 2.5 sigma.

A network trained by likelihood knows which joints are worse than others, and is too sure of all of
them, or not sure enough; and it says too little difference between easy frames and hard ones. So
sigma becomes `factor * sigma ** power`, with two numbers a joint and head, the same for left and
right, from a quantile regression of the errors on sigma. They are worked into the heads' weights,
so that a calibrated network is used like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from pstmo_core.data.motion.balance import BalanceConfig, target_probability
from pstmo_core.data.motion.detector_errors import DetectorErrors
from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.data.motion.sampler import Sampler, SamplerConfig
from pstmo_core.data.motion.windows import Clips
from pstmo_core.errors import PstmoError
from pstmo_core.evaluation.mocap_windows import infer, infer_live
from pstmo_core.model.config import INTERVAL, ModelConfig
from pstmo_core.model.live.network import STMOLive
from pstmo_core.model.stmo import STMO, PoseHead
from pstmo_core.skeleton import JOINTS, mirror_order

_SEED = 90
_WINDOWS = (
    # As training draws them: detectors' errors and joints, all cameras, nothing repeated.
    SamplerConfig(
        extreme_cameras=0.3,
        definitions=0.7,
        derived_share=0.7,
        errors=DetectorErrors(),
        edge_share=0.0,
    ),
    # As easy as they come: people as captured, before usual cameras, without errors.
    SamplerConfig(
        errors=DetectorErrors(clean_share=1.0, legs_hidden=0.0),
        proportions=0.0,
        join_share=0.0,
        derived_share=0.0,
        edge_share=0.0,
    ),
)
#: Powers that are tried.
_POWERS = np.arange(0.7, 1.61, 0.05)


@dataclass(frozen=True, eq=False)
class SigmaCorrection:
    """What sigma becomes: `factor * sigma ** power`, for each of the 17 joints."""

    factor: np.ndarray
    power: np.ndarray


class CalibrationError(PstmoError):
    """A network that has nothing to calibrate."""


def calibrate(
    network: STMO | STMOLive, motion: Mocap, windows: int = 4000, share: float = 0.9
) -> dict[str, SigmaCorrection]:
    """Change a network's sigma until a share of its joints are within 2.5 sigma.

    Args:
        network: in evaluation mode; its heads are changed. A streaming network has one head, which
            the newest poses calibrate.
        motion: of people that it was not trained on.
        windows: how many windows are drawn, half of them easy.
        share: of the joints.

    Returns:
        What was done to sigma, by the head whose it is.

    Raises:
        CalibrationError: if the network gives no sigma.
    """
    if isinstance(network, STMOLive):
        model = ModelConfig(encoding=network.config.encoding, sigma=True)
    else:
        model = network.config
    if not model.sigma:
        raise CalibrationError("this network gives no sigma: train one with model.sigma=true")
    clips = Clips.of(motion, probability=target_probability(motion, BalanceConfig()))
    generator = torch.Generator().manual_seed(_SEED)
    frames, poses = [], []
    for kind in _WINDOWS:
        batch = Sampler(clips, model, kind, generator).draw(windows // len(_WINDOWS))
        frames.append(batch.frames)
        poses.append(batch.poses)
    shown, truth = torch.cat(frames), torch.cat(poses)
    if isinstance(network, STMOLive):
        newest = infer_live(network, shown, model.step)[:, 0]
        pairs = {"head": (network.head, newest, truth[:, -1])}
    else:
        all_frames, target = infer(network, shown)
        pairs = {
            "all_frames": (network.head_all, all_frames[:, -1], truth[:, -1]),
            "target": (network.head_target, target, truth[:, model.target]),
        }
    corrections = {}
    for name, (head, lifted, aimed_at) in pairs.items():
        corrections[name] = fit(lifted.numpy(), aimed_at.numpy(), share)
        _apply(head, corrections[name])
    return corrections


def fit(lifted: np.ndarray, truth: np.ndarray, share: float) -> SigmaCorrection:
    """Return what makes sigma right.

    Args:
        lifted: (N, 17, 4) metres and log sigma.
        truth: (N, 17, 3) metres; the root is 0 by definition, its sigma stays as it is.
        share: of the joints that is to be within 2.5 sigma.
    """
    distance = np.linalg.norm(lifted[..., :3] - truth, axis=-1)
    log_distance = np.log(np.maximum(distance, 1e-6) / INTERVAL)
    log_sigma = lifted[..., 3]
    factor, power = np.ones(JOINTS), np.ones(JOINTS)
    for joint, other in enumerate(mirror_order()):
        if joint:
            both = [joint, other]
            factor[joint], power[joint] = _quantile_line(
                log_sigma[:, both].ravel(), log_distance[:, both].ravel(), share
            )
    return SigmaCorrection(factor, power)


def _quantile_line(x: np.ndarray, y: np.ndarray, share: float) -> tuple[float, float]:
    """Return exp(b) and a of the line a x + b that has a share of the points (x, y) below it."""
    best = (np.inf, 1.0, 1.0)
    for power in _POWERS:
        rest = y - power * x
        offset = np.quantile(rest, share)
        rest -= offset
        loss = float(np.where(rest > 0, share * rest, (share - 1) * rest).mean())
        best = min(best, (loss, float(np.exp(offset)), float(power)))
    return best[1:]


@torch.no_grad()
def _apply(head: PoseHead, correction: SigmaCorrection) -> None:
    power = torch.as_tensor(correction.power, dtype=head.linear.bias.dtype)
    offset = torch.as_tensor(np.log(correction.factor), dtype=head.linear.bias.dtype)
    weight = head.linear.weight.view(JOINTS, head.outputs, -1)
    bias = head.linear.bias.view(JOINTS, head.outputs)
    weight[:, 3] *= power[:, None]
    bias[:, 3] = bias[:, 3] * power + offset
