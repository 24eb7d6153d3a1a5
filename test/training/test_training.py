"""Training on real motion: it learns, resumes, stops on nonsense and refuses bad settings."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from pstmo_core.data.motion.detector_errors import DetectorErrors
from pstmo_core.data.motion.mocap import MocapError
from pstmo_core.data.motion.sampler import Batch, SamplerConfig
from pstmo_core.errors import ConfigError
from pstmo_core.model.checkpoints import CheckpointError, load_masked, load_weights
from pstmo_core.model.config import ModelConfig
from pstmo_core.training.config import OptimiserConfig, RunConfig, load_run_config
from pstmo_core.training.distributed import Processes
from pstmo_core.training.engine import Trainer
from pstmo_core.training.losses import LossConfig
from pstmo_core.training.non_finite import NonFiniteLossError
from pstmo_core.training.stage import MicroBatch

CONFIGS = Path(__file__).parents[2] / "pstmo_core" / "recipes" / "training"


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
        threads=1,
    )


@pytest.fixture(autouse=True)
def event_files_in_order() -> Iterator[None]:
    """TensorBoard reads the files of one process and second by their numbers' text: 10 before 9."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_file_writer, "_global_uid", event_file_writer.AtomicCounter(100))
        yield


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Have something happen in the middle of a step of whatever is trained."""

    def plan(step: int, happens: Callable[[], None]) -> None:
        take_step = Trainer.train_step

        def step_with_event(trainer: Trainer, *batches: Batch) -> float:
            if trainer.state.step == step:
                happens()
            return take_step(trainer, *batches)

        monkeypatch.setattr(Trainer, "train_step", step_with_event)

    return plan


def die() -> None:
    raise MemoryError("killed")


def assert_same_weights(one: Trainer, other: Trainer) -> None:
    for name, value in one.model.state_dict().items():
        torch.testing.assert_close(other.model.state_dict()[name], value, rtol=0, atol=0)


def scalars(folder: str, name: str) -> dict[int, float]:
    """Read a curve as TensorBoard shows it, each step once."""
    events = EventAccumulator(f"{folder}/tensorboard", size_guidance={"scalars": 0}).Reload()
    values = {event.step: event.value for event in events.Scalars(name)}
    assert len(values) == len(events.Scalars(name)), f"{name} has steps twice"
    return values


def test_training_learns_and_leaves_weights_with_their_configuration(run: RunConfig) -> None:
    Trainer(run).run()
    history = json.loads((Path(run.output) / "history.json").read_text())
    assert [record["step"] for record in history] == [20, 40, 60]
    assert history[-1]["score"] < 0.7 * history[0]["score"]
    assert load_weights(Path(run.output) / "best.safetensors").config == run.model


@pytest.mark.parametrize(
    ("stage", "precision"), [("lift", "fp32"), ("pretrain", "fp32"), ("lift", "fp16")]
)
def test_a_run_killed_at_any_step_and_resumed_ends_in_the_same_weights(
    run: RunConfig,
    stage: str,
    precision: str,
    at_step: Callable[[int, Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = dataclasses.replace(run.optimiser, steps=25)
    run = dataclasses.replace(
        run, optimiser=short, stage=stage, precision=precision, save_every=10, log_every=1
    )
    through = Trainer(dataclasses.replace(run, output=run.output + "_through"))
    through.run()
    at_step(17, die)
    with pytest.raises(MemoryError):
        Trainer(run).run()
    monkeypatch.undo()
    torch.rand(17)  # whatever happens between must not matter
    resumed = Trainer(run)
    resumed.run()
    assert resumed.state.step == 25
    assert_same_weights(through, resumed)
    for curve in ("training/loss", "training/learning_rate"):
        assert scalars(run.output, curve) == scalars(through.config.output, curve)
    assert list(scalars(run.output, "training/loss")) == list(range(1, 26))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_saves_the_state_and_says_how_to_go_on(
    run: RunConfig, number: signal.Signals, tmp_path: Path
) -> None:
    # In a process of its own: others in this one have signal handlers in C that do not survive it.
    endless = dataclasses.replace(run.optimiser, steps=1_000_000)
    run = dataclasses.replace(run, optimiser=endless, log_every=1)
    (tmp_path / "run.yaml").write_text(run.to_yaml())
    command = [sys.executable, "-m", "pstmo_core.cli", "train", str(tmp_path / "run.yaml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:  # the progress bar
            if "step/s" in line:
                break
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "repeat the command to resume" in said
    folder = Path(run.output)
    state = torch.load(folder / "last.pt", weights_only=True)
    assert state["step"] > 0 and f"stopped after step {state['step']}" in said
    for name, value in load_weights(folder / "last.safetensors").state_dict().items():
        torch.testing.assert_close(value, state["average"][name], rtol=0, atol=0)
    for given, says in (
        (folder, "is a folder; give .* such as last"),
        (folder / "last.pt", "last.s"),
    ):
        with pytest.raises(CheckpointError, match=says):
            load_weights(given)


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


def test_a_run_goes_on_with_its_own_settings_and_data_alone(run: RunConfig, tmp_path: Path) -> None:
    short = OptimiserConfig(batch=16, steps=2)
    Trainer(dataclasses.replace(run, optimiser=short)).run()
    settings = Path(run.output) / "run.yaml"
    written = settings.read_bytes()
    copied = {name: str(tmp_path / name) for name in ("other.npz", Path(run.mocap).name)}
    for path in copied.values():
        shutil.copy(run.mocap, path)
    other, moved = copied.values()
    longer = dataclasses.replace(short, batch=8, steps=3, learning_rate=1e-4)
    refused: dict[str, dict[str, object]] = {
        "seed was 1 and is 2": {"seed": 2},
        "mocap was .* and is": {"mocap": other},
        "mocap_more was ": {"mocap_more": (other,)},
        "optimiser.weight_decay was 0.01 and is 0.1": {
            "optimiser": dataclasses.replace(longer, weight_decay=0.1)
        },
        "sampler.errors was None and is ": {"sampler": SamplerConfig(errors=DetectorErrors())},
    }
    for says, values in refused.items():
        with pytest.raises(ConfigError, match=f"holds a run of other settings .*{says}"):
            Trainer(dataclasses.replace(run, **values)).run()  # type: ignore[arg-type]
    assert settings.read_bytes() == written
    Trainer(dataclasses.replace(run, mocap=moved, optimiser=longer, log_every=1)).run()
    assert torch.load(Path(run.output) / "last.pt", weights_only=True)["step"] == 3


def test_a_finished_run_says_so_and_stays_as_it_is(
    run: RunConfig, caplog: pytest.LogCaptureFixture
) -> None:
    run = dataclasses.replace(run, optimiser=OptimiserConfig(batch=16, steps=3))
    Trainer(run).run()
    files = {path: path.read_bytes() for path in Path(run.output).iterdir() if path.is_file()}
    (Path(run.output) / "history.json").unlink()  # as after a kill between two files
    with caplog.at_level("INFO"):
        Trainer(dataclasses.replace(run, optimiser=OptimiserConfig(batch=16, steps=2))).run()
    assert "is finished: it has 3 steps, and 2 were asked for" in caplog.text
    assert {path: path.read_bytes() for path in files} == files


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(run: RunConfig) -> None:
    trainer = Trainer(run)
    trainer.folder.mkdir(parents=True)
    (batch,) = trainer.draw()
    batch.frames[0, 0, 0, 0] = float("nan")
    before = copy.deepcopy(dict(trainer.model.named_parameters()))
    with pytest.raises(NonFiniteLossError, match=r"batch saved in .* lower optimiser\.learning_r"):
        trainer.train_step(batch)
    (saved,) = trainer.folder.glob("non_finite_batch_*.pt")
    assert torch.isnan(torch.load(saved, weights_only=True)["frames"]).any()
    for name, value in trainer.model.named_parameters():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gradient_that_is_no_number_stops_the_run_before_it_spoils_the_weights(
    run: RunConfig, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(dataclasses.replace(run, precision=precision))
    trainer.folder.mkdir(parents=True)
    before = copy.deepcopy(dict(trainer.model.named_parameters()))
    usual = trainer.stage.loss

    def steep(*arguments: Any) -> torch.Tensor:  # the slope of a root is infinite at 0
        weight = next(trainer.model.parameters())
        return usual(*arguments) + (weight - weight.detach()).sum().sqrt()

    monkeypatch.setattr(trainer.stage, "loss", steep)
    with pytest.raises(NonFiniteLossError, match=r"the gradient at step 0 is .*: batch saved in"):
        trainer.train_step(*trainer.draw())
    assert len(list(trainer.folder.glob("non_finite_batch_0.pt"))) == 1
    for name, value in trainer.model.named_parameters():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_training_learns_in_half_precision(run: RunConfig, precision: str) -> None:
    trainer = Trainer(dataclasses.replace(run, precision=precision))
    losses = [trainer.train_step(*trainer.draw()) for _ in range(40)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert all(value.dtype == torch.float32 for value in trainer.model.parameters())


def test_gradients_too_large_for_fp16_skip_a_step_and_lower_the_scale(run: RunConfig) -> None:
    trainer = Trainer(dataclasses.replace(run, precision="fp16"))
    trainer.state.scaler = torch.amp.GradScaler("cpu", init_scale=1e38)
    before = copy.deepcopy(dict(trainer.model.named_parameters()))
    trainer.train_step(*trainer.draw())
    assert trainer.state.step == 1
    assert trainer.state.scaler.get_scale() == pytest.approx(5e37)
    for name, value in trainer.model.named_parameters():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("stage", ["lift", "pretrain"])
def test_accumulated_gradients_are_those_of_the_mean_over_all_micro_batches(
    run: RunConfig, stage: str
) -> None:
    still = dataclasses.replace(run.model, dropout=0.0)
    rate = dataclasses.replace(run.optimiser, accumulate=2, clip_gradient=1e9)
    trainer = Trainer(dataclasses.replace(run, stage=stage, model=still, optimiser=rate))
    model = copy.deepcopy(trainer.model)
    whole = trainer.source.draw(0, 16, slice(None))
    halves = [Batch(whole.frames[i::2], whole.poses[i::2]) for i in range(2)]
    losses = [
        trainer.stage.loss(model, half, MicroBatch(0, 16, slice(i, None, 2)))
        for i, half in enumerate(halves)
    ]
    seen = [float(half.frames[:, :, :17, 2].sum()) for half in halves]  # encoding person's flag
    shares = [count / sum(seen) for count in seen] if stage == "pretrain" else [0.5, 0.5]
    assert stage == "lift" or abs(shares[0] - 0.5) > 1e-3
    expected = shares[0] * losses[0] + shares[1] * losses[1]
    expected.backward()
    assert trainer.train_step(*trainer.draw()) == pytest.approx(expected.item())
    for (name, own), by_hand in zip(
        trainer.model.named_parameters(), model.parameters(), strict=True
    ):
        torch.testing.assert_close(own.grad, by_hand.grad, rtol=1e-4, atol=1e-7, msg=name)


def test_tensorboard_has_the_losses_the_rates_and_every_evaluation(run: RunConfig) -> None:
    run = dataclasses.replace(run, optimiser=dataclasses.replace(run.optimiser, steps=40))
    trainer = Trainer(run)
    losses = []
    take_step = trainer.train_step
    trainer.train_step = lambda *b: losses.append(take_step(*b)) or losses[-1]  # type: ignore
    trainer.run()
    shown = scalars(run.output, "training/loss")
    assert shown == pytest.approx({step: losses[step - 1] for step in (10, 20, 30, 40)})
    rates = scalars(run.output, "training/learning_rate")
    assert rates == pytest.approx({s: run.optimiser.rate_at(s - 1) for s in (10, 20, 30, 40)})
    assert min(scalars(run.output, "training/windows_per_second").values()) > 0
    for record in json.loads((Path(run.output) / "history.json").read_text()):
        for name in set(record) - {"step"}:
            values = scalars(run.output, f"validation/{name}")
            assert values[record["step"]] == pytest.approx(record[name])


def test_the_shipped_configurations_are_valid_and_can_be_overridden() -> None:
    for path in sorted(CONFIGS.glob("*.yaml")):
        config = load_run_config(path, ["optimiser.steps=7", "sampler.speed=[1,1]"])
        assert config.optimiser.steps == 7
        assert config.sampler.speed == (1, 1)


def test_a_run_configuration_survives_its_yaml(run: RunConfig, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(run.to_yaml())
    assert load_run_config(tmp_path / "run.yaml", []) == run


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
@pytest.mark.parametrize(
    ("device", "sentence"), [("gpu", "device is 'gpu', but must be"), ("cuda", "finds no GPU")]
)
def test_a_device_that_is_not_there_is_refused(run: RunConfig, device: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Trainer(dataclasses.replace(run, device=device))


def test_the_authors_optimiser_is_adam_with_amsgrad_and_no_weight_decay(run: RunConfig) -> None:
    rate = dataclasses.replace(run.optimiser, kind="amsgrad", weight_decay=0.5)
    trainer = Trainer(dataclasses.replace(run, optimiser=rate))
    weight = trainer.model.get_parameter("head_target.linear.weight")
    expected = weight.detach().clone()
    moments = [torch.zeros_like(weight) for _ in range(3)]
    for step in range(4):  # Reddi et al. 2018, with the bias corrections of torch
        trainer.train_step(*trainer.draw())
        mean, square, largest = moments
        mean.lerp_(weight.grad, 0.1)
        square.lerp_(weight.grad.square(), 0.001)
        largest.copy_(torch.maximum(largest, square))
        root = (largest / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
        expected -= rate.rate_at(step) * mean / (1 - 0.9 ** (step + 1)) / root
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("sampled", "accumulate", "sentence"),
    [(0.0, 1, r"no window has a twin: set sampler\.twins"), (0.25, 2, "would separate")],
)
def test_a_loss_of_twins_that_would_be_nothing_is_refused(
    run: RunConfig, sampled: float, accumulate: int, sentence: str
) -> None:
    twins = dataclasses.replace(
        run,
        loss=LossConfig(twins=1.0),
        sampler=SamplerConfig(twins=sampled),
        optimiser=dataclasses.replace(run.optimiser, accumulate=accumulate),
    )
    with pytest.raises(ConfigError, match=sentence):
        Trainer(twins)


def test_training_needs_clips_that_it_is_judged_on(run: RunConfig, tmp_path: Path) -> None:
    with np.load(run.mocap) as file:
        motion = dict(file)
    motion["split"] = np.full(len(motion["split"]), "train")
    np.savez(tmp_path / "own.npz", **motion)
    alone = dataclasses.replace(run, mocap=str(tmp_path / "own.npz"))
    with pytest.raises(MocapError, match="no clip has the split val"):
        Trainer(alone)


@pytest.mark.parametrize("setting", [{"epochs": 2}, {"schedule": "exponential"}])
def test_epochs_of_virtual_cameras_need_a_length(
    run: RunConfig, setting: dict[str, object]
) -> None:
    rate = dataclasses.replace(run.optimiser, **setting)
    with pytest.raises(ConfigError, match=r"set optimiser\.epoch_steps"):
        Trainer(dataclasses.replace(run, optimiser=rate))
    given = dataclasses.replace(rate, epoch_steps=7)
    plan = Trainer(dataclasses.replace(run, optimiser=given)).plan
    assert plan.steps == (14 if "epochs" in setting else 60)


def test_a_batch_that_does_not_divide_among_processes_and_micro_batches_is_refused(
    run: RunConfig,
) -> None:
    rate = dataclasses.replace(run.optimiser, accumulate=3)
    with pytest.raises(ConfigError, match="batch is 16, but must be a multiple of 6: 2 processes"):
        Trainer(dataclasses.replace(run, optimiser=rate), Processes(torch.device("cpu"), count=2))
