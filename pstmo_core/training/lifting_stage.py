"""Stage II as the training loop sees it: lifting, from scratch or after pre-training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pstmo_core.data.motion.sampler import Batch
from pstmo_core.evaluation.mocap_windows import WindowEvaluation
from pstmo_core.model.checkpoints import load_encoder, load_masked, load_weights
from pstmo_core.model.stmo import STMO
from pstmo_core.model.trained_on import TrainedOn
from pstmo_core.model.widening import widen
from pstmo_core.training.config import RunConfig
from pstmo_core.training.losses import lifting_loss
from pstmo_core.training.stage import MicroBatch


class Lifting:
    """Stage II: lift to 3D, from scratch or from a stage-I encoder (paper, section 3.3)."""

    unit, scale = "mm", 1e3

    def __init__(self, config: RunConfig, validation: WindowEvaluation) -> None:
        self._config = config
        self._validation = validation

    def build(self) -> STMO:
        """See `Stage.build`."""
        model = STMO(self._config.model)
        if self._config.initial:
            initial = load_weights(self._config.initial)
            widen(initial, model)
            model.trained_on = initial.trained_on
        if self._config.encoder:
            masked = load_masked(self._config.encoder)
            load_encoder(model, masked)
            model.trained_on = TrainedOn(masked.trained_on.keypoints)
        return model

    def loss(self, model: nn.Module, batch: Batch, micro_batch: MicroBatch) -> Tensor:
        """See `Stage.loss`; the losses of section 3.4.2, metres."""
        all_frames, target = model(batch.frames)
        weight = self._config.optimiser.multi_frame_weight
        return lifting_loss(
            all_frames.float(), target.float(), batch.poses, weight, self._config.loss, batch.twins
        )

    def weight(self, batch: Batch) -> Tensor:
        """See `Stage.weight`; windows."""
        return torch.tensor(float(len(batch.frames)), device=batch.frames.device)

    def judge(self, model: nn.Module) -> dict[str, float]:
        """See `Stage.judge`; MPJPE in mm."""
        assert isinstance(model, STMO)
        return self._validation.summary(model)
