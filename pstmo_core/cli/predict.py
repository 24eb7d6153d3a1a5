"""`pstmo predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from pstmo_core.cli.app import app
from pstmo_core.evaluation.metrics import mpjpe, p_mpjpe
from pstmo_core.keypoints.clip import load_clip
from pstmo_core.runtime import BACKENDS, PRECISIONS, load_runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import Prediction, lift_clip


@app.command("predict")
def predict_command(
    clip: Annotated[Path, typer.Argument(help="Keypoints: npz or JSON, see docs/formats.md.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The npz to write.")],
    model: Annotated[
        Path | None, typer.Option(help="An ONNX file; the shipped network by default.")
    ] = None,
    look_ahead: Annotated[
        int, typer.Option(help="Frames of the window after the target; 0 is live use.")
    ] = StreamConfig.look_ahead,
    focal: Annotated[
        float, typer.Option(help="Focal length in pixels; 0 assumes a usual one.")
    ] = StreamConfig.focal,
    fps: Annotated[float | None, typer.Option(help="Frame rate, if the file has none.")] = None,
    size: Annotated[
        tuple[int, int] | None, typer.Option(help="Image width and height, likewise.")
    ] = None,
    layout: Annotated[str | None, typer.Option(help="Layout of the points, likewise.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the network.")] = 1,
    backend: Annotated[
        str, typer.Option(help=f"auto, or one of {', '.join(BACKENDS)}, which it tries in turn.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help=f"Of the matrix products: one of {', '.join(PRECISIONS)}.")
    ] = "fp32",
) -> None:
    """Lift a recorded clip, with the same numbers as the ROS node.

    Writes joints (F, P, 17, 3) in metres relative to the pelvis, x right, y down, z forward, with
    stamps, confidence, observed, ids and joint_names.
    """
    recorded = load_clip(clip, fps=fps, size=size, layout=layout)
    runtime = load_runtime(model, threads, backend, precision)
    typer.echo(runtime.explain())
    config = StreamConfig(look_ahead=look_ahead, focal=focal)
    with tqdm(total=len(recorded.stamps), unit="frame", delay=1) as bar:
        prediction = lift_clip(recorded, runtime, config, lambda done: bar.update(done - bar.n))
    prediction.save(output)
    _report(prediction, recorded.truth)
    typer.echo(f"wrote {output}")


def _report(prediction: Prediction, truth: np.ndarray | None) -> None:
    lifted = np.isfinite(prediction.joints).any((-2, -1))
    typer.echo(f"{lifted.any(-1).sum()} of {len(lifted)} frames lifted; {prediction.counters}")
    if truth is not None:
        whole = np.isfinite(prediction.joints).all((-2, -1)) & np.isfinite(truth).all((-2, -1))
        errors = [m(prediction.joints[whole], truth[whole]).mean() * 1e3 for m in (mpjpe, p_mpjpe)]
        typer.echo(f"error against truth: MPJPE {errors[0]:.1f} mm, P-MPJPE {errors[1]:.1f} mm")
