"""The optimisers that a run can name."""

from __future__ import annotations

import torch
from torch import nn

from pstmo_core.training.config import OptimiserConfig


def make_optimiser(model: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """Return the optimiser of a model's weights, in one pass over them (`fused`)."""
    if config.kind == "amsgrad":
        return torch.optim.Adam(model.parameters(), config.learning_rate, amsgrad=True, fused=True)
    return torch.optim.AdamW(
        model.parameters(),
        config.learning_rate,
        (0.9, 0.99),
        weight_decay=config.weight_decay,
        fused=True,
    )
