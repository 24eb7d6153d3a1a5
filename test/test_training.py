"""Training on real motion: it learns, resumes, stops on nonsense and refuses bad settings."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from pstmo_core.checkpoints import load_masked, load_weights
from pstmo_core.config import ConfigError, ModelConfig
from pstmo_core.data.sampler import Batch
from pstmo_core.training.config import OptimiserConfig, RunConfig, load_run_config
from pstmo_core.training.engine import NonFiniteLossError, Trainer

CONFIGS = Path(__file__).parents[1] / "config" / "training"


@pytest.fixture
def run(mocap_file: Path, small_model: ModelConfig, tmp_path: Path) -> RunConfig:
    return RunConfig(
        mocap=str(mocap_file),
        output=str(tmp_path / "run"),
        model=dataclasses.replace(small_model, frames=9, dropout=0.1),
        optimiser=OptimiserConfig(batch=16, steps=60, warmup_steps=5, decay_steps=20),
        validation_windows=50,
        save_every=20,
        precision="fp32",
    )


def test_training_learns_and_leaves_weights_with_their_configuration(run: RunConfig) -> None:
    Trainer(run).run()
    history = json.loads((Path(run.output) / "history.json").read_text())
    assert [record["step"] for record in history] == [20, 40, 60]
    assert history[-1]["score"] < 0.7 * history[0]["score"]
    assert load_weights(Path(run.output) / "best.safetensors").config == run.model


def test_a_run_killed_at_any_step_and_resumed_ends_in_the_same_weights(
    run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = Trainer(run)
    through.run()
    killed = Trainer(dataclasses.replace(run, output=run.output + "_killed"))
    take_step = killed.train_step

    def die_at_47(batch: Batch) -> float:
        if killed.state.step == 47:
            raise KeyboardInterrupt
        return take_step(batch)

    monkeypatch.setattr(killed, "train_step", die_at_47)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    torch.rand(17)  # whatever happens between must not matter
    resumed = Trainer(killed.config)
    resumed.run()
    assert resumed.state.step == 60
    for name, value in through.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=0, atol=0)


def test_stage_two_starts_from_what_stage_one_learned(run: RunConfig) -> None:
    pretraining = dataclasses.replace(run, output=run.output + "_mpm", stage="pretrain")
    Trainer(pretraining).run()
    history = json.loads((Path(pretraining.output) / "history.json").read_text())
    assert history[-1]["score"] < 0.95 * history[0]["score"]
    weights = Path(pretraining.output) / "best.safetensors"
    tuning = Trainer(dataclasses.replace(run, encoder=str(weights)))
    encoder = load_masked(weights)
    for part in ("sem", "tem"):
        expected = getattr(encoder, part).state_dict()
        for name, value in getattr(tuning.model, part).state_dict().items():
            torch.testing.assert_close(value, expected[name], rtol=0, atol=0)
    tuning.run()
    assert load_weights(Path(run.output) / "best.safetensors").config == run.model


def test_a_folder_with_a_run_of_other_settings_is_left_alone(run: RunConfig) -> None:
    Trainer(run).run()
    with pytest.raises(ConfigError, match="holds a run of other settings"):
        Trainer(dataclasses.replace(run, seed=2)).run()


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(run: RunConfig) -> None:
    trainer = Trainer(run)
    trainer.folder.mkdir(parents=True)
    batch = trainer.sampler.draw(4)
    batch.frames[0, 0, 0, 0] = float("nan")
    with pytest.raises(NonFiniteLossError, match="batch saved in"):
        trainer.train_step(batch)
    (saved,) = trainer.folder.glob("non_finite_batch_*.pt")
    assert torch.isnan(torch.load(saved, weights_only=True)["frames"]).any()


def test_the_shipped_configurations_are_valid_and_can_be_overridden() -> None:
    for path in sorted(CONFIGS.glob("*.yaml")):
        config = load_run_config(path, ["optimiser.steps=7", "sampler.speed=[1,1]"])
        assert config.optimiser.steps == 7
        assert config.sampler.speed == (1, 1)


def test_a_run_configuration_survives_its_yaml(run: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(run.to_yaml())
    assert load_run_config(tmp_path / "run.yaml", []) == run


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("optimiser.stepz=7", "stepz"),
        ("model.frames=28", "frames is 28"),
        ("optimiser.batch=many", "batch"),
        ("precision=fp8", "must be bf16 or fp32"),
    ],
)
def test_a_wrong_override_is_refused_with_a_sentence(override: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        load_run_config(None, [override])


def test_the_learning_rate_warms_up_stays_and_decays_to_zero() -> None:
    config = OptimiserConfig(learning_rate=1.0, steps=100, warmup_steps=10, decay_steps=20)
    rates = [config.rate_at(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert set(rates[10:81]) == {1.0}
    assert rates[-1] == pytest.approx(0.05)
