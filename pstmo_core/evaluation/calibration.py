"""Sigma made honest: on people and keypoints that training has not seen, 90 % within 2.5 sigma.

A network trained by likelihood knows which joints are worse than others, and is too sure of all of
them, or not sure enough. One factor a joint and head mends that; it is added to the heads' biases,
so that a calibrated network is used like any other.
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
from pstmo_core.evaluation.mocap_windows import infer
from pstmo_core.model.config import INTERVAL
from pstmo_core.model.stmo import STMO, PoseHead
from pstmo_core.skeleton import JOINTS

_SEED = 90
#: Windows as training draws them: detectors' errors and joints, all cameras, nothing repeated.
_WINDOWS = SamplerConfig(
    extreme_cameras=0.3, definitions=0.7, derived_share=0.7, errors=DetectorErrors(), edge_share=0.0
)


class CalibrationError(PstmoError):
    """A network that has nothing to calibrate."""


def calibrate(
    network: STMO, motion: Mocap, windows: int = 4000, share: float = 0.9
) -> dict[str, list[float]]:
    """Change a network's biases until a share of its joints are within 2.5 sigma.

    Args:
        network: in evaluation mode; its heads are changed.
        motion: of people that it was not trained on.
        windows: how many windows are drawn.
        share: of the joints.

    Returns:
        The factors (17,) of sigma by the head that they are of.

    Raises:
        CalibrationError: if the network gives no sigma.
    """
    if not network.config.sigma:
        raise CalibrationError("this network gives no sigma: train one with model.sigma=true")
    probability = target_probability(motion, BalanceConfig())
    clips = Clips.of(motion, probability=probability)
    generator = torch.Generator().manual_seed(_SEED)
    batch = Sampler(clips, network.config, _WINDOWS, generator).draw(windows)
    all_frames, target = infer(network, batch.frames)
    heads = {"all_frames": network.head_all, "target": network.head_target}
    truth = {"all_frames": batch.poses[:, -1], "target": batch.poses[:, network.config.target]}
    lifted = {"all_frames": all_frames[:, -1], "target": target}
    factors = {}
    for name, head in heads.items():
        factors[name] = _factors(lifted[name].numpy(), truth[name].numpy(), share)
        _scale_sigma(head, factors[name])
    return {name: [round(float(f), 4) for f in values] for name, values in factors.items()}


def _factors(lifted: np.ndarray, truth: np.ndarray, share: float) -> np.ndarray:
    """(17,) by which sigma must grow: of the root, which is 0 by definition, 1."""
    distance = np.linalg.norm(lifted[..., :3] - truth, axis=-1) / np.exp(lifted[..., 3])
    factors: np.ndarray = np.quantile(distance, share, axis=0) / INTERVAL
    factors[0] = 1.0
    return factors


@torch.no_grad()
def _scale_sigma(head: PoseHead, factors: np.ndarray) -> None:
    bias = head.linear.bias.view(JOINTS, head.outputs)
    bias[:, 3] += torch.as_tensor(np.log(factors), dtype=bias.dtype)
