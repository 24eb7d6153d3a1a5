"""`pstmo pretrain` and `pstmo train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.cli.app import app, require_training


@app.command()
def pretrain(
    config: Annotated[
        Path | None, typer.Argument(help="A run's YAML file, e.g. config/training/mpm27.yaml")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Values by name, e.g. masking.temporal_ratio=0.7 output=runs/mpm"),
    ] = None,
) -> None:
    """Stage I: pre-train SEM and TEM by masked pose modelling, for `train ... encoder=FILE`."""
    train(config, [*(overrides or []), "stage=pretrain"])


@app.command()
def train(
    config: Annotated[
        Path | None, typer.Argument(help="A run's YAML file, e.g. config/training/lifter27.yaml")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Values by name, e.g. optimiser.steps=1000 output=runs/short"),
    ] = None,
) -> None:
    """Stage II: train a network on motion capture seen by virtual cameras.

    A run that was stopped goes on from its last checkpoint when called again. Every value and its
    meaning: pstmo_core/training/config.py.
    """
    require_training()
    from pstmo_core.training.config import load_run_config
    from pstmo_core.training.engine import Trainer

    Trainer(load_run_config(config, overrides or [])).run()
