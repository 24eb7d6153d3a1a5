"""`pstmo bench real`."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from pstmo_core.atomic_files import check_folder
from pstmo_core.cli.app import LIST, numbers, words
from pstmo_core.cli.bench import commands, publish
from pstmo_core.cli.options import Model, StreamSettings
from pstmo_core.settings import read_assignments
from pstmo_core.streaming.config import PLAIN, StreamConfig


@commands.command()
def real(
    folder: Annotated[
        Path,
        typer.Argument(help="Recordings with a 3D reference: one npz a camera.", metavar="FOLDER"),
    ],
    look_ahead: Annotated[
        list[str], typer.Option(metavar=LIST, help="Look-aheads in frames of the window.")
    ] = ["0,13"],
    model: Model = "",
    setting: StreamSettings = [],
    parts: Annotated[
        bool,
        typer.Option(
            "--parts",
            help="Also measure, with the first look-ahead, without filters and with each "
            "filter alone.",
        ),
    ] = False,
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Give the lifter the cameras' calibration.")
    ] = False,
    gravity: Annotated[
        bool, typer.Option("--gravity", help="Give the lifter the direction of gravity.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for real.json and real.md.")
    ] = Path("benchmarks"),
) -> None:
    """Measure errors on real video.

    \b
    pstmo bench real RECORDINGS --look-ahead 0
    pstmo bench real RECORDINGS --look-ahead 0,4,13 --model stmo_live

    Each detector's recorded keypoints are lifted as the node would, and stand beside the
    detector's own 3D where it has one. scripts/make_reference.py makes such recordings from any
    calibrated cameras, so that you can measure on your own.
    """  # noqa: D301
    check_folder(output)
    from tqdm import tqdm

    from pstmo_core.bench.real import count_rows, measure_all
    from pstmo_core.bench.real_recordings import load_recordings
    from pstmo_core.bench.real_report import markdown, results
    from pstmo_core.runtime import load_runtime, shipped_model

    recordings = load_recordings(folder)
    runtime = load_runtime(model) if model else load_runtime()
    setting = list(words(setting))
    changed = read_assignments(StreamConfig, setting, "setting of the stream")
    ahead = [str(frames) for frames in numbers("--look-ahead", look_ahead, least=0)]
    configs = {word: StreamConfig(**{"look_ahead": int(word)} | changed) for word in ahead}
    if parts:
        configs |= alone(int(ahead[0]), changed)
    total = count_rows(recordings, len(configs))
    measured = measure_all(recordings, runtime, configs, calibrated, gravity)
    rows = list(tqdm(measured, "rows", total, delay=2))
    told = f"Settings: {', '.join(setting)}. " if setting else ""
    options = [("--look-ahead", ",".join(ahead))] if ahead != ["0", "13"] else []
    options += [("--model", model)] if model else []
    options += [("--set", each) for each in setting]
    flags = ["--parts"] * parts + ["--calibrated"] * calibrated + ["--gravity"] * gravity
    command = shlex.join(["pstmo", "bench", "real", str(folder), *sum(options, ()), *flags])
    text = markdown(rows, command, Path(model or shipped_model()).name, told)
    report = {
        "command": command,
        "settings": {name: dataclasses.asdict(config) for name, config in configs.items()},
        "rows": results(rows),
    }
    publish(output, "real", report, text)


def alone(look_ahead: int, changed: dict[str, Any]) -> dict[str, StreamConfig]:
    """Return settings by name: nothing made steady, and each part of it alone."""
    chosen = {"look_ahead": look_ahead} | changed
    steady = dataclasses.asdict(StreamConfig(**chosen))
    configs = {f"{look_ahead}, nothing": StreamConfig(**chosen | PLAIN)}
    for name in PLAIN:
        configs[f"{look_ahead}, {name}"] = StreamConfig(**chosen | PLAIN | {name: steady[name]})
    return configs
