"""`pstmo evaluate`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.atomic_files import whole_file
from pstmo_core.cli.app import app, require_training
from pstmo_core.errors import PstmoError


class _Split(str, Enum):
    train = "train"
    val = "val"
    test = "test"


class _Dataset(str, Enum):
    h36m = "h36m"
    mpi_inf_3dhp = "mpi_inf_3dhp"
    mocap = "mocap"


@app.command()
def evaluate(
    weights: Annotated[Path, typer.Argument(help="A safetensors file.")],
    mocap: Annotated[Path | None, typer.Option(help="The motion-capture file.")] = None,
    split: Annotated[_Split, typer.Option(help="Split to measure on.")] = _Split.test,
    windows: Annotated[int, typer.Option(min=1, help="Windows a quality class.")] = 4000,
    dataset: Annotated[
        _Dataset | None, typer.Option(help="Measure on every frame of a data set's sequences.")
    ] = None,
    poses: Annotated[str, typer.Option(help="Human3.6M: data_3d_h36m.npz.")] = "",
    keypoints: Annotated[str, typer.Option(help="Human3.6M: a data_2d_h36m_*.npz.")] = "",
    train: Annotated[str, typer.Option(help="MPI-INF-3DHP: data_train_3dhp.npz.")] = "",
    test: Annotated[str, typer.Option(help="MPI-INF-3DHP: data_test_3dhp.npz.")] = "",
    tds: Annotated[
        int, typer.Option(help="Frames between neighbours in a window; 0: as the network asks.")
    ] = 0,
    flip: Annotated[
        bool, typer.Option("--flip/--no-flip", help="Average windows and their mirror images.")
    ] = True,
    refine: Annotated[Path | None, typer.Option(help="Weights of a refine module.")] = None,
    look_ahead: Annotated[
        int | None,
        typer.Option(help="Frames after the lifted one, by the all-frames head; default: MOFA."),
    ] = None,
    noise: Annotated[
        float, typer.Option(help="Sigma of noise on keypoints, in half image widths.")
    ] = 0.0,
    shuffle: Annotated[bool, typer.Option(help="Shuffle the frames of each window.")] = False,
    missing_joints: Annotated[float, typer.Option(help="Share of joints not seen.")] = 0.0,
    missing_frames: Annotated[float, typer.Option(help="Share of frames lost.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of noise, shuffle and what is missing.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write JSON.")] = None,
) -> None:
    """Measure a network.

    With --mocap alone: per quality class, before cameras of their own, the tables of its model
    card. With --dataset: on every valid frame of a data set's sequences, by the benchmark's
    protocol (docs/evaluation.md).
    """
    require_training()
    if dataset is None and mocap is None:
        raise PstmoError("name what to measure on: --mocap FILE, or --dataset with its files")
    if dataset is None:
        from pstmo_core.evaluation.model_card import measure, tables

        report = measure(weights, str(mocap), split.value, windows)
        text = tables(report)
    else:
        from pstmo_core.data.sequences.datasets import DatasetConfig
        from pstmo_core.evaluation.dataset import EvaluationProtocol
        from pstmo_core.evaluation.dataset_report import dataset_tables
        from pstmo_core.evaluation.robustness import Corruption
        from pstmo_core.evaluation.weights import evaluate_weights

        report = evaluate_weights(
            weights,
            DatasetConfig(dataset.value, poses, keypoints, train, test),
            EvaluationProtocol(
                tds=tds,
                flip=flip,
                look_ahead=look_ahead,
                corruption=Corruption(noise, shuffle, missing_joints, missing_frames, seed),
            ),
            split=split.value,
            mocap=mocap or "",
            refine=refine or "",
            device=device,
        )
        text = dataset_tables(report)
    typer.echo(text)
    if output is not None:
        with whole_file(output) as partial:
            partial.write_text(json.dumps(report, indent=1) + "\n")
