"""`pstmo calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.atomic_files import check_output
from pstmo_core.cli.app import app, require_training, say


@app.command()
def calibrate(
    weights: Annotated[Path, typer.Argument(help="A safetensors file with sigma.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The calibrated file.")],
    mocap: Annotated[
        list[Path], typer.Option(help="Motion capture; several files by several options.")
    ],
    without_licence: Annotated[
        list[str], typer.Option(help="Leave out clips under this licence.")
    ] = [],
    windows: Annotated[int, typer.Option(min=100, help="Windows that are drawn.")] = 4000,
) -> None:
    """Calibrate sigma: 90 % of joints within 2.5 sigma.

    \b
    pstmo calibrate runs/lifter27/last.safetensors -o stmo_27.safetensors \\
        --mocap cmu_h36m17.npz --mocap motion_more.npz

    Uses the people of the validation split and keypoints with simulated detector errors. Estimated
    positions do not change.
    """  # noqa: D301
    check_output(output, [weights, *mocap])
    require_training()
    from pstmo_core.data.motion.motion_files import MotionFiles
    from pstmo_core.evaluation.calibration import calibrate as calibrated
    from pstmo_core.model.checkpoints import load_lifter, save_weights

    network = load_lifter(weights)
    files = MotionFiles(mocap)
    motion = files.of_split("val", without_licences=without_licence)
    files.require(motion, "val", "to calibrate on")
    factors = calibrated(network, motion, windows)
    save_weights(network, output)
    for head, values in factors.items():
        say(f"{head}: sigma times {values[1:].min():.2f} to {values[1:].max():.2f}")
    say(f"wrote {output}")
