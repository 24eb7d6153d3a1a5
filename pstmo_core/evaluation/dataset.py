"""Accuracy of a network on whole sequences of a data set, frame by frame (paper, section 4).

Every valid frame is a target once. The root joint of a prediction counts as 0, which it is by
definition (and as in the authors' code).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pstmo_core.data.sequences.pose_dataset import DatasetError, PoseDataset
from pstmo_core.data.sequences.windows import SequenceWindows, Windows, turns_of
from pstmo_core.errors import ConfigError
from pstmo_core.evaluation import metrics
from pstmo_core.evaluation.mocap_windows import EncodedWindows, WindowEvaluation
from pstmo_core.evaluation.refining import check_refinable, on_rays
from pstmo_core.evaluation.robustness import Corruption, Shuffle, corrupt
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.refine import Refine
from pstmo_core.settings import check_settings, setting

#: What a metric of `metrics.frame_metrics` is multiplied by in a report: to mm, or to percent.
_UNITS = {
    "mpjpe": 1e3, "p_mpjpe": 1e3, "n_mpjpe": 1e3, "mpjve": 1e3, "acceleration": 1e3,
    "pck": 100.0, "auc": 100.0,
}  # fmt: skip
#: Groups in a report, and the label of a sequence that makes them.
_GROUPS = {"action": "action", "subject": "subject", "camera": "camera", "sequence": "name"}


class Lifter(Protocol):
    """What is evaluated: an STMO network, or what takes its place."""

    config: ModelConfig

    def __call__(self, frames: Tensor, /) -> tuple[Tensor, Tensor]:
        """See `STMO.forward`."""
        ...


@dataclass(frozen=True)
class EvaluationProtocol:
    """How a network is asked for the pose of a frame.

    Raises:
        ConfigError: if a value cannot be used.
    """

    tds: int = setting(
        0,
        "Temporal downsampling s: frames between neighbours in a window. 0: as the network asks.",
        low=0,
    )
    flip: bool = True
    """Average the poses of a window and of its mirror image (flip at test time)."""
    look_ahead: int | None = setting(
        None,
        "Frames of the window after the frame that is lifted, by the all-frames head; 0 is live "
        "use. Without it the centre frame is lifted, by MOFA.",
        low=0,
    )
    corruption: Corruption = field(default_factory=Corruption)
    """What spoils the keypoints."""
    batch: int = setting(256, "Windows at once; twice as many with `flip`.", low=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def target_index(self, model: ModelConfig) -> int:
        """Return where in the window the lifted frame is.

        Raises:
            ConfigError: if the window has no such frame.
        """
        if self.look_ahead is None:
            return model.target
        if self.look_ahead >= model.frames:
            raise ConfigError(
                f"look_ahead is {self.look_ahead}, but the network's window has {model.frames} "
                "frames: choose fewer"
            )
        return model.frames - 1 - self.look_ahead


@torch.inference_mode()
def lift(
    network: Lifter,
    data: SequenceWindows,
    protocol: EvaluationProtocol,
    refine: Refine | None = None,
    progress: Callable[[int], object] = lambda frames: None,
) -> np.ndarray:
    """Lift every valid frame of a data set.

    Args:
        network: in evaluation mode, on the device of the data.
        data: the sequences.
        protocol: how the network is asked; its `tds` must be given here.
        refine: the module that refines the poses, in evaluation mode.
        progress: called with the number of frames after each batch.

    Returns:
        (T, J, 3) metres relative to the root joint, of the frames of `data.targets()`.

    Raises:
        ConfigError: if the window has no frame with this look-ahead.
        DatasetError: if the network's encoding or the refine module does not suit the data, or no
            frame is valid.
    """
    if protocol.tds < 1:
        raise ConfigError("tds is not given: name the frames between neighbours in a window")
    if not data.valid.any():
        raise DatasetError("no frame of the data is valid: there is nothing to measure")
    data.check_encoding(network.config.encoding)
    if refine is not None:
        check_refinable(data)
    spoiled = corrupt(data, protocol.corruption)
    shuffle = Shuffle(protocol.corruption) if protocol.corruption.shuffle else None
    index = protocol.target_index(network.config)
    parts = []
    for rows in data.targets().split(protocol.batch):
        windows = spoiled.cut(rows, protocol.tds, network.config.frames, index)
        shown = windows if shuffle is None else shuffle(windows)
        poses = _zero_root(_infer(network, spoiled, shown, protocol), data)
        if refine is not None:
            poses = _zero_root(refine(poses, on_rays(poses, windows, index)), data)
        parts.append(poses.cpu().numpy())
        progress(len(rows))
    return np.concatenate(parts)


def _infer(
    network: Lifter, data: SequenceWindows, windows: Windows, protocol: EvaluationProtocol
) -> Tensor:
    """Return the poses (B, J, 3); plain and mirrored windows go through the network together."""
    name, index = network.config.encoding, protocol.target_index(network.config)
    frames = data.encode(windows, name)
    if protocol.flip:
        frames = torch.cat([frames, data.encode(data.flip(windows), name)])
    all_frames, target = network(frames)
    poses = (target if protocol.look_ahead is None else all_frames[:, index])[..., :3]
    turns = turns_of(frames[:, index], name)
    if turns is not None:
        poses = poses @ turns
    if protocol.flip:
        plain, mirrored = poses.chunk(2)
        poses = (plain + data.flip_poses(mirrored)) / 2
    return poses


def _zero_root(poses: Tensor, data: SequenceWindows) -> Tensor:
    assert data.pose_order is not None and data.pose_order.root is not None
    poses = poses.clone()
    poses[:, data.pose_order.root] = 0
    return poses


def evaluate_dataset(
    network: Lifter,
    dataset: PoseDataset,
    protocol: EvaluationProtocol,
    refine: Refine | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[int], object] = lambda frames: None,
) -> dict[str, Any]:
    """Measure a network on a data set; arguments and errors as of `lift`.

    Returns:
        A tree of plain values: `protocol`, the `frames` that counted, `mean` with the means over
        all `frames` and over `actions` (each action counting alike), a mean for each `action`,
        `subject`, `camera` and `sequence`, and the error of each `joint`. MPJPE, P-MPJPE, N-MPJPE
        in mm, MPJVE in mm a frame, acceleration in mm a frame squared, PCK and AUC in percent.
        None where there is no such frame.
    """
    if dataset.pose_order is None:
        raise DatasetError(f"{dataset.name} has no 3D poses to measure against")
    if protocol.tds == 0:
        tds = own_tds(dataset, network.config.step)
        protocol = dataclasses.replace(protocol, tds=tds)
    data = SequenceWindows.of(dataset, device)
    lifted = lift(network, data, protocol, refine, progress)
    truth = np.concatenate([s.poses for s in dataset if s.poses is not None])
    predicted = np.full(truth.shape, np.nan, np.float32)
    predicted[data.targets().cpu().numpy()] = lifted
    frames = _frame_metrics(predicted, truth, dataset)
    errors = metrics.joint_means(predicted, truth) * 1e3
    return {
        "dataset": dataset.name,
        "sequences": len(dataset),
        "frames": len(lifted),
        "protocol": dataclasses.asdict(protocol) | {"refine": refine is not None},
        "mean": _means(frames, dataset),
        **{group: _grouped(frames, dataset.labels(label)) for group, label in _GROUPS.items()},
        "joint": dict(zip(dataset.pose_order.joint_names, map(_plain, errors), strict=True)),
    }


def own_tds(data: PoseDataset, step: float) -> int:
    """Return the downsampling at which neighbours in a window are `step` seconds apart.

    It is 1 where the data set does not know its frame rates (the test split of MPI-INF-3DHP).

    Raises:
        ConfigError: if there is no such whole number for all sequences.
    """
    rates = sorted({sequence.fps for sequence in data if sequence.fps is not None})
    if not rates:
        return 1
    tds = round(rates[0] * step)
    if len(rates) > 1 or tds < 1 or abs(rates[0] * step - tds) > 0.05:
        raise ConfigError(
            f"{data.name} has {' and '.join(f'{rate:g}' for rate in rates)} frames/s, which no "
            f"whole number turns into the network's step of {step:g} s: give tds"
        )
    return tds


def _frame_metrics(
    predicted: np.ndarray, truth: np.ndarray, dataset: PoseDataset
) -> dict[str, list[np.ndarray]]:
    """Return each metric's values, an array a sequence, in the units of a report."""
    assert dataset.pose_order is not None
    ends = np.cumsum([len(sequence) for sequence in dataset])[:-1]
    measured = [
        metrics.frame_metrics(one, other, sequence.valid, dataset.pose_order.pck_joints)
        for one, other, sequence in zip(
            np.split(predicted, ends), np.split(truth, ends), dataset, strict=True
        )
    ]
    return {name: [m[name] * unit for m in measured] for name, unit in _UNITS.items()}


