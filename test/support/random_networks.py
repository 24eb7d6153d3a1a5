"""Networks with random weights, for tests of what computes them."""

from __future__ import annotations

import torch

from pstmo_core.model.config import ModelConfig
from pstmo_core.model.stmo import STMO


def stir_norms(model: torch.nn.Module) -> None:
    """Let a network's norms do something, as those of a trained one."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.LayerNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)


def trained_looking(config: ModelConfig) -> STMO:
    """A network whose norms do something, as those of a trained one."""
    torch.manual_seed(0)
    model = STMO(config)
    stir_norms(model)
    return model.eval()
