"""Accuracy of a network on a split of the motion capture, by class, action, posture or person.

The protocol, the same for every network: windows whose targets are spread evenly over the split,
each seen by a virtual camera of its own from `CameraRange`'s defaults, all from one fixed seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.data.motion.motion_files import MotionFiles
from pstmo_core.data.motion.sampler import encode
from pstmo_core.errors import ConfigError
from pstmo_core.evaluation import metrics
from pstmo_core.evaluation.both_ways import lift_both_ways
from pstmo_core.evaluation.virtual_windows import (
    InputCondition,
    VirtualWindows,
    draw_windows,
    grouped,
)
from pstmo_core.model.config import INTERVAL, ModelConfig
from pstmo_core.model.live.network import STMOLive
from pstmo_core.model.stmo import STMO
from pstmo_core.model.trained_on import H36M17, TrainedOn
from pstmo_core.skeleton import JOINT_NAMES


@dataclass(frozen=True)
class Scores:
    """Errors in millimetres over a set of windows."""

    windows: int
    mpjpe: float
    n_mpjpe: float
    p_mpjpe: float
    knees: float
    """Mean error of the knees' angles, degrees."""
    covered: float | None = None
    """Share of joints nearer to the truth than 2.5 sigma, 0.9 if sigma is true; None without."""

    @classmethod
    def of(cls, predicted: np.ndarray, truth: np.ndarray) -> Scores:
        """Measure poses (N, 17, C) in metres, C as `STMO` says, against (N, 17, 3)."""
        measures = (metrics.mpjpe, metrics.n_mpjpe, metrics.p_mpjpe)
        poses = predicted[..., :3]
        mpjpe, n_mpjpe, p_mpjpe = (float(m(poses, truth).mean() * 1e3) for m in measures)
        knees = float(np.abs(knee_angles(poses) - knee_angles(truth)).mean())
        return cls(len(truth), mpjpe, n_mpjpe, p_mpjpe, knees, coverage(predicted, truth))


def knee_angles(poses: np.ndarray) -> np.ndarray:
    """Return the angles (N, 2) of right and left knee in degrees, 180 where the leg is straight."""
    hip, knee, ankle = (
        poses[:, [JOINT_NAMES.index(side + name) for side in "rl"]]
        for name in ("hip", "knee", "ankle")
    )
    thigh, shin = hip - knee, ankle - knee
    lengths = np.linalg.norm(thigh, axis=-1) * np.linalg.norm(shin, axis=-1)
    cosine = (thigh * shin).sum(-1) / np.maximum(lengths, 1e-9)
    angles: np.ndarray = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return angles


def coverage(predicted: np.ndarray, truth: np.ndarray) -> float | None:
    """Return the share of joints within 2.5 sigma; the root, which is 0 by definition, is none."""
    if predicted.shape[-1] == 3:
        return None
    distance = np.linalg.norm(predicted[:, 1:, :3] - truth[:, 1:], axis=-1)
    return float((distance <= INTERVAL * np.exp(predicted[:, 1:, 3])).mean())


@dataclass(frozen=True)
class EncodedWindows:
    """Windows as a network sees them, and the poses that it should give."""

    frames: Tensor
    """(N, F, rows, channels), encoded."""
    truth: np.ndarray
    """(N, F, 17, 3) metres relative to the root, in the frames that the encoding means."""


