"""The stages of the paper as the training loop sees them: a network, a loss, a judgement."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pstmo_core.checkpoints import Network, load_encoder, load_masked
from pstmo_core.data.sampler import Batch
from pstmo_core.dataset_evaluation import validation_windows
from pstmo_core.evaluation import Evaluation, WindowEvaluation
from pstmo_core.masking import Masks
from pstmo_core.model.masked import MaskedConfig, MaskedSTMO, reconstruction_target
from pstmo_core.model.stmo import STMO
from pstmo_core.training.config import RunConfig
from pstmo_core.training.dataset_source import validation_sequences
from pstmo_core.training.losses import lifting_loss, reconstruction_loss
from pstmo_core.training.refine_stage import Refining
from pstmo_core.training.seeds import Use, mixed_seed

_VALIDATION_SEED = 7


@dataclass(frozen=True)
class Place:
    """Which windows of a run a (micro-)batch holds; what is random in its loss comes from here."""

    step: int
    count: int
    """Windows of the step's whole batch."""
    part: slice
    """Which of them these are."""


class Stage(Protocol):
    """What differs between stage I and stage II."""

    unit: str
    """Unit of the loss that is shown, and `scale` to get there."""
    scale: float

    def build(self) -> Network:
        """Make the network with the weights that training starts from."""
        ...

    def loss(self, model: nn.Module, batch: Batch, place: Place) -> Tensor:
        """Return the loss of a batch, a mean over what `weight` counts."""
        ...

    def weight(self, batch: Batch) -> Tensor:
        """Return the count that a batch's loss is a mean over, for the mean of several batches."""
        ...

    def judge(self, model: nn.Module) -> dict[str, float]:
        """Measure a network in evaluation mode on the validation split; `score` is to be low."""
        ...


class Lifting:
    """Stage II: lift to 3D, from scratch or from a stage-I encoder (paper, section 3.3)."""

    unit, scale = "mm", 1e3

    def __init__(self, config: RunConfig, validation: WindowEvaluation) -> None:
        self._config = config
        self._validation = validation

    def build(self) -> STMO:
        """See `Stage.build`."""
        model = STMO(self._config.model)
        if self._config.encoder:
            load_encoder(model, load_masked(self._config.encoder))
        return model

    def loss(self, model: nn.Module, batch: Batch, place: Place) -> Tensor:
        """See `Stage.loss`; the losses of section 3.4.2, metres."""
        all_frames, target = model(batch.frames)
        weight = self._config.optimiser.multi_frame_weight
        return lifting_loss(all_frames.float(), target.float(), batch.poses, weight)

    def weight(self, batch: Batch) -> Tensor:
        """See `Stage.weight`; windows."""
        return torch.tensor(float(len(batch.frames)), device=batch.frames.device)

    def judge(self, model: nn.Module) -> dict[str, float]:
        """See `Stage.judge`; MPJPE in mm."""
        assert isinstance(model, STMO)
        return self._validation.summary(model)


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

    def loss(self, model: nn.Module, batch: Batch, place: Place) -> Tensor:
        """See `Stage.loss`; section 3.4.1, in the units of the encoding."""
        return self._restore(model, batch.frames, self._masks(place, batch.frames))

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

    def _masks(self, place: Place, frames: Tensor) -> Masks:
        """Return the part of the masks of a step's whole batch that belongs to some of its frames.

        Masks of the form `per_batch` are the same in all parts.
        """
        seed = mixed_seed(self._config.seed, Use.MASKS, place.step)
        masks = self._draw(seed, place.count, frames)
        if self._config.masking.form == "per_batch":
            return masks
        return Masks(masks.temporal[place.part], masks.spatial[place.part])

    def _draw(self, seed: int, count: int, frames: Tensor) -> Masks:
        generator = torch.Generator(frames.device).manual_seed(seed)
        return self._config.masking.draw(count, frames.shape[1], generator)

    def _restore(self, model: nn.Module, frames: Tensor, masks: Masks) -> Tensor:
        truth, seen = reconstruction_target(frames, self._config.model.encoding)
        return reconstruction_loss(model(frames, *masks).float(), truth, seen)


def make_stage(config: RunConfig, device: torch.device) -> Stage:
    """Return the stage that a run configuration names."""
    if config.stage == "refine":
        return Refining(config, validation_sequences(config, device), device)
    kind = MaskedPoseModelling if config.stage == "pretrain" else Lifting
    return kind(config, _validation(config, device))


def _validation(config: RunConfig, device: torch.device) -> WindowEvaluation:
    count = config.validation_windows
    if config.dataset.kind:
        data, name = validation_sequences(config, device), config.dataset.kind
        return validation_windows(data, name, config.model, config.dataset.tds, count)
    return Evaluation(config.mocap, "val", config.model, device, windows=count)