def _means(frames: dict[str, list[np.ndarray]], dataset: PoseDataset) -> dict[str, Any]:
    groups = {n: metrics.group_means(v, dataset.labels("action")) for n, v in frames.items()}
    return {
        "actions": {name: _plain(group.over_groups) for name, group in groups.items()},
        "frames": {name: _plain(group.over_frames) for name, group in groups.items()},
    }


def _grouped(frames: dict[str, list[np.ndarray]], labels: tuple[str, ...]) -> dict[str, Any]:
    groups = {name: metrics.group_means(values, labels) for name, values in frames.items()}
    counts = dict(zip(groups["mpjpe"].labels, groups["mpjpe"].counts.tolist(), strict=True))
    return {
        label: {name: _plain(group.as_dict()[label]) for name, group in groups.items()}
        | {"frames": count}
        for label, count in counts.items()
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def validation_windows(
    data: SequenceWindows, name: str, model: ModelConfig, tds: int, count: int
) -> WindowEvaluation:
    """Return at most `count` windows of a data set, evenly spread, to judge a run in training."""
    windows = data.cut(spread(data.targets(), count), tds, model.frames)
    frames = data.encode(windows, model.encoding)
    poses = data.truth(windows, frames, model.encoding)
    return WindowEvaluation({name: EncodedWindows(frames, poses.cpu().numpy())}, model)


def spread(rows: Tensor, count: int) -> Tensor:
    """Return at most `count` of these rows, evenly spread."""
    if len(rows) <= count:
        return rows
    index = torch.arange(count, device=rows.device) * (len(rows) - 1) // max(1, count - 1)
    return rows[index]
