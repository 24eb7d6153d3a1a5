"""A loss that is no number any more: the run ends, and the batch can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from pstmo_core.atomic_files import atomic_file
from pstmo_core.data.motion.sampler import Batch
from pstmo_core.errors import PstmoError


class NonFiniteLossError(PstmoError):
    """The loss became NaN or infinite; the batch was saved."""


def refuse_loss(
    loss: float, step: int, own: Tensor, batches: Sequence[Batch], path: Path
) -> NoReturn:
    """End a run, and save the batch in the process where it happened.

    Args:
        loss: that of the step, of all processes.
        step: at which it happened.
        own: this process's part of the loss.
        batches: this process's micro-batches.
        path: the file to save them in.

    Raises:
        NonFiniteLossError: always.
    """
    if not torch.isfinite(own):
        frames = torch.cat([batch.frames for batch in batches])
        poses = torch.cat([batch.poses for batch in batches])
        with atomic_file(path) as partial:
            torch.save({"frames": frames, "poses": poses}, partial)
    raise NonFiniteLossError(
        f"the loss at step {step} is {loss}: batch saved in {path}; if nothing is wrong with it, "
        "lower optimiser.learning_rate"
    )
