"""The catalogue of experiments, running one, and its table."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
from command import Command
from recorded_views import write_view
from synthetic_datasets import write_h36m

from pstmo_core.data.sequences.h36m import SPLITS
from pstmo_core.errors import ConfigError
from pstmo_core.experiments.catalogue import (
    Experiment,
    load_experiment,
)
from pstmo_core.experiments.listing import CATALOGUE, experiment_names
from pstmo_core.experiments.run import Folders, run_experiment
from pstmo_core.training.engine import Trainer

TABLES = [f"table{number}" for number in range(1, 9)]
TINY = """
title: Tiny
base:
  model: {frames: 9, layers: 1, width: 32, feedforward: 32, sem_width: 32, heads: 4, step: 0.02}
  optimiser: {batch: 8, steps: 4, warmup_steps: 1, decay_steps: 1}
  precision: fp32
  validation_windows: 20
pretraining:
  optimiser: {steps: 3}
measuring:
  windows: 30
columns:
  - {title: MPJPE, metric: mpjpe, group: own}
  - {title: Params, metric: parameters}
rows:
  - name: scratch
    paper: [44.2, 6.2]
  - name: pre-trained
    pretraining: {}
  - name: the same again
    pretraining: {}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The stages that were trained, in order."""
    stages: list[str] = []
    run = Trainer.run

    def counting(trainer: Trainer) -> None:
        run(trainer)
        stages.append(trainer.config.stage)

    monkeypatch.setattr(Trainer, "run", counting)
    return stages


@functools.cache
def listed(name: str) -> Experiment:
    """An experiment of the catalogue, read once."""
    return load_experiment(name)


@pytest.mark.parametrize("name", experiment_names())
def test_every_row_of_the_catalogue_is_a_valid_training(name: str) -> None:
    experiment = listed(name)
    for row in experiment.rows:
        config = experiment.lifting(row, [])
        assert config.stage in ("lift", "live")
        masked = experiment.masked(row, [])
        assert masked is None or (masked.stage, masked.model) == ("pretrain", config.model)
        if config.dataset.kind == "h36m":
            assert config.model.step == pytest.approx(config.dataset.tds / 50)


def test_the_catalogue_holds_the_papers_tables() -> None:
    assert {*TABLES, "mocap_components", "mocap_sem", "mocap_masking", "mocap_robustness"} <= set(
        experiment_names()
    )
    assert [len(listed(name).rows) for name in TABLES] == [6, 1, 6, 5, 7, 3, 10, 4]


def test_table_1s_averages_are_the_means_of_its_actions() -> None:
    for row in listed("table1").rows:
        *actions, average = [value for value in row.paper if value is not None]
        assert sum(actions) / 15 == pytest.approx(average, abs=0.11), row.name


def test_numbers_that_the_paper_repeats_are_the_same_in_all_tables() -> None:
    small, full = "P-STMO-S, 243 frames", "P-STMO, 243 frames"
    last = {
        (table, row): listed(table).row(row).paper[-1]
        for table, row in [
            ("table1", small), ("table6", small), ("table5", "N 243, s 2"),
            ("table3", "SEM + TEM + MOFA + MPM + TDS"),
            ("table1", full), ("table6", full), ("table7", "L1 4, LD 3, d 256"),
        ]
    }  # fmt: skip
    assert set(list(last.values())[:4]) == {43.0}
    assert set(list(last.values())[4:]) == {42.8}


def test_rows_of_different_tables_that_are_one_network_are_one_training() -> None:
    def config(table: str, row: str) -> object:
        experiment = listed(table)
        return experiment.masked(experiment.row(row), []), experiment.lifting(
            experiment.row(row), []
        )

    assert config("table1", "P-STMO, 243 frames") == config("table7", "L1 4, LD 3, d 256")
    assert config("table3", "SEM + TEM") == config("table4", "MLP, 1 block")
    masks = "both, q_T 0.8 and m_S 2"
    assert config("mocap_components", "SEM + TEM + MOFA + MPM") == config("mocap_masking", masks)
    assert config("mocap_masking", masks) == config("mocap_robustness", "P-STMO")


def test_an_experiment_is_trained_measured_and_told_and_nothing_twice(
    tiny: Path, mocap_file: Path, tmp_path: Path, pstmo: Command, trained: list[str]
) -> None:
    out = tmp_path / "out"
    arguments = ("experiments", "run", tiny, "--mocap", mocap_file, "-o", out, "--seeds", 2)
    assert pstmo(*arguments)[0] == 0
    assert trained == ["lift", "pretrain", "lift"] * 2  # the third row shares the second's
    assert pstmo(*arguments)[0] == 0
    assert len(trained) == 6
    page = tmp_path / "page.md"
    report = ("experiments", "report", tiny, "--mocap", mocap_file, "--runs", out, "-o", page)
    assert pstmo(*report)[0] == 0
    lines = page.read_text().splitlines()
    assert "| scratch | paper | 44.2 | 6.2 |  |" in lines
    results = [json.loads(path.read_text()) for path in out.glob("results/tiny/scratch/*.json")]
    errors = [result["conditions"]["clean"]["groups"]["own"]["mpjpe"] for result in results]
    (measured,) = [line for line in lines if line.startswith("|  | measured |")]
    assert measured.startswith(f"|  | measured | {sum(errors) / 2:.1f} ± ")
    assert measured.endswith(" | 2 |")
    twins = [line.split("|", 2)[2] for line in lines if line.startswith(("| pre", "| the same"))]
    assert twins[0] == twins[1]


def test_an_experiment_that_was_stopped_goes_on_with_what_is_missing(
    tiny: Path,
    mocap_file: Path,
    tmp_path: Path,
    trained: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = load_experiment(str(tiny))
    folders = Folders(tmp_path / "out", mocap_file)
    step = Trainer.train_step

    def stopped(trainer: Trainer, *batch: object) -> float:
        if trainer.config.stage == "lift" and trainer.config.encoder and trainer.state.step == 2:
            raise KeyboardInterrupt
        return step(trainer, *batch)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(experiment, folders, experiment.rows, seeds=1)
    assert trained == ["lift", "pretrain"]
    run_experiment(experiment, folders, experiment.rows, seeds=1)
    assert trained == ["lift", "pretrain", "lift"]
    assert len(list((tmp_path / "out" / "results").rglob("*.json"))) == 3


def test_changed_settings_are_run_again_and_reported(
    tiny: Path, mocap_file: Path, tmp_path: Path, pstmo: Command, trained: list[str]
) -> None:
    out = tmp_path / "out"
    run = ("experiments", "run", tiny, "scratch", "--mocap", mocap_file, "-o", out)
    assert pstmo(*run)[0] == 0
    assert pstmo(*run, "optimiser.steps=5")[0] == 0
    assert trained == ["lift", "lift"]
    _, text, _ = pstmo("experiments", "report", tiny, "--runs", out)
    assert "Run with `optimiser.steps=5`." in text
    old = "Measured before their settings were changed: scratch."
    assert old not in text
    tiny.write_text(TINY.replace("name: scratch", "name: scratch\n    settings: {seed: 7}"))
    assert old in pstmo("experiments", "report", tiny, "--runs", out)[1]
    # The same settings in other words are no change.
    tiny.write_text(TINY.replace("name: scratch", "name: scratch\n    settings: {precision: fp32}"))
    assert pstmo(*run, "optimiser.steps=5")[0] == 0
    assert trained == ["lift", "lift"]
    assert old not in pstmo("experiments", "report", tiny, "--runs", out)[1]


KINDS = TINY.replace(
    "  windows: 30",
    """\
  windows: 30
  conditions: {clean: {look_ahead: 0}, real: {look_ahead: 0, real: h36m17_good}}""",
)
KINDS = (
    KINDS[: KINDS.index("columns:")]
    + """\
