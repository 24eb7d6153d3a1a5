"""`pstmo bench real`."""

from __future__ import annotations

import dataclasses
import shlex
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from pstmo_core.cli.bench import commands, words
from pstmo_core.errors import ConfigError, PstmoError
from pstmo_core.streaming.config import StreamConfig


@commands.command()
def real(
    folder: Annotated[
        Path,
        typer.Argument(help="Recordings with a 3D reference: one npz a camera.", metavar="FOLDER"),
    ],
    look_ahead: Annotated[str, typer.Option(help="Look-aheads in frames of the window.")] = "0,13",
    model: Annotated[
        str, typer.Option(metavar="FILE", help="An ONNX file; the shipped network by default.")
    ] = "",
    setting: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A parameter of the node's stream other than its default, e.g. max_gap=0.2; "
            "several allowed.",
        ),
    ] = [],  # noqa: B006  (typer's way)
    calibrated: Annotated[
        bool, typer.Option("--calibrated", help="Tell the lifter the cameras' calibration.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for real.json and real.md.")
    ] = Path("benchmarks"),
) -> None:
    """Measure skeletons from real video against a 3D reference.

    Each detector's recorded keypoints are lifted as the node would, and stand beside the
    detector's own 3D where it has one. scripts/make_reference.py makes such recordings from any
    calibrated cameras, so that you can measure on your own.
    """
    from tqdm import tqdm

    from pstmo_core.bench.real import count_rows, measure_all
    from pstmo_core.bench.real_recordings import load_recordings
    from pstmo_core.bench.real_report import markdown, results
    from pstmo_core.bench.report import write_report
    from pstmo_core.runtime import load_runtime, shipped_model

    recordings = load_recordings(folder)
    runtime = load_runtime(model) if model else load_runtime()
    changed = stream_settings(setting)
    configs = {word: _config(word, changed) for word in words(look_ahead)}
    total = count_rows(recordings, len(configs))
    measured = measure_all(recordings, runtime, configs, calibrated)
    rows = list(tqdm(measured, "rows", total, delay=2))
    told = f"Settings: {', '.join(setting)}. " if setting else ""
    options = [("--look-ahead", look_ahead)] if look_ahead != "0,13" else []
    options += [("--model", model)] if model else []
    options += [("--set", each) for each in setting]
    flags = ["--calibrated"] if calibrated else []
    command = shlex.join(["pstmo", "bench", "real", str(folder), *sum(options, ()), *flags])
    text = markdown(rows, command, Path(model or shipped_model()).name, told)
    typer.echo(text)
    report = {
        "date": date.today().isoformat(),
        "command": command,
        "settings": {name: dataclasses.asdict(config) for name, config in configs.items()},
        "rows": results(rows),
    }
    for path in write_report(output, "real", report, text):
        typer.echo(path)


def _config(look_ahead: str, changed: dict[str, Any]) -> StreamConfig:
    if not look_ahead.isdecimal():
        raise PstmoError(f"--look-ahead is {look_ahead!r}, but must be whole numbers, as in 0,13")
    return StreamConfig(**{"look_ahead": int(look_ahead)} | changed)


_BOOLEANS = {"true": True, "false": False}


def stream_settings(assignments: list[str]) -> dict[str, Any]:
    """Read settings of the stream from texts NAME=VALUE.

    Raises:
        ConfigError: if one is not known, or its value is of another kind.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(StreamConfig)}
    values: dict[str, Any] = {}
    for text in assignments:
        name, _, value = text.partition("=")
        if name not in defaults:
            raise ConfigError(f"no setting of the stream is {name!r}: {', '.join(defaults)}")
        kind: type = type(defaults[name])
        try:
            values[name] = _BOOLEANS[value.lower()] if kind is bool else kind(value)
        except (ValueError, KeyError) as error:
            must = {bool: "true or false", int: "a whole number"}.get(kind, "a number")
            raise ConfigError(f"{name} is {value!r}, but must be {must}") from error
    return values
