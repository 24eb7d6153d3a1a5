"""A loss or a gradient that is no number any more: the run ends, and the batch can be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch

from pstmo_core.atomic_files import atomic_file
from pstmo_core.data.motion.sampler import Batch
from pstmo_core.errors import PstmoError


class NonFiniteLossError(PstmoError):
    """The loss or its gradient became NaN or infinite; the batch was saved."""


def refuse_batches(
    what: str, value: float, step: int, path: Path, batches: Sequence[Batch] | None
) -> NoReturn:
    """End a run before the weights are spoiled.

    Args:
        what: is no number, "loss" or "gradient".
        value: of it, in all processes together.
        step: at which it happened.
        path: the file in which the batch is kept.
        batches: this process's micro-batches; None: it happened in another process, which keeps
            its own.

    Raises:
        NonFiniteLossError: always.
    """
    if batches is not None:
        frames = torch.cat([batch.frames for batch in batches])
        poses = torch.cat([batch.poses for batch in batches])
        with atomic_file(path) as partial:
            torch.save({"frames": frames, "poses": poses}, partial)
    raise NonFiniteLossError(
        f"the {what} at step {step} is {value}: batch saved in {path}; if nothing is wrong with "
        "it, lower optimiser.learning_rate"
    )
