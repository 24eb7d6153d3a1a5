"""Stage I as the training loop sees it: masked pose modelling."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor, nn

from pstmo_core.data.motion.sampler import Batch
from pstmo_core.evaluation.mocap_windows import WindowEvaluation
from pstmo_core.model.masked import MaskedConfig, MaskedSTMO, reconstruction_target
from pstmo_core.model.masking import Masks
from pstmo_core.training.config import RunConfig
from pstmo_core.training.losses import reconstruction_loss
from pstmo_core.training.seeds import Use, mixed_seed
from pstmo_core.training.stage import MicroBatch

_VALIDATION_SEED = 7


class MaskedPoseModelling:
    """Stage I: restore hidden 2D poses (paper, section 3.2)."""

    unit, scale = "of the person's size", 1.0

    def __init__(self, config: RunConfig, validation: WindowEvaluation) -> None:
        self._config = config
        self._validation = validation

    def build(self) -> MaskedSTMO:
        """See `Stage.build`; the decoder is half as wide and a layer less deep than TEM."""
        model = self._config.model
        return MaskedSTMO(
            MaskedConfig(
                **dataclasses.asdict(model),
                decoder_layers=self._config.decoder_layers or max(1, model.layers - 1),
                decoder_width=model.width // 2,
                decoder_feedforward=model.feedforward // 2,
            )
        )

    def loss(self, model: nn.Module, batch: Batch, micro_batch: MicroBatch) -> Tensor:
        """See `Stage.loss`; section 3.4.1, in the units of the encoding."""
        return self._restore(model, batch.frames, self._masks(micro_batch, batch.frames))

    def weight(self, batch: Batch) -> Tensor:
        """See `Stage.weight`; joints that were seen."""
        return reconstruction_target(batch.frames, self._config.model.encoding)[1].sum()

    @torch.inference_mode()
    def judge(self, model: nn.Module) -> dict[str, float]:
        """See `Stage.judge`; the loss on clean windows, by quality class."""
        record = {}
        for quality, windows in self._validation.sets.items():
            masks = self._draw(_VALIDATION_SEED, len(windows.frames), windows.frames)
            loss = self._restore(model, windows.frames, masks)
            record[f"restored_{quality}"] = round(float(loss), 4)
        return {**record, "score": round(float(np.mean(list(record.values()))), 4)}

    def _masks(self, micro_batch: MicroBatch, frames: Tensor) -> Masks:
        """Return the part of the masks of a step's whole batch that belongs to some of its frames.

        Masks of the form `per_batch` are the same in all parts.
        """
        seed = mixed_seed(self._config.seed, Use.MASKS, micro_batch.step)
        masks = self._draw(seed, micro_batch.count, frames)
        if self._config.masking.form == "per_batch":
            return masks
        return Masks(masks.temporal[micro_batch.part], masks.spatial[micro_batch.part])

    def _draw(self, seed: int, count: int, frames: Tensor) -> Masks:
        generator = torch.Generator(frames.device).manual_seed(seed)
        return self._config.masking.draw(count, frames.shape[1], generator)

    def _restore(self, model: nn.Module, frames: Tensor, masks: Masks) -> Tensor:
        truth, seen = reconstruction_target(frames, self._config.model.encoding)
        return reconstruction_loss(model(frames, *masks).float(), truth, seen)
