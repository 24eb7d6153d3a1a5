"""Constants of a network's tokens go into biases: the same answers, and bf16 loses less."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from random_networks import trained_looking

from pstmo_core.encoding import get_encoding
from pstmo_core.model.conditioning import ConditioningError, fold_constants
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.stmo import STMO


def lost_in_bf16(model: STMO, frames: torch.Tensor) -> tuple[float, float]:
    """Mean error of bf16 in the poses of all frames and of the target frame."""
    exact = model(frames)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model(frames)
    return tuple(float((r - e).abs().mean()) for r, e in zip(rounded, exact, strict=True))


@torch.no_grad()
def test_folding_constants_changes_no_answer_and_bf16_loses_less(small_model: ModelConfig) -> None:
    model = trained_looking(small_model).eval()
    drift = torch.linspace(-100, 100, small_model.width)
    model.tem.layers[-1].feedforward[3].bias.add_(drift)
    model.head_all.norm.running_mean.add_(drift)
    shape = small_model.frames, *model_rows(model)
    torch.manual_seed(1)
    frames = torch.randn(64, *shape)
    before, lost = model(frames), lost_in_bf16(model, frames)
    fold_constants(model, frames)
    after, loses = model(frames), lost_in_bf16(model, frames)
    torch.testing.assert_close(after[0], before[0], atol=1e-4, rtol=0)
    spread = (before[1] - before[1].mean(0)).std()
    assert (after[1] - before[1]).std() < 0.1 * spread
    assert loses[0] < 0.3 * lost[0] and loses[1] < lost[1]


def model_rows(model: STMO) -> tuple[int, int]:
    return get_encoding(model.config.encoding).shape


def test_a_network_without_mofa_is_refused(small_model: ModelConfig) -> None:
    model = STMO(dataclasses.replace(small_model, mofa=False)).eval()
    with pytest.raises(ConditioningError, match="TEM and MOFA"):
        fold_constants(model, torch.zeros(2, small_model.frames, *model_rows(model)))