columns:
  - {title: MPJPE, metric: mpjpe, group: own}
  - {title: jitter, metric: jitter, condition: real}
rows:
  - {name: windows}
  - name: stream
    settings:
      stage: live
      model: {encoding: view}
      live: {layers: 1, width: 32, feedforward: 32, heads: 4, key_heads: 4, sem_width: 32}
"""
)


def test_streaming_networks_stand_beside_windows_also_on_real_video(
    mocap_file: Path, tmp_path: Path, pstmo: Command, trained: list[str]
) -> None:
    path, out = tmp_path / "kinds.yaml", tmp_path / "out"
    path.write_text(KINDS)
    run = ("experiments", "run", path, "--mocap", mocap_file, "-o", out)
    code, _, error = pstmo(*run)
    assert code == 2 and "--real FOLDER" in error
    real = tmp_path / "real"
    real.mkdir()
    write_view(real)
    assert pstmo(*run, "--real", real)[0] == 0
    assert trained == ["lift", "live"]
    code, text, _ = pstmo("experiments", "report", path, "--runs", out, "--real", real)
    rows = [line.split("|")[3:5] for line in text.splitlines() if " measured " in line]
    assert len(rows) == 2
    assert all(float(error) > 0 and float(jitter) >= 0 for error, jitter in rows)
    path.write_text(KINDS.replace("h36m17_good", "h36m17_best"))
    code, _, error = pstmo(*run, "--real", real)
    assert code == 2 and "no keypoints 'h36m17_best'; it has h36m17_good" in error


def test_a_row_of_table_1_runs_through_stage_i_stage_ii_and_the_refine_module(
    tmp_path: Path, trained: list[str]
) -> None:
    subjects = [*SPLITS["train"], *SPLITS["test"]]
    write_h36m(tmp_path, "cpn_ft_h36m_dbb", subjects, frames=10)
    experiment = listed("table1")
    overrides = [
        "model.frames=9", "model.layers=1", "model.width=32", "model.feedforward=32",
        "model.sem_width=32", "optimiser.epochs=1", "optimiser.batch=64",
    ]  # fmt: skip
    folders = Folders(tmp_path / "out", data=tmp_path, overrides=overrides)
    row = experiment.row("P-STMO, 243 frames, refined")
    run_experiment(experiment, folders, [row], seeds=1)
    assert trained == ["pretrain", "lift", "refine"]
    (clean,) = json.loads(folders.result(experiment, row, 1).read_text())["conditions"].values()
    assert clean["mean"]["mpjpe"] > 0
    assert set(clean["groups"]) == {"Directions", "Walking"}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_licensed_data_says_that_they_are_absent(
    name: str, tmp_path: Path, pstmo: Command
) -> None:
    code, text, _ = pstmo("experiments", "report", name, "--runs", tmp_path, "--data", tmp_path)
    assert code == 0
    assert text.count("not run: data absent") == len(listed(name).rows)
    code, _, error = pstmo("experiments", "run", name, "--data", tmp_path, "-o", tmp_path)
    assert code == 2
    assert "not run, data absent" in error
    assert "--data" in error


def test_the_committed_page_of_complexity_is_what_the_command_prints(
    tmp_path: Path, pstmo: Command
) -> None:
    page = tmp_path / "complexity.md"
    assert pstmo("experiments", "complexity", "-o", page)[0] == 0
    committed = CATALOGUE.parents[2] / "docs" / "benchmarks" / "complexity.md"
    assert page.read_text() == committed.read_text()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("scratch", "pre-trained"), "two rows of one name"),
        (("[44.2, 6.2]", "[44.2]"), "has 1 numbers for 2 columns"),
        (("metric: mpjpe", "metric: mpjqe"), "unknown metric 'mpjqe'"),
        (("frames: 9", "frames: 10"), "frames is 10"),
        (("steps: 4", "stepz: 4"), "stepz"),
        (("group: own", "condition: dark"), r"unknown conditions \['dark'\]"),
        (("title: Tiny", "title: Tiny\nrecipe: none"), "recipe .* does not exist"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(
    change: tuple[str, str], sentence: str, tiny: Path
) -> None:
    tiny.write_text(TINY.replace(*change, 1))
    with pytest.raises(ConfigError, match=sentence):
        load_experiment(str(tiny))


def test_a_wrong_name_is_refused_with_those_that_there_are(tiny: Path) -> None:
    with pytest.raises(ConfigError, match="no experiment 'table9'.*table8"):
        load_experiment("table9")
    experiment: Experiment = load_experiment(str(tiny))
    with pytest.raises(ConfigError, match="no row 'TEM'; it has 'scratch'"):
        experiment.row("TEM")