class WindowEvaluation:
    """Windows, encoded once, in named sets, on which networks are measured."""

    joints = TrainedOn()
    """Their joint orders, where networks of others could be measured by mistake."""

    def __init__(
        self, sets: dict[str, EncodedWindows], model: ModelConfig, flip: bool = False
    ) -> None:
        self.sets = sets
        self.model = model
        self.flip = flip

    def measure(self, network: STMO | STMOLive, look_ahead: int | None = None) -> dict[str, Scores]:
        """Measure a network in evaluation mode, one entry a set.

        Args:
            network: the network.
            look_ahead: frames between the pose that is judged and the window's newest; None
                judges MOFA's pose of the centre frame, anything else the all-frames head. A
                streaming network judges by the moment that is nearest.

        Raises:
            ConfigError: if the windows have no frame with this look-ahead, or other joints than the
                network was trained on.
        """
        return {name: scores[0] for name, scores in self._measure(network, [look_ahead]).items()}

    def measure_all(
        self, network: STMO | STMOLive, look_aheads: Sequence[int]
    ) -> dict[str, list[Scores]]:
        """Measure a network in one pass: for each set MOFA's pose, then each look-ahead's."""
        return self._measure(network, [None, *look_aheads])

    def _measure(
        self, network: STMO | STMOLive, look_aheads: Sequence[int | None]
    ) -> dict[str, list[Scores]]:
        network.trained_on.require(self.joints)
        for look_ahead in look_aheads:
            if look_ahead is not None and not 0 <= look_ahead < self.model.frames:
                raise ConfigError(
                    f"look_ahead is {look_ahead}, but the windows have {self.model.frames} frames: "
                    f"choose 0 to {self.model.frames - 1}"
                )
        lift = self._lift_live if isinstance(network, STMOLive) else self._lift
        return {
            name: [Scores.of(*pair) for pair in lift(network, part, look_aheads)]  # type: ignore[arg-type]
            for name, part in self.sets.items()
        }

    def _lift(
        self, network: STMO, part: EncodedWindows, look_aheads: Sequence[int | None]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Poses (N, 17, C) of a set's windows and the truth (N, 17, 3), for each look-ahead."""
        all_frames, target = self._answers(part, lambda frames: infer(network, frames))
        for look_ahead in look_aheads:
            if look_ahead is None:
                yield target, part.truth[:, self.model.target]
            else:
                index = self.model.frames - 1 - look_ahead
                yield all_frames[:, index], part.truth[:, index]

    def _lift_live(
        self, network: STMOLive, part: EncodedWindows, look_aheads: Sequence[int | None]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """As `_lift`, with the window as all that a stream has shown."""
        newest = self.model.frames - 1
        (poses,) = self._answers(
            part, lambda frames: (infer_live(network, frames, self.model.step),)
        )
        for look_ahead in look_aheads:
            frames = newest - self.model.target if look_ahead is None else look_ahead
            head = network.config.head(frames * self.model.step * 1e3)
            yield poses[:, head], part.truth[:, newest - frames]

    def _answers(
        self, part: EncodedWindows, lift: Callable[[Tensor], tuple[Tensor, ...]]
    ) -> list[np.ndarray]:
        """What a network gives for windows; averaged over mirror images with `flip`."""
        if self.flip:
            return lift_both_ways(lift, part.frames, self.model.encoding)
        return [values.cpu().numpy() for values in lift(part.frames)]

    def summary(self, network: STMO | STMOLive) -> dict[str, float]:
        """Return MPJPE (mm) by set and head, and their mean as `score`, for choosing."""
        centre, newest = self.measure(network), self.measure(network, look_ahead=0)
        record = {f"centre_{name}": scores.mpjpe for name, scores in centre.items()}
        record |= {f"newest_{name}": scores.mpjpe for name, scores in newest.items()}
        record["score"] = float(np.mean(list(record.values())))
        return {name: round(value, 2) for name, value in record.items()}


class Evaluation(WindowEvaluation):
    """The windows of one split of the motion capture, a set for each group of a kind."""

    joints = H36M17

    def __init__(
        self,
        mocap: Path | str | Mocap,
        split: str,
        model: ModelConfig,
        device: torch.device,
        *,
        windows: int = 1000,
        condition: InputCondition | None = None,
        by: str = "class",
        flip: bool = False,
    ) -> None:
        """Draw the windows.

        Args:
            mocap: the motion-capture file, or motion that is loaded already.
            split: which split of the file.
            model: the network's configuration.
            device: where the windows are to lie.
            windows: how many a set has.
            condition: what the input is; None: clean keypoints, cameras as usual.
            by: one of `virtual_windows.GROUPS`.
            flip: average the poses of windows and of their mirror images.

        Raises:
            MocapError: if the file cannot be used, or has no clip of the split.
        """
        if isinstance(mocap, Mocap):
            clips = mocap
        else:
            files = MotionFiles([mocap])
            clips = files.of_split(split)
            files.require(clips, split, "to measure on")
        condition = condition or InputCondition()
        sets = {}
        for name, part in grouped(clips, by).items():
            drawn = draw_windows(part, windows, model.frames, model.step, condition)
            shown = _encoded(drawn, condition, model.encoding)
            sets[name] = dataclasses.replace(shown, frames=shown.frames.to(device))
        super().__init__(sets, model, flip)


def _encoded(windows: VirtualWindows, condition: InputCondition, encoding: str) -> EncodedWindows:
    told = torch.full((len(windows.rays),), condition.camera_known)
    up = windows.cameras.up * float(condition.gravity_known)
    frames, truth = encode(
        windows.rays, windows.seen, windows.poses, windows.cameras, told, up, encoding
    )
    return EncodedWindows(frames, truth.numpy())


@torch.inference_mode()
def infer(network: STMO, frames: Tensor, batch: int = 250) -> tuple[Tensor, Tensor]:
    """Return what a network in evaluation mode gives for windows, a few at a time."""
    parts = [network(part) for part in frames.split(batch)]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


@torch.inference_mode()
def infer_live(network: STMOLive, frames: Tensor, step: float, batch: int = 250) -> Tensor:
    """Return the poses (N, H, 17, 4) that a streaming network gives for the newest frames.

    Args:
        network: in evaluation mode.
        frames: (N, F, rows, channels), sequences of which nothing was seen before.
        step: seconds between their frames.
        batch: sequences at a time.
    """
    parts = []
    for shown in frames.split(batch):
        dt = torch.full(shown.shape[:2], step, device=shown.device)
        parts.append(network.newest(shown, dt))
    return torch.cat(parts)
