"""The stage that a run configuration names."""

from __future__ import annotations

import dataclasses

import torch

from pstmo_core.data.motion.motion_files import MotionFiles
from pstmo_core.evaluation.dataset import validation_windows
from pstmo_core.evaluation.mocap_windows import Evaluation, WindowEvaluation
from pstmo_core.model.config import ModelConfig
from pstmo_core.training.config import RunConfig
from pstmo_core.training.dataset_source import validation_sequences
from pstmo_core.training.lifting_stage import Lifting
from pstmo_core.training.live_stage import Live
from pstmo_core.training.masked_stage import MaskedPoseModelling
from pstmo_core.training.refine_stage import Refining
from pstmo_core.training.stage import Stage


def make_stage(config: RunConfig, device: torch.device, motion: MotionFiles) -> Stage:
    """Return the stage that a run configuration names.

    Args:
        config: the run's.
        device: where its validation windows are to lie.
        motion: its motion-capture files.

    Raises:
        PstmoError: if its settings do not fit the data.
    """
    if config.stage == "refine":
        return Refining(config, validation_sequences(config, device, motion), device)
    if config.stage == "live":
        # Windows of 27 frames, as every network is measured on.
        windows = ModelConfig(encoding=config.live.encoding)
        judged = dataclasses.replace(config, model=windows)
        return Live(config, _validation(judged, device, motion))
    kind = MaskedPoseModelling if config.stage == "pretrain" else Lifting
    return kind(config, _validation(config, device, motion))


def _validation(config: RunConfig, device: torch.device, motion: MotionFiles) -> WindowEvaluation:
    count = config.validation_windows
    if config.dataset.kind:
        data, name = validation_sequences(config, device, motion), config.dataset.kind
        return validation_windows(data, name, config.model, config.dataset.tds, count)
    clips = motion.of_split("val")
    motion.require(clips, "val", "on which training is judged")
    return Evaluation(clips, "val", config.model, device, windows=count)
