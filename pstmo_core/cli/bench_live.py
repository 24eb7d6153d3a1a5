"""`pstmo bench live`."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.atomic_files import check_folder
from pstmo_core.cli.app import LIST, require_training, words
from pstmo_core.cli.bench import commands, publish


@commands.command()
def live(
    mocap: Annotated[
        list[Path],
        typer.Option(help="Motion capture whose test split is lifted; several by several options."),
    ],
    models: Annotated[
        list[str],
        typer.Option(
            metavar=LIST,
            help="Networks: safetensors files, or ONNX files with the safetensors of the same name "
            "beside them; the shipped ones by default.",
        ),
    ] = [],
    scenes: Annotated[int, typer.Option(min=1, help="People, each before a camera.")] = 24,
    seconds: Annotated[float, typer.Option(min=2.5, help="Length of each.")] = 6.0,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for live.json and live.md.")
    ] = Path("benchmarks"),
) -> None:
    """Measure the errors of streams.

    \b
    pstmo bench live --mocap cmu_h36m17.npz --mocap motion_more.npz
    pstmo bench live --mocap FILE --models stmo_live.onnx,stmo_27.onnx

    At several frame rates and look-aheads, and with joints and frames missing. Motion before
    virtual cameras with a detector's errors goes through the streaming core; nothing is made
    steady. `pstmo figures live` draws the result.
    """  # noqa: D301
    check_folder(output)
    require_training()
    from tqdm import tqdm

    from pstmo_core.bench.streams import SITUATIONS, measure_all
    from pstmo_core.bench.streams import scenes as choose
    from pstmo_core.bench.streams_report import costs, markdown, results
    from pstmo_core.data.motion.motion_files import MotionFiles
    from pstmo_core.runtime import load_runtime, shipped_model

    files = [Path(model) for model in words(models)] or shipped(shipped_model())
    names = names_of(files)
    runtimes = {name: load_runtime(file) for name, file in zip(names, files, strict=True)}
    cost = {name: costs(file) for name, file in zip(names, files, strict=True)}
    captured = MotionFiles(mocap)
    motion = captured.of_split("test")
    captured.require(motion, "test", "to measure on")
    recorded = choose(motion, scenes, seconds)
    total = len(SITUATIONS) * len(runtimes)
    measured = measure_all(runtimes, recorded, seconds, SITUATIONS)
    rows = list(tqdm(measured, "situations", total, delay=2))
    options = [("--mocap", path.name) for path in mocap]
    if models:
        shown = (f"{name}{file.suffix}" for name, file in zip(names, files, strict=True))
        options.append(("--models", ",".join(shown)))
    command = shlex.join(["pstmo", "bench", "live", *sum(options, ())])
    if (scenes, seconds) != (24, 6.0):
        command += f" --scenes {scenes} --seconds {seconds:g}"
    text = markdown(rows, cost, command, len(recorded), seconds)
    report = {
        "command": command,
        "costs": {name: dataclasses.asdict(each) for name, each in cost.items()},
        "rows": results(rows),
    }
    publish(output, "live", report, text)


def names_of(files: Sequence[Path]) -> list[str]:
    """Name networks by their files, and by the folders too where files have the same name."""
    stems = [file.stem for file in files]
    return stems if len(set(stems)) == len(stems) else [str(file.with_suffix("")) for file in files]


def shipped(window: Path) -> list[Path]:
    """Return the files of the shipped networks: the window network's and the streaming one's."""
    return [window, window.with_name("stmo_live.onnx")]
