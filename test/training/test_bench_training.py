"""`pstmo bench train` measures real steps of both stages, and what a step spends its time on."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from command import Command

from pstmo_core.bench.training import BASELINE, OURS, Case, Plan, make_cases, measure
from pstmo_core.bench.training_profile import PARTS, PartClock, profile_steps
from pstmo_core.bench.training_report import markdown
from pstmo_core.errors import PstmoError
from pstmo_core.model.config import ModelConfig
from pstmo_core.training import fast_on_cpu
from pstmo_core.training.config import OptimiserConfig, RunConfig
from pstmo_core.training.engine import Trainer

SLEEP = 0.02
PLAN = Plan(turns=2, steps=2, warm_up=1)


@pytest.fixture
def run(mocap_file: Path, tmp_path: Path) -> RunConfig:
    model = ModelConfig(
        frames=9, layers=1, width=32, feedforward=32, sem_width=32, heads=4, dropout=0.1
    )
    return RunConfig(
        mocap=str(mocap_file),
        output=str(tmp_path / "run"),
        model=model,
        optimiser=OptimiserConfig(batch=16),
        validation_windows=10,
    )


def sleepy(stage: str, frames: int, batch: int, precision: str) -> object:
    """Code to compare with that takes a known time, and has no bf16."""
    assert (frames, batch) == (9, 16)
    return (lambda: time.sleep(SLEEP)) if precision == "fp32" else None


@pytest.fixture
def measured(run: RunConfig) -> list[Case]:
    cases = make_cases(run, PLAN, sleepy)
    for _ in measure(cases, PLAN, torch.device("cpu")):
        pass
    return cases


def test_both_stages_and_the_compared_code_are_measured_in_each_turn(measured: list[Case]) -> None:
    made = {(case.code, case.stage, case.precision) for case in measured}
    own = {(OURS, stage, kind) for stage in ("pretrain", "lift") for kind in ("fp32", "bf16")}
    assert made == own | {(BASELINE, "pretrain", "fp32"), (BASELINE, "lift", "fp32")}
    for case in measured:
        assert len(case.samples) == PLAN.turns
        assert (case.samples > 0).all()
        if case.trainer is not None:
            assert case.trainer.state.step == PLAN.warm_up + (PLAN.turns + 1) * PLAN.steps


def test_the_ratio_is_that_of_the_times(measured: list[Case]) -> None:
    (other,) = (case for case in measured if case.code == BASELINE and case.stage == "lift")
    assert min(other.seconds) >= SLEEP
    assert other.times_faster(other).tolist() == [1.0] * PLAN.turns
    twice = Case(OURS, "lift", "fp32", 16, lambda: None, seconds=[2 * s for s in other.seconds])
    assert twice.times_faster(other).tolist() == pytest.approx([0.5] * PLAN.turns)


def test_the_parts_of_a_step_add_up_to_it_and_are_all_there(run: RunConfig) -> None:
    trainer = Trainer(run)
    begin = time.perf_counter()
    profile = profile_steps(trainer, 5)
    step = (time.perf_counter() - begin) / 5
    assert set(profile) == set(PARTS) - {"decoder"}
    assert all(seconds > 0 for seconds in profile.values())
    assert 0.8 * step < sum(profile.values()) <= step
    assert trainer.state.step == 5


def test_time_is_charged_to_the_part_that_takes_it(
    run: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, now = Trainer(run), [0.0]
    monkeypatch.setattr(PartClock, "_now", lambda clock: now[0])

    def slow(owner: object, name: str, seconds: float) -> None:
        function = getattr(owner, name)

        def late(*arguments: object) -> object:
            now[0] += seconds
            return function(*arguments)

        monkeypatch.setattr(owner, name, late)

    slow(trainer.source, "draw", 10)
    slow(trainer.model.sem, "forward", 20)
    slow(trainer.model.mofa, "forward", 30)
    slow(trainer.model.head_target, "forward", 40)
    slow(torch.nn.utils, "clip_grad_norm_", 50)
    profile = profile_steps(trainer, 2)
    assert {part: seconds for part, seconds in profile.items() if seconds} == {
        "data": 10,
        "SEM": 20,
        "MOFA": 30,
        "heads and loss": 40,
        "backward and clipping": 50,
    }


def test_a_profiled_network_is_left_as_it_was(run: RunConfig) -> None:
    trainer, draw_mask = Trainer(run), fast_on_cpu.draw_mask
    profile_steps(trainer, 1)
    assert fast_on_cpu.draw_mask is draw_mask
    assert not any(module._forward_hooks for module in trainer.model.modules())
    assert not trainer.state.optimiser._optimizer_step_pre_hooks


def test_the_report_has_the_speeds_the_ratios_and_the_parts(
    measured: list[Case], run: RunConfig
) -> None:
    text = markdown(measured, run, PLAN, torch.device("cpu"), "a sleeper")
    assert f"torch {torch.__version__}" in text and "threads" in text
    lines = {tuple(line.split(" | ")[:2]): line for line in text.splitlines()}
    assert lines["| stage II", "fp32"].count("(") == 4
    assert " - | - | " in lines["| stage II", "bf16"]  # the sleeper has no bf16 ...
    assert lines["| stage II", "bf16"].count("(") == 2  # ... but its fp32 is compared with
    for part in PARTS:
        assert f"\n| {part} |" in text


def test_the_command_prints_the_table_and_writes_both_files(
    pstmo: Command, mocap_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.py"
    other.write_text("def make_step(stage, frames, batch, precision):\n    return lambda: None\n")
    small = ["model.frames=9", "model.layers=1", "optimiser.batch=8", f"mocap={mocap_file}"]
    options = ["--turns=1", "--steps=1", "--precisions=fp32", f"--baseline={other}", "-o", tmp_path]
    code, out, _ = pstmo("bench", "train", *small, *options)
    assert code == 0
    assert "stage II" in out and "times faster" in out
    assert (tmp_path / "training_speed.md").read_text().rstrip() in out
    results = json.loads((tmp_path / "training_speed.json").read_text())
    assert results["threads"] == torch.get_num_threads()
    assert len(results["cases"]) == 4
    assert all(min(case["seconds"]) > 0 for case in results["cases"])


def test_a_stage_that_there_is_not_is_refused() -> None:
    with pytest.raises(PstmoError, match="must be one of pretrain, lift"):
        Plan(stages=("warmup",))
