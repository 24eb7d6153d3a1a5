"""`pstmo evaluate`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.cli.app import app, require_training


class _Split(str, Enum):
    train = "train"
    val = "val"
    test = "test"


@app.command()
def evaluate(
    weights: Annotated[Path, typer.Argument(help="A safetensors file.")],
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    split: Annotated[_Split, typer.Option(help="Split to measure on.")] = _Split.test,
    windows: Annotated[int, typer.Option(min=1, help="Windows a quality class.")] = 4000,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write JSON.")] = None,
) -> None:
    """Measure a network per quality class, and print the tables of its model card."""
    require_training()
    from pstmo_core.model_card import measure, tables

    report = measure(weights, mocap, split.value, windows)
    typer.echo(tables(report))
    if output is not None:
        output.write_text(json.dumps(report, indent=1) + "\n")
