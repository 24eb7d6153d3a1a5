"""Accuracy of a network on a split of the motion capture, per quality class.

The protocol, the same for every network: windows whose targets are spread evenly over the split,
each seen by a virtual camera of its own from `CameraRange`'s defaults, all from one fixed seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pstmo_core.data.motion import detector_noise
from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.sampler import encode
from pstmo_core.data.motion.virtual_cameras import CameraRange, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.evaluation import metrics
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.stmo import STMO
from pstmo_core.skeleton import ROOT

_SEED = 20_260


@dataclass(frozen=True)
class Scores:
    """Errors in millimetres over a set of windows."""

    windows: int
    mpjpe: float
    n_mpjpe: float
    p_mpjpe: float

    @classmethod
    def of(cls, predicted: np.ndarray, truth: np.ndarray) -> Scores:
        """Measure poses (N, 17, 3) in metres."""
        measures = (metrics.mpjpe, metrics.n_mpjpe, metrics.p_mpjpe)
        return cls(len(truth), *(float(m(predicted, truth).mean() * 1e3) for m in measures))


@dataclass(frozen=True)
class EncodedWindows:
    """Windows as a network sees them, and the poses that it should give."""

    frames: Tensor
    """(N, F, rows, channels), encoded."""
    truth: np.ndarray
    """(N, F, 17, 3) metres relative to the root."""


class WindowEvaluation:
    """Windows, encoded once, in named sets, on which networks are measured."""

    def __init__(self, sets: dict[str, EncodedWindows], model: ModelConfig) -> None:
        self.sets = sets
        self.model = model

    def measure(self, network: STMO, look_ahead: int | None = None) -> dict[str, Scores]:
        """Measure a network in evaluation mode, one entry a set.

        Args:
            network: the network.
            look_ahead: frames between the pose that is judged and the window's newest; None
                judges MOFA's pose of the centre frame, anything else the all-frames head.
        """
        index = self.model.target if look_ahead is None else self.model.frames - 1 - look_ahead
        scores = {}
        for quality, part in self.sets.items():
            all_frames, target = _infer(network, part.frames)
            poses = target if look_ahead is None else all_frames[:, index]
            scores[quality] = Scores.of(poses.cpu().numpy(), part.truth[:, index])
        return scores

    def summary(self, network: STMO) -> dict[str, float]:
        """Return MPJPE (mm) by set and head, and their mean as `score`, for choosing."""
        centre, newest = self.measure(network), self.measure(network, look_ahead=0)
        record = {f"centre_{name}": scores.mpjpe for name, scores in centre.items()}
        record |= {f"newest_{name}": scores.mpjpe for name, scores in newest.items()}
        record["score"] = float(np.mean(list(record.values())))
        return {name: round(value, 2) for name, value in record.items()}


class Evaluation(WindowEvaluation):
    """The windows of one split of the motion capture, a set for each quality class."""

    def __init__(
        self,
        mocap: Path | str,
        split: str,
        model: ModelConfig,
        device: torch.device,
        *,
        windows: int = 1000,
        camera_known: bool = True,
        faults: DetectorNoise | None = None,
    ) -> None:
        clips = load_mocap(mocap, split)
        sets = {}
        for quality in sorted(set(clips.quality.tolist())):
            part = Clips.of(clips.select(clips.quality == quality))
            drawn = _draw(part, model, windows, camera_known, faults)
            sets[quality] = EncodedWindows(drawn[0].to(device), drawn[1].numpy())
        super().__init__(sets, model)


@torch.inference_mode()
def _infer(network: STMO, frames: Tensor, batch: int = 250) -> tuple[Tensor, Tensor]:
    parts = [network(part) for part in frames.split(batch)]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def _draw(
    clips: Clips, model: ModelConfig, count: int, known: bool, faults: DetectorNoise | None
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(_SEED)
    clip, target = clips.draw_targets(count, generator)
    world = clips.windows(clip, target, model.step * clips.fps, model.frames)
    cameras = draw_cameras(world, CameraRange(), generator)
    in_camera = cameras.to_camera(world)
    seen_rays, seen = rays(in_camera), torch.ones(in_camera.shape[:-1])
    if faults is not None:
        seen_rays, seen = detector_noise.apply(seen_rays, faults, generator)
    frames = encode(seen_rays, seen, cameras, torch.full((count,), known), model.encoding)
    return frames, in_camera - in_camera[:, :, ROOT : ROOT + 1]
