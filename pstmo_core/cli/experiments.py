"""`pstmo experiments`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.atomic_files import check_output, write_text
from pstmo_core.cli.app import group, require_training, say

experiments_app = group("experiments", "The paper's tables and this project's ablations.")

_Mocap = Annotated[Path | None, typer.Option(help="The motion-capture file.")]
_Data = Annotated[
    Path, typer.Option(help="Folder of the licensed data sets' files, under their usual names.")
]
_Real = Annotated[
    Path | None,
    typer.Option(help="Folder of recordings of real people, as `pstmo bench real` takes it."),
]


@experiments_app.command("list")
def experiments_list(
    rows: Annotated[
        bool, typer.Option("--rows", help="Also list the names of their rows.")
    ] = False,
) -> None:
    """List the paper's tables and this project's own."""
    from pstmo_core.experiments.listing import experiment_names, title_and_rows

    for name in experiment_names():
        title, names = title_and_rows(name)
        say(f"{name:18} {title}")
        for row in names if rows else []:
            say(f"    {row}")


@experiments_app.command("run")
def experiments_run(
    name: Annotated[str, typer.Argument(help="An experiment's name, or its YAML file.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ROW]... [NAME=VALUE]...",
            help="Rows, where not all are to be run; settings of all runs by name, e.g. "
            "optimiser.steps=100",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Training runs of each row.")] = 1,
    mocap: _Mocap = None,
    data: _Data = Path(),
    real: _Real = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of runs and results.")
    ] = Path("runs/experiments"),
) -> None:
    """Train and measure the rows of a table.

    \b
    pstmo experiments list --rows
    pstmo experiments run mocap_sem --mocap cmu_h36m17.npz
    pstmo experiments run mocap_sem fc --mocap cmu_h36m17.npz optimiser.steps=100

    What has a result is not run again, and what was stopped goes on. Rows and tables share the
    runs that they have in common.
    """  # noqa: D301
    require_training()
    from pstmo_core.experiments.catalogue import load_experiment
    from pstmo_core.experiments.run import Folders, run_experiment

    experiment = load_experiment(name)
    overrides = [argument for argument in arguments or [] if "=" in argument]
    rows = [experiment.row(argument) for argument in arguments or [] if "=" not in argument]
    folders = Folders(output, mocap, data, real, overrides)
    run_experiment(experiment, folders, rows or experiment.rows, seeds, say)
    say(f"the table: pstmo experiments report {name} --runs {output}")


@experiments_app.command("report")
def experiments_report(
    names: Annotated[
        list[str] | None, typer.Argument(help="Experiments; all of the catalogue by default.")
    ] = None,
    mocap: _Mocap = None,
    data: _Data = Path(),
    real: _Real = None,
    runs: Annotated[Path, typer.Option(help="Folder of runs and results.")] = Path(
        "runs/experiments"
    ),
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a Markdown file.")
    ] = None,
) -> None:
    """Print the tables: the paper's numbers, and what was measured.

    \b
    pstmo experiments report mocap_sem --mocap cmu_h36m17.npz -o tables.md
    """  # noqa: D301
    require_training()
    from pstmo_core.experiments.catalogue import load_experiment
    from pstmo_core.experiments.listing import experiment_names
    from pstmo_core.experiments.report import table
    from pstmo_core.experiments.run import Folders

    if output is not None:
        check_output(output, [each for each in (mocap, *(names or [])) if each])
    folders = Folders(runs, mocap, data, real)
    tables = [table(load_experiment(name), folders) for name in names or experiment_names()]
    _show("\n".join(["# Experiments\n", *tables]), output)


@experiments_app.command("complexity")
def experiments_complexity(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a Markdown file.")
    ] = None,
) -> None:
    """Count parameters and MACs of the networks of Tables 3 to 7."""
    require_training()
    from pstmo_core.experiments.catalogue import load_experiment
    from pstmo_core.experiments.report import complexity_page

    _show(complexity_page([load_experiment(f"table{number}") for number in range(3, 8)]), output)


def _show(text: str, output: Path | None) -> None:
    if output is None:
        say(text)
    else:
        write_text(output, text)
