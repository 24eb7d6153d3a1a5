"""Training on a GPU, where there is one: the batches and steps are those of the CPU."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.training.config import OptimiserConfig, RunConfig
from pstmo_core.training.engine import Trainer

MOCAP = Path(__file__).parents[1] / "data" / "mocap_excerpt.npz"

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU with CUDA is here")


@pytest.fixture
def lifting(tmp_path: Path) -> RunConfig:
    return RunConfig(
        mocap=str(MOCAP),
        output=str(tmp_path / "run"),
        model=ModelConfig(frames=9, layers=1, width=32, feedforward=32, sem_width=32, heads=4),
        optimiser=OptimiserConfig(batch=16, steps=40, warmup_steps=5, decay_steps=20),
        validation_windows=50,
        save_every=20,
        precision="fp32",
        device="cuda",
    )


@pytest.fixture(params=["pretrain", "lift", "live"])
def config(lifting: RunConfig, request: pytest.FixtureRequest) -> RunConfig:
    live = LiveConfig(layers=1, width=32, feedforward=32, sem_width=32, heads=4, key_heads=2)
    return dataclasses.replace(lifting, stage=request.param, live=live)


def test_the_loss_on_a_gpu_is_that_of_the_cpu(config: RunConfig) -> None:
    on_cpu = Trainer(dataclasses.replace(config, device="cpu"))
    batch = on_cpu.draw()[0]
    moved = dataclasses.replace(batch)
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        if isinstance(value, torch.Tensor):
            object.__setattr__(moved, field.name, value.cuda())
    expected, loss = on_cpu.train_step(batch), Trainer(config).train_step(moved)
    # Stage I hides joints at random, elsewhere on each device.
    assert loss == pytest.approx(expected, rel=0.2 if config.stage == "pretrain" else 1e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_on_a_gpu_learns_and_goes_on(config: RunConfig, precision: str) -> None:
    config = dataclasses.replace(config, precision=precision)
    first = Trainer(config)
    assert all(batch.frames.is_cuda for batch in first.draw())
    first.run()
    scores = [record["score"] for record in first.state.history]
    assert len(scores) == 2 and all(score < 1e4 for score in scores)
    longer = dataclasses.replace(config.optimiser, steps=60)
    again = Trainer(dataclasses.replace(config, optimiser=longer))
    again.run()
    assert again.state.step == 60 and len(again.state.history) == 3
