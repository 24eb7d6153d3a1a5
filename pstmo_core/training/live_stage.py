"""The streaming network as the training loop sees it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pstmo_core.data.motion.sampler import Batch
from pstmo_core.data.motion.streams import StreamBatch
from pstmo_core.evaluation.mocap_windows import WindowEvaluation
from pstmo_core.model.checkpoints import load_lifter
from pstmo_core.model.live.network import STMOLive
from pstmo_core.model.live.warm_start import go_on, warm_start
from pstmo_core.training.config import RunConfig
from pstmo_core.training.losses import live_loss
from pstmo_core.training.stage import MicroBatch


class Live:
    """Lifting people frame by frame, from scratch or from a window network's weights."""

    unit, scale = "mm", 1e3

    def __init__(self, config: RunConfig, validation: WindowEvaluation) -> None:
        self._config = config
        self._validation = validation

    def build(self) -> STMOLive:
        """See `Stage.build`."""
        model = STMOLive(self._config.live)
        if self._config.initial:
            start = load_lifter(self._config.initial)
            go_on(model, start) if isinstance(start, STMOLive) else warm_start(model, start)
            model.trained_on = start.trained_on
        return model

    def loss(self, model: nn.Module, batch: Batch, micro_batch: MicroBatch) -> Tensor:
        """See `Stage.loss`; metres."""
        assert isinstance(batch, StreamBatch)
        newest, others = model(batch.frames, batch.dt, batch.asked)
        return live_loss(newest.float(), others.float(), batch, self._config.loss)

    def weight(self, batch: Batch) -> Tensor:
        """See `Stage.weight`; sequences."""
        return torch.tensor(float(len(batch.frames)), device=batch.frames.device)

    def judge(self, model: nn.Module) -> dict[str, float]:
        """See `Stage.judge`; MPJPE in mm."""
        assert isinstance(model, STMOLive)
        return self._validation.summary(model)
