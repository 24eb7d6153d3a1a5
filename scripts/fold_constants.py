r"""Fold what is constant in a trained window network's tokens into its biases.

    python scripts/fold_constants.py runs/lifter27/last.safetensors runs/lifter27/run.yaml \
        -o folded.safetensors

It answers as before (the head of all frames to rounding, MOFA to millimetres) and loses several
times less in bf16 and fp16, see pstmo_core/model/conditioning.py. The run's configuration says what
windows look like.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from pstmo_core.atomic_files import check_output
from pstmo_core.cli.app import run_script
from pstmo_core.model.checkpoints import load_weights, save_weights
from pstmo_core.model.conditioning import fold_constants
from pstmo_core.training.config import load_run_config
from pstmo_core.training.sources import make_source, motion_of


def main(
    weights: Annotated[Path, typer.Argument(help="Safetensors file of a window network.")],
    run: Annotated[Path, typer.Argument(help="YAML file of the run that trained it.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    windows: Annotated[int, typer.Option(help="How many windows to look at.")] = 1200,
) -> None:
    """Write the folded network and say how far its answers moved."""
    check_output(output, [weights, run])
    model = load_weights(weights)
    config = load_run_config(run, [])
    source = make_source(config, torch.device("cpu"), motion_of(config))
    frames = source.draw(0, windows, slice(None)).frames
    with torch.no_grad():
        before = model(frames)
        fold_constants(model, frames)
        after = model(frames)
    for name, old, new in zip(("all frames", "target frame"), before, after, strict=True):
        moved = (new - old)[..., :3].norm(dim=-1) * 1e3
        typer.echo(f"{name}: joints moved by {moved.mean():.4f} mm, at most {moved.max():.3f}")
    save_weights(model, output)


if __name__ == "__main__":
    run_script(main)
