"""`pstmo evaluate`."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.atomic_files import check_output, write_text
from pstmo_core.cli.app import app, require_training, say
from pstmo_core.errors import PstmoError


class _Split(str, Enum):
    train = "train"
    val = "val"
    test = "test"


class _Dataset(str, Enum):
    h36m = "h36m"
    mpi_inf_3dhp = "mpi_inf_3dhp"
    clips = "clips"


class _Protocol(str, Enum):
    windows = "windows"
    sequences = "sequences"


class _By(str, Enum):
    quality = "class"
    action = "action"
    posture = "posture"
    actor = "actor"


_Weights = Annotated[Path, typer.Argument(help="A safetensors file.")]
_Mocap = Annotated[
    list[Path] | None,
    typer.Option(
        help="Measure on the motion capture in this file; with the protocol windows, on several by "
        "several options."
    ),
]
_DatasetOption = Annotated[
    _Dataset | None, typer.Option(help="Measure on a licensed data set, or on clips of your own.")
]
_ProtocolOption = Annotated[
    _Protocol | None,
    typer.Option(
        help="windows: random windows, each seen by a virtual camera of its own (--mocap's "
        "default); sequences: every valid frame, seen by static cameras."
    ),
]
_SplitOption = Annotated[_Split, typer.Option(help="Split to measure on.")]
_Windows = Annotated[
    int, typer.Option(min=1, help="Windows per quality class, of the protocol windows.")
]
_ByOption = Annotated[
    _By, typer.Option(help="What the tables of the protocol windows have a row for.")
]
_Poses = Annotated[str, typer.Option(help="Human3.6M: data_3d_h36m.npz.")]
_Keypoints = Annotated[str, typer.Option(help="Human3.6M: a data_2d_h36m_*.npz.")]
_Train = Annotated[
    str, typer.Option(help="MPI-INF-3DHP: data_train_3dhp.npz; clips: a file or folder.")
]
_Test = Annotated[
    str, typer.Option(help="MPI-INF-3DHP: data_test_3dhp.npz; clips: a file or folder.")
]
_Tds = Annotated[
    int, typer.Option(help="Frames between neighbours in a window; 0: as the network asks.")
]
_Flip = Annotated[
    bool, typer.Option("--flip/--no-flip", help="Average windows and their mirror images.")
]
_Refine = Annotated[Path | None, typer.Option(help="Weights of a refine module.")]
_LookAhead = Annotated[
    int | None,
    typer.Option(help="Frames after the lifted one, by the all-frames head; default: MOFA."),
]
_Noise = Annotated[float, typer.Option(help="Sigma of noise on keypoints, in half image widths.")]
_Shuffle = Annotated[bool, typer.Option(help="Shuffle the frames of each window.")]
_MissingJoints = Annotated[float, typer.Option(help="Share of joints not seen.")]
_MissingFrames = Annotated[float, typer.Option(help="Share of frames lost.")]
_Seed = Annotated[int, typer.Option(help="Of noise, shuffle and what is missing.")]
_Device = Annotated[str, typer.Option(help="cpu, cuda or auto.")]
_Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write JSON.")]


@app.command()
def evaluate(
    context: typer.Context,
    weights: _Weights,
    mocap: _Mocap = None,
    dataset: _DatasetOption = None,
    protocol: _ProtocolOption = None,
    split: _SplitOption = _Split.test,
    windows: _Windows = 4000,
    by: _ByOption = _By.quality,
    poses: _Poses = "",
    keypoints: _Keypoints = "",
    train: _Train = "",
    test: _Test = "",
    tds: _Tds = 0,
    flip: _Flip = True,
    refine: _Refine = None,
    look_ahead: _LookAhead = None,
    noise: _Noise = 0.0,
    shuffle: _Shuffle = False,
    missing_joints: _MissingJoints = 0.0,
    missing_frames: _MissingFrames = 0.0,
    seed: _Seed = 0,
    device: _Device = "auto",
    output: _Output = None,
) -> None:
    """Measure the accuracy of a network.

    \b
    pstmo evaluate FILE --mocap cmu_h36m17.npz        the tables of the model card
    pstmo evaluate FILE --mocap motion_more.npz --by action
    pstmo evaluate FILE --mocap cmu_h36m17.npz --protocol sequences
    pstmo evaluate FILE --dataset h36m --poses FILE --keypoints FILE
    pstmo evaluate FILE --dataset clips --test FOLDER

    docs/evaluation.md describes the protocols. --tds and the options after it, except for --flip
    and --output, belong to the protocol sequences.
    """  # noqa: D301
    chosen = _choose_protocol(dataset, mocap, protocol, context)
    if output is not None:
        read = (weights, *(mocap or []), refine, poses, keypoints, train, test)
        check_output(output, [each for each in read if each])
    require_training()
    if chosen == _Protocol.windows:
        from pstmo_core.bench.model_card import measure, tables

        report = measure(weights, mocap or [], split.value, windows, by.value, flip)
        text = tables(report)
    else:
        from pstmo_core.data.sequences.datasets import DatasetConfig
        from pstmo_core.evaluation.dataset import EvaluationProtocol
        from pstmo_core.evaluation.dataset_report import dataset_tables
        from pstmo_core.evaluation.robustness import Corruption
        from pstmo_core.evaluation.weights import evaluate_weights

        report = evaluate_weights(
            weights,
            DatasetConfig(dataset.value if dataset else "mocap", poses, keypoints, train, test),
            EvaluationProtocol(
                tds=tds,
                flip=flip,
                look_ahead=look_ahead,
                corruption=Corruption(noise, shuffle, missing_joints, missing_frames, seed),
            ),
            split=split.value,
            mocap=mocap[0] if mocap else "",
            refine=refine or "",
            device=device,
        )
        text = dataset_tables(report)
    say(text)
    if output is not None:
        write_text(output, json.dumps(report, indent=1) + "\n")


_OF_SEQUENCES = (
    "poses", "keypoints", "train", "test", "tds", "refine", "look_ahead", "noise",
    "shuffle", "missing_joints", "missing_frames", "seed", "device",
)  # fmt: skip


def _choose_protocol(
    dataset: _Dataset | None,
    mocap: list[Path] | None,
    protocol: _Protocol | None,
    context: typer.Context,
) -> _Protocol:
    """Return how to measure on the data that were named.

    Raises:
        PstmoError: if no data or two kinds were named, or options of another protocol.
    """
    if (dataset is None) == (not mocap):
        raise PstmoError("name what to measure on: --mocap FILE, or --dataset with its files")
    usual = _Protocol.windows if dataset is None else _Protocol.sequences
    chosen = protocol or usual
    if dataset is not None and chosen == _Protocol.windows:
        raise PstmoError("--protocol windows needs motion capture, --mocap FILE")
    if chosen == _Protocol.sequences and mocap and len(mocap) > 1:
        raise PstmoError("--protocol sequences takes one file: give --mocap once")
    foreign = _OF_SEQUENCES if chosen == _Protocol.windows else ("windows", "by")
    for name in foreign:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            other = "sequences" if chosen == _Protocol.windows else "windows"
            option = f"--{name.replace('_', '-')}"
            raise PstmoError(f"{option} is of the protocol {other}: add --protocol {other}")
    return chosen
