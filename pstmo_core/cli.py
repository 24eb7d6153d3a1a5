"""The command `pstmo`."""

from __future__ import annotations

import json
import logging
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from tqdm import tqdm

from pstmo_core.clip import load_clip
from pstmo_core.errors import PstmoError
from pstmo_core.metrics import mpjpe, p_mpjpe
from pstmo_core.predict import Prediction, predict
from pstmo_core.runtime import load_runtime
from pstmo_core.streaming.config import StreamConfig

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="P-STMO: lifts 2D keypoints of people to 3D skeletons; trains, measures and exports the "
    "networks that do it.",
)
data_app = typer.Typer(no_args_is_help=True, help="Data files: what they are and hold.")
app.add_typer(data_app, name="data")
_INTERRUPTED = 130


class _Split(str, Enum):
    train = "train"
    val = "val"
    test = "test"


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
) -> None:
    """Lift a recorded clip, with the same numbers as the ROS node.

    Writes joints (F, P, 17, 3) in metres relative to the pelvis, x right, y down, z forward, with
    stamps, confidence, observed, ids and joint_names.
    """
    recorded = load_clip(clip, fps=fps, size=size, layout=layout)
    runtime = load_runtime(model, threads)
    typer.echo(runtime.describe())
    config = StreamConfig(look_ahead=look_ahead, focal=focal)
    with tqdm(total=len(recorded.stamps), unit="frame", delay=1) as bar:
        prediction = predict(recorded, runtime, config, lambda done: bar.update(done - bar.n))
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
    _require_training()
    from pstmo_core.training.config import load_run_config
    from pstmo_core.training.engine import Trainer

    Trainer(load_run_config(config, overrides or [])).run()


@app.command()
def evaluate(
    weights: Annotated[Path, typer.Argument(help="A safetensors file.")],
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    split: Annotated[_Split, typer.Option(help="Split to measure on.")] = _Split.test,
    windows: Annotated[int, typer.Option(min=1, help="Windows a quality class.")] = 4000,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write JSON.")] = None,
) -> None:
    """Measure a network per quality class, and print the tables of its model card."""
    _require_training()
    from pstmo_core.model_card import measure, tables

    report = measure(weights, mocap, split.value, windows)
    typer.echo(tables(report))
    if output is not None:
        output.write_text(json.dumps(report, indent=1) + "\n")


@app.command()
def export(
    weights: Annotated[Path, typer.Argument(help="A safetensors file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The ONNX file to write.")],
) -> None:
    """Write a network as ONNX, checked against torch."""
    _require_training()
    from pstmo_core.checkpoints import load_weights
    from pstmo_core.export import export_onnx

    difference = export_onnx(load_weights(weights), output)
    typer.echo(f"wrote {output}; largest difference from torch {difference:.1e} m")


@app.command("import-official")
def import_official(
    file: Annotated[Path, typer.Argument(help="A .pth file written by the authors' code.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The safetensors to write.")],
    step: Annotated[
        float, typer.Option(help="Seconds between the frames that it was trained on.")
    ] = 0.04,
) -> None:
    """Turn a checkpoint of the authors into a weight file of this project.

    Stage I, stage II and the refine module are told apart by their weights. Nothing in the file is
    executed. Their network for in-the-wild videos takes keypoints in COCO's order.
    """
    _require_training()
    from pstmo_core.checkpoints import load_official, read_state_dict, save_weights

    state = read_state_dict(file)
    model, config = load_official(state, step)
    save_weights(model, output)
    typer.echo(f"wrote {output}: {type(model).__name__}, {config}")


@data_app.command("check")
def data_check(
    files: Annotated[list[Path], typer.Argument(help="npz files of a data set, or of a clip.")],
) -> None:
    """Say what data files are, what is in them, and what is wrong with them.

    Knows Human3.6M, MPI-INF-3DHP, in-the-wild keypoints, motion capture and keypoint clips. Given
    both poses and keypoints of Human3.6M, it checks that they fit. Nothing in a file is executed.
    """
    from pstmo_core.data.check import check_files

    for report in check_files(files):
        typer.echo(str(report))


def _require_training() -> None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise PstmoError(
            "this command needs torch and its companions: "
            "pip install -e '.[train]' in the repository"
        ) from error


def main() -> None:
    """Run the command; errors of use end in one sentence and exit code 2."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        app(prog_name="pstmo")
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except (PstmoError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
