"""Calibrates sigma on people and keypoints unseen in training: 90 % within 2.5 sigma.

A network trained by likelihood knows which joints are worse than others, and is too sure of all of
them, or not sure enough. One factor a joint and head, equal for left and right, mends that. It is
added to the heads' biases, so that a calibrated network is used like any other. (A power of sigma,
fitted along with the factor, holds better on the people that it is fitted to and worse on others.)
"""

from __future__ import annotations

import numpy as np
import torch

from pstmo_core.data.motion.balance import BalanceConfig, target_probability
from pstmo_core.data.motion.detector_errors import DetectorErrors
from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.data.motion.sampler import Sampler, SamplerConfig
from pstmo_core.data.motion.windows import Clips
from pstmo_core.errors import PstmoError
from pstmo_core.evaluation.both_ways import lift_both_ways
from pstmo_core.evaluation.mocap_windows import infer, infer_live
from pstmo_core.model.config import INTERVAL, ModelConfig
from pstmo_core.model.live.network import STMOLive
from pstmo_core.model.stmo import STMO, PoseHead
from pstmo_core.model.trained_on import H36M17
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


class CalibrationError(PstmoError):
    """A network that has nothing to calibrate."""


def calibrate(
    network: STMO | STMOLive, motion: Mocap, windows: int = 4000, share: float = 0.9
) -> dict[str, np.ndarray]:
    """Change a network's biases until a share of its joints are within 2.5 sigma.

    Args:
        network: in evaluation mode; its heads are changed. A streaming network has one head, which
            the newest poses calibrate.
        motion: of people that it was not trained on.
        windows: how many windows are drawn, half of them easy.
        share: of the joints.

    Returns:
        The factors (17,) of sigma by the head that they are of.

    Raises:
        CalibrationError: if the network gives no sigma.
        ConfigError: if it was trained on other joints.
    """
    if isinstance(network, STMOLive):
        model = ModelConfig(encoding=network.config.encoding, sigma=True)
    else:
        model = network.config
    if not model.sigma:
        raise CalibrationError("this network gives no sigma: train one with model.sigma=true")
    network.trained_on.require(H36M17)
    clips = Clips.of(motion, probability=target_probability(motion, BalanceConfig()))
    generator = torch.Generator().manual_seed(_SEED)
    frames, poses = [], []
    for kind in _WINDOWS:
        batch = Sampler(clips, model, kind, generator).draw(windows // len(_WINDOWS))
        frames.append(batch.frames)
        poses.append(batch.poses)
    shown, truth = torch.cat(frames), torch.cat(poses)
    if isinstance(network, STMOLive):
        (moments,) = lift_both_ways(
            lambda part: (infer_live(network, part, model.step),), shown, model.encoding
        )
        pairs = {"head": (network.head, moments[:, 0], truth[:, -1])}
    else:
        all_frames, target = lift_both_ways(
            lambda part: infer(network, part), shown, model.encoding
        )
        pairs = {
            "all_frames": (network.head_all, all_frames[:, -1], truth[:, -1]),
            "target": (network.head_target, target, truth[:, model.target]),
        }
    factors = {}
    for name, (head, lifted, aimed_at) in pairs.items():
        factors[name] = fit(lifted, aimed_at.numpy(), share)
        _scale_sigma(head, factors[name])
    return factors


def fit(lifted: np.ndarray, truth: np.ndarray, share: float) -> np.ndarray:
    """Return the factors (17,) by which sigma must grow.

    Args:
        lifted: (N, 17, 4) metres and log sigma.
        truth: (N, 17, 3) metres; the root is 0 by definition, its sigma stays as it is.
        share: of the joints that is to be within 2.5 sigma.
    """
    distance = np.linalg.norm(lifted[..., :3] - truth, axis=-1) / np.exp(lifted[..., 3])
    both_sides = np.concatenate([distance, distance[:, mirror_order()]])
    factors: np.ndarray = np.quantile(both_sides, share, axis=0) / INTERVAL
    factors[0] = 1.0
    return factors


@torch.no_grad()
def _scale_sigma(head: PoseHead, factors: np.ndarray) -> None:
    bias = head.linear.bias.view(JOINTS, head.outputs)
    bias[:, 3] += torch.as_tensor(np.log(factors), dtype=bias.dtype)
