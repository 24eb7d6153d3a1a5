"""`pstmo export` and `pstmo import-official`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.atomic_files import check_output
from pstmo_core.cli.app import app, require_training, say


@app.command()
def export(
    weights: Annotated[Path, typer.Argument(help="A safetensors file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The ONNX file to write.")],
    kind: Annotated[
        str,
        typer.Option(
            help="step: new frames and kept ones, for CPUs; window: whole windows, for TensorRT or "
            "use elsewhere; both: two graphs in one file that share weights, as nodes and commands "
            "expect."
        ),
    ] = "both",
) -> None:
    """Write a network as ONNX, checked against torch.

    \b
    pstmo export runs/lifter27/best.safetensors -o mine.onnx
    ros2 launch pstmo_ros lifter.launch.py model:=$PWD/mine.onnx camera:=0

    Weight file and ONNX file state the kind of network; nodes, `pstmo lift` and `pstmo.Lifter`
    accept both kinds. --kind is for window networks (STMO).
    """  # noqa: D301
    check_output(output, [weights])
    require_training()
    from pstmo_core.model.checkpoints import load_live, load_weights
    from pstmo_core.runtime.kind import holds_live
    from pstmo_core.runtime.live.export import export_live
    from pstmo_core.runtime.onnx_export import ExportError, export_onnx

    if holds_live(weights):
        if kind != "both":
            raise ExportError(f"--kind {kind} is for networks STMO, but {weights} is STMO-Live's")
        difference = export_live(load_live(weights), output)
    else:
        difference = export_onnx(load_weights(weights), output, kind)
    say(f"wrote {output}; largest difference from torch {difference:.1e} m")


class _Joints(str, Enum):
    h36m17 = "h36m17"
    coco17 = "coco17"
    mpi_inf_3dhp17 = "mpi_inf_3dhp17"


@app.command("import-official")
def import_official(
    file: Annotated[Path, typer.Argument(help="A .pth file written by the authors' code.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The safetensors to write.")],
    step: Annotated[
        float, typer.Option(help="Seconds between the frames that it was trained on.")
    ] = 0.04,
    joints: Annotated[
        _Joints | None,
        typer.Option(
            help="Joint order of the keypoints that it was trained on, which the weight file is to "
            "state; nothing in FILE says so."
        ),
    ] = None,
) -> None:
    """Turn a checkpoint of the authors into a weight file.

    \b
    pstmo import-official model_27_4321.pth -o official.safetensors
    pstmo evaluate official.safetensors --dataset h36m --poses FILE --keypoints FILE

    Stage I, stage II and the refine module are told apart by their weights. Nothing in the file is
    executed. Their network for in-the-wild videos takes keypoints in COCO's order: --joints coco17.
    """  # noqa: D301
    check_output(output, [file])
    require_training()
    from pstmo_core.model.checkpoints import (
        CheckpointError,
        load_official,
        read_state_dict,
        save_weights,
    )
    from pstmo_core.model.trained_on import TrainedOn

    state = read_state_dict(file)
    try:
        model, config = load_official(state, step)
    except CheckpointError as error:
        raise CheckpointError(f"{file}: {error}") from error
    if joints is not None:
        poses = joints if joints == _Joints.mpi_inf_3dhp17 else _Joints.h36m17
        model.trained_on = TrainedOn(joints.value, poses.value)
    save_weights(model, output)
    say(f"wrote {output}: {type(model).__name__}, {config}")
