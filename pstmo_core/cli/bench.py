"""The commands `pstmo bench ...`, and `pstmo bench train`."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from pstmo_core.atomic_files import check_folder
from pstmo_core.cli.app import LIST, group, require_training, say, words
from pstmo_core.cli.options import BaselineName, Turns

commands = group("bench", "Benchmarks of speed, and errors on streams and video.")


@commands.command()
def train(
    run: Annotated[
        list[str] | None,
        typer.Argument(
            help="A run (lifter27, or a YAML file), or none, and values by name as for "
            "`pstmo train`, e.g. mocap=FILE model.frames=81 optimiser.batch=160 threads=2"
        ),
    ] = None,
    stages: Annotated[list[str], typer.Option(metavar=LIST, help="Stages.")] = ["pretrain,lift"],
    precisions: Annotated[list[str], typer.Option(metavar=LIST, help="Precisions.")] = [
        "fp32,bf16"
    ],
    turns: Turns = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each case in a turn.")] = 3,
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="Python file with make_step(stage, frames, batch, precision), which returns a "
            "function that takes one training step (stage: pretrain or lift; None where it has no "
            "such precision): measured in turns with ours, the ratio printed. The file is run."
        ),
    ] = None,
    baseline_name: BaselineName = "",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for training_speed.json and .md.")
    ] = Path("benchmarks"),
) -> None:
    """Measure the speed of training.

    \b
    pstmo bench train mocap=test/data/mocap_excerpt.npz --stages lift --turns 2

    Windows per second of stage I and II, and what a step spends its time on.

    The authors' architecture and optimiser: model.encoding=screen model.mofa_anchor=first
    optimiser.kind=amsgrad optimiser.batch=160. Only CPUs were measured so far; on a GPU the clock
    waits for it.
    """  # noqa: D301
    check_folder(output)
    require_training()
    from tqdm import tqdm

    from pstmo_core.bench.foreign_code import load_function
    from pstmo_core.bench.machine import machine
    from pstmo_core.bench.training import Plan, make_cases, measure, torch_setting
    from pstmo_core.bench.training_report import markdown
    from pstmo_core.model.checkpoints import pick_device
    from pstmo_core.training.config import load_run_config
    from pstmo_core.training.recipes import recipe_path

    file = run.pop(0) if run and "=" not in run[0] else None
    config = load_run_config(file and recipe_path(file), run or [])
    plan = Plan(words(stages), words(precisions), turns, steps)
    device = pick_device(config.device)
    cases = make_cases(config, plan, load_function(baseline, "make_step") if baseline else None)
    for _ in tqdm(measure(cases, plan, device), "turns", total=turns + 2):
        pass
    name = (baseline_name or f"`{baseline.name}`") if baseline else ""
    text = markdown(cases, config, plan, device, name)
    results = {
        **machine(),
        **torch_setting(device),
        "run": dataclasses.replace(config, mocap=Path(config.mocap).name).to_yaml(),
        "plan": dataclasses.asdict(plan),
        "cases": [case.to_dict() for case in cases],
    }
    publish(output, "training_speed", results, text)


def publish(folder: Path, name: str, results: dict[str, Any], text: str) -> None:
    """Show the results of a benchmark; write them, with today's date, to NAME.json and NAME.md."""
    from pstmo_core.bench.report import write_report

    say(text)
    for path in write_report(folder, name, {"date": date.today().isoformat()} | results, text):
        say(path)
