"""The learning rate over a run."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("torch", reason="training needs torch")

from pstmo_core.training.config import OptimiserConfig


def test_the_learning_rate_warms_up_stays_and_decays_to_zero() -> None:
    config = OptimiserConfig(learning_rate=1.0, steps=100, warmup_steps=10, decay_steps=20)
    rates = [config.rate_at(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert set(rates[10:81]) == {1.0}
    assert rates[-1] == pytest.approx(0.05)
    short = dataclasses.replace(config, decay_steps=5000)  # a run that was made shorter
    assert short.rate_at(10) == pytest.approx(0.9) and short.rate_at(99) == pytest.approx(0.01)


def test_the_authors_rate_falls_by_three_percent_after_each_epoch() -> None:
    config = OptimiserConfig(
        kind="amsgrad", learning_rate=7e-4, batch=160, epochs=3, schedule="exponential"
    ).over(windows=1700)
    assert (config.steps, config.epoch_steps) == (30, 10)
    rates = [config.rate_at(step) for step in range(30)]
    assert rates == pytest.approx([7e-4] * 10 + [6.79e-4] * 10 + [6.5863e-4] * 10)
