"""The two stages of the paper as the training loop sees them: a network, a loss, a judgement."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pstmo_core.checkpoints import load_encoder, load_masked
from pstmo_core.data.sampler import Batch
from pstmo_core.evaluation import Evaluation
from pstmo_core.masking import Masks
from pstmo_core.model.masked import MaskedConfig, MaskedSTMO, reconstruction_target
from pstmo_core.model.stmo import STMO
from pstmo_core.training.config import RunConfig
from pstmo_core.training.losses import lifting_loss, reconstruction_loss

_VALIDATION_SEED = 7


class Stage(Protocol):
    """What differs between stage I and stage II."""

    unit: str
    """Unit of the loss that is shown, and `scale` to get there."""
    scale: float

    def build(self) -> STMO | MaskedSTMO:
        """Make the network with the weights that training starts from."""
        ...

    def loss(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
        """Return the loss of a batch."""
        ...

    def judge(self, model: nn.Module) -> dict[str, float]:
        """Measure a network in evaluation mode on the validation split; `score` is to be low."""
        ...


class Lifting:
    """Stage II: lift to 3D, from scratch or from a stage-I encoder (paper, section 3.3)."""

    unit, scale = "mm", 1e3

    def __init__(self, config: RunConfig, validation: Evaluation) -> None:
        self._config = config
        self._validation = validation

    def build(self) -> STMO:
        """See `Stage.build`."""
        model = STMO(self._config.model)
        if self._config.encoder:
            load_encoder(model, load_masked(self._config.encoder))
        return model

    def loss(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
        """See `Stage.loss`; the losses of section 3.4.2, metres."""
        all_frames, target = model(batch.frames)
        weight = self._config.optimiser.multi_frame_weight
        return lifting_loss(all_frames.float(), target.float(), batch.poses, weight)

    def judge(self, model: nn.Module) -> dict[str, float]:
        """See `Stage.judge`; MPJPE in mm."""
        assert isinstance(model, STMO)
        return self._validation.summary(model)


class MaskedPoseModelling:
    """Stage I: restore hidden 2D poses (paper, section 3.2)."""

    unit, scale = "of the person's size", 1.0

    def __init__(self, config: RunConfig, validation: Evaluation) -> None:
        self._config = config
        self._validation = validation

    def build(self) -> MaskedSTMO:
        """See `Stage.build`; the decoder is half as wide and a layer less deep than TEM."""
        model = self._config.model
        return MaskedSTMO(
            MaskedConfig(
                **dataclasses.asdict(model),
                decoder_layers=max(1, model.layers - 1),
                decoder_width=model.width // 2,
                decoder_feedforward=model.feedforward // 2,
            )
        )

    def loss(self, model: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
        """See `Stage.loss`; section 3.4.1, in the units of the encoding."""
        return self._restore(model, batch.frames, self._draw(batch.frames, generator))

    @torch.inference_mode()
    def judge(self, model: nn.Module) -> dict[str, float]:
        """See `Stage.judge`; the loss on clean windows, by quality class."""
        record = {}
        for quality, windows in self._validation.sets.items():
            generator = torch.Generator(windows.frames.device).manual_seed(_VALIDATION_SEED)
            masks = self._draw(windows.frames, generator)
            loss = self._restore(model, windows.frames, masks)
            record[f"restored_{quality}"] = round(float(loss), 4)
        return {**record, "score": round(float(np.mean(list(record.values()))), 4)}

    def _draw(self, frames: Tensor, generator: torch.Generator) -> Masks:
        batch, length = frames.shape[:2]
        return self._config.masking.draw(batch, length, generator)

    def _restore(self, model: nn.Module, frames: Tensor, masks: Masks) -> Tensor:
        truth, seen = reconstruction_target(frames, self._config.model.encoding)
        return reconstruction_loss(model(frames, *masks).float(), truth, seen)


def make_stage(config: RunConfig, device: torch.device) -> Stage:
    """Return the stage that a run configuration names."""
    validation = Evaluation(
        config.mocap, "val", config.model, device, windows=config.validation_windows
    )
    kind = MaskedPoseModelling if config.stage == "pretrain" else Lifting
    return kind(config, validation)
