"""The state from which an interrupted run resumes bit-exactly.

It contains no random state, see `pstmo_core.training.seeds`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from pstmo_core.atomic_files import atomic_file
from pstmo_core.errors import quoted
from pstmo_core.model.checkpoints import CheckpointError, Network

_FORMAT = 2


@dataclass
class TrainingState:
    """Everything that changes while a run trains."""

    model: Network
    average: dict[str, Tensor]
    """Running average of the floating-point weights and buffers, by name."""
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    """Scale of the loss under fp16; does nothing under others."""
    step: int = 0
    best: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)
    """One record an evaluation."""

    def save(self, path: Path) -> None:
        """Write atomically: a kill while writing leaves the previous file whole."""
        saved = {
            "format": _FORMAT,
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "best": self.best,
            "history": self.history,
        }
        with atomic_file(path) as partial:
            torch.save(saved, partial)

    def load(self, path: Path) -> None:
        """Read what `save` wrote, into the same kind of model and optimiser.

        Raises:
            CheckpointError: if another version of this program wrote it.
        """
        device = next(self.model.parameters()).device
        try:
            saved = torch.load(path, map_location=device, weights_only=True)
        except OSError:
            raise
        except Exception as error:  # the interpreter of a damaged file's pickle raises any
            why = quoted(str(error).partition("\n")[0])
            raise CheckpointError(
                f"{path}: is truncated or damaged ({why}): name another folder as `output`, or "
                "delete the file, and the run begins again"
            ) from error
        if not isinstance(saved, dict) or saved.get("format") != _FORMAT:
            raise CheckpointError(
                f"{path}: written by another version of this program, which a run cannot go on "
                "from: name another folder as `output`, or delete that one"
            )
        self.model.load_state_dict(saved["model"])
        self.average = saved["average"]
        self.optimiser.load_state_dict(saved["optimiser"])
        self.scaler.load_state_dict(saved["scaler"])
        self.step, self.best, self.history = saved["step"], saved["best"], saved["history"]


def start_average(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the model's state to average into."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the model; early on the average is short."""
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)
