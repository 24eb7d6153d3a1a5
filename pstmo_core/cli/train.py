"""`pstmo pretrain` and `pstmo train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.cli.app import app, require_training


@app.command()
def pretrain(
    config: Annotated[
        Path | None,
        typer.Argument(help="A run: a shipped one's name (mpm27), a YAML file, or a run's folder."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Values by name, e.g. masking.temporal_ratio=0.7 output=runs/mpm"),
    ] = None,
) -> None:
    """Stage I: pre-train by masked pose modelling.

    \b
    pstmo pretrain mpm27 mocap=cmu_h36m17.npz
    pstmo train lifter27_start mocap=cmu_h36m17.npz encoder=runs/mpm27/best.safetensors

    SEM and TEM of the result are the `encoder` of `pstmo train`. Interrupting, resuming, several
    processes and values: as with `pstmo train`.
    """  # noqa: D301
    train(config, [*(overrides or []), "stage=pretrain"])


@app.command()
def train(
    config: Annotated[
        Path | None,
        typer.Argument(
            help="A run: a shipped one's name (lifter27), a YAML file, or a run's folder."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Values by name, e.g. optimiser.steps=1000 output=runs/short"),
    ] = None,
) -> None:
    """Stage II: train a network on motion capture.

    \b
    pstmo train lifter27_start mocap=test/data/mocap_excerpt.npz optimiser.steps=1000
    pstmo train runs/lifter27_start optimiser.steps=2000

    The motion is seen by virtual cameras; data sets with cameras can be used, too
    (docs/evaluation.md).

    A run that was stopped, by Ctrl-C too, resumes from its last checkpoint when called again.

    On several GPUs or in several processes: torchrun --nproc-per-node 2 -m pstmo_core.cli train ...

    Every value and its meaning: pstmo_core/training/config.py. More: docs/training.md.
    """  # noqa: D301
    require_training()
    from pstmo_core.training.config import load_run_config
    from pstmo_core.training.distributed import join_processes
    from pstmo_core.training.engine import Trainer
    from pstmo_core.training.recipes import recipe_path

    values = list(overrides or [])
    if config is not None and "=" in str(config) and not config.exists():  # values, and no file
        values, config = [str(config), *values], None
    run = load_run_config(config and recipe_path(config), values)
    with join_processes(run.device) as processes:
        Trainer(run, processes).run()
