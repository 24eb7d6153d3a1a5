"""The interface between a stage of the paper and the training loop: network, loss, evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from pstmo_core.data.motion.sampler import Batch
from pstmo_core.model.checkpoints import Network


@dataclass(frozen=True)
class MicroBatch:
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
        """Make the network with the weights that training starts from.

        Its `trained_on` is what those were trained on.
        """
        ...

    def loss(self, model: nn.Module, batch: Batch, micro_batch: MicroBatch) -> Tensor:
        """Return the loss of a batch, a mean over what `weight` counts."""
        ...

    def weight(self, batch: Batch) -> Tensor:
        """Return the count that a batch's loss is a mean over, for the mean of several batches."""
        ...

    def judge(self, model: nn.Module) -> dict[str, float]:
        """Measure a network in evaluation mode on the validation split; `score` is to be low."""
        ...
