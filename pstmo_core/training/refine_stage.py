"""Training of the refine module on a lifting network's poses (paper, Table 1, with an asterisk)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pstmo_core.data.motion.sampler import Batch
from pstmo_core.data.sequences.windows import SequenceWindows, Windows
from pstmo_core.encoding import get_encoding
from pstmo_core.errors import ConfigError
from pstmo_core.evaluation.dataset import spread
from pstmo_core.evaluation.refining import check_refinable, on_rays
from pstmo_core.model.checkpoints import load_weights
from pstmo_core.model.refine import Refine
from pstmo_core.skeleton import ROOT
from pstmo_core.training.dataset_source import DatasetBatch
from pstmo_core.training.losses import mpjpe_loss

if TYPE_CHECKING:
    from pstmo_core.training.config import RunConfig
    from pstmo_core.training.stage import MicroBatch

_BATCH = 256


class Refining:
    """Trains the refine module alone; the lifting network stays as it is.

    The authors go on training both together, through the refined pose alone. Here the lifting
    network is frozen, so that one weight file serves with and without the module.
    """

    unit, scale = "mm", 1e3

    def __init__(
        self, config: RunConfig, validation: SequenceWindows, device: torch.device
    ) -> None:
        """Load the lifting network.

        Raises:
            ConfigError: if the lifting network is another than `model` says.
            DatasetError: if the data set does not know cameras and roots.
        """
        check_refinable(validation)
        self._lifter = load_weights(config.lifter).to(device).requires_grad_(False)
        if self._lifter.config != config.model:
            raise ConfigError(
                f"model is {config.model}, but {config.lifter} holds {self._lifter.config}: "
                "configure the same"
            )
        if get_encoding(config.model.encoding).turned:
            raise ConfigError(
                "the refine module works in the camera's frame, and networks of the encoding "
                f"{config.model.encoding} do not: train a lifter of encoding person or screen"
            )
        rows = spread(validation.targets(), config.validation_windows)
        self._windows = validation.cut(rows, config.dataset.tds, config.model.frames)
        self._frames = validation.encode(self._windows, config.model.encoding)
        self._lifted = torch.cat([self._lift(part) for part in self._frames.split(_BATCH)])

    def build(self) -> Refine:
        """See `Stage.build`."""
        model = Refine()
        model.trained_on = self._lifter.trained_on
        return model

    def loss(self, model: nn.Module, batch: Batch, micro_batch: MicroBatch) -> Tensor:
        """See `Stage.loss`; MPJPE of the refined target frame, metres."""
        assert isinstance(batch, DatasetBatch) and batch.windows is not None
        lifted = self._lift(batch.frames)
        return mpjpe_loss(self._refine(model, lifted, batch.windows), self._truth(batch.poses))

    def weight(self, batch: Batch) -> Tensor:
        """See `Stage.weight`; the windows."""
        return batch.poses.new_tensor(len(batch.poses))

    @torch.inference_mode()
    def judge(self, model: nn.Module) -> dict[str, float]:
        """See `Stage.judge`; MPJPE in mm before and after, the latter as `score`."""
        assert self._windows.poses is not None
        truth = self._truth(self._windows.poses)
        refined = self._refine(model, self._lifted, self._windows)
        before, after = (mpjpe_loss(_rooted(p), truth) * 1e3 for p in (self._lifted, refined))
        return {"lifted": round(float(before), 2), "score": round(float(after), 2)}

    @torch.no_grad()
    def _lift(self, frames: Tensor) -> Tensor:
        return self._lifter(frames)[1].float()

    def _refine(self, model: nn.Module, lifted: Tensor, windows: Windows) -> Tensor:
        lifted = _rooted(lifted)
        projected = on_rays(lifted, windows, self._lifter.config.target)
        return _rooted(model(lifted, projected).float())

    def _truth(self, poses: Tensor) -> Tensor:
        return poses[:, self._lifter.config.target]


def _rooted(poses: Tensor) -> Tensor:
    """Put the root of poses (B, 17, 3) at 0, where it is by definition."""
    is_root = torch.arange(poses.shape[-2], device=poses.device) == ROOT
    return poses.masked_fill(is_root[:, None], 0.0)
