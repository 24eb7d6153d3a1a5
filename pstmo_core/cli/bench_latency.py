"""`pstmo bench latency`."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pstmo_core.atomic_files import check_folder
from pstmo_core.cli.app import LIST, numbers, require_training, words
from pstmo_core.cli.bench import commands, publish
from pstmo_core.cli.options import BaselineName, Turns

if TYPE_CHECKING:
    from pstmo_core.bench.latency import Matrix, Measured

_List = list[str]


@commands.command()
def latency(
    windows: Annotated[
        _List,
        typer.Option(
            metavar=LIST,
            help="Windows of the authors' architecture, 'shipped', or safetensors files of yours.",
        ),
    ] = ["shipped,27,81,243"],
    people: Annotated[_List, typer.Option(metavar=LIST, help="Numbers of people in a batch.")] = [
        "1,4,16"
    ],
    backends: Annotated[_List, typer.Option(metavar=LIST, help="Backends.")] = [
        "onnxruntime,openvino,torch"
    ],
    precisions: Annotated[_List, typer.Option(metavar=LIST, help="Precisions.")] = ["fp32,bf16"],
    threads: Annotated[_List, typer.Option(metavar=LIST, help="Numbers of CPU threads.")] = ["1"],
    turns: Turns = 10,
    seconds: Annotated[float, typer.Option(min=0.0, help="Time of each case in a turn.")] = 0.1,
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="Python file with make_forward(frames), which returns a function of one window "
            "(1, F, 17, 2) of torch, say of the authors: measured in turns with the rest, "
            "as the plain forward of ours always is. The file is run."
        ),
    ] = None,
    baseline_name: BaselineName = "",
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for latency.json and latency.md.")
    ] = Path("benchmarks"),
) -> None:
    """Measure the time of one step of a stream.

    \b
    pstmo bench latency --windows shipped --backends onnxruntime --precisions fp32
    pstmo bench latency --threads 1,2 --turns 3
    pstmo bench latency --windows shipped,runs/own/best.safetensors

    Each network with each number of people, backend, precision and number of threads.
    Compared with the same networks as the published code computes them, in the same run.
    """  # noqa: D301
    check_folder(output)
    require_training()
    from pstmo_core.bench.foreign_code import load_function
    from pstmo_core.bench.latency import Matrix
    from pstmo_core.bench.latency_report import markdown
    from pstmo_core.bench.machine import machine
    from pstmo_core.bench.precision import precision_costs

    matrix = Matrix(
        numbers("--people", people),
        words(backends),
        words(precisions),
        numbers("--threads", threads),
        turns,
        seconds,
    )
    make = load_function(baseline, "make_forward") if baseline else None
    measured = _measure(words(windows), matrix, make)
    costs = precision_costs(matrix.backends, matrix.precisions)
    results = {
        **machine(),
        "networks": [dataclasses.asdict(each) for each in measured],
        "precision": [dataclasses.asdict(each) for each in costs],
    }
    name = (baseline_name or f"`{baseline.name}`") if baseline else ""
    text = markdown(measured, costs, name)
    publish(output, "latency", results, text)


def _measure(
    windows: Sequence[str], matrix: Matrix, make: Callable[..., Any] | None
) -> list[Measured]:
    """Measure the networks of these windows one after the other, with a progress bar for each."""
    from tqdm import tqdm

    from pstmo_core.bench.latency import measure_network
    from pstmo_core.bench.networks import Network

    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="pstmo_bench_") as folder:
        for word in windows:
            if word == "shipped":
                network = Network.shipped()
            elif word.endswith(".safetensors"):
                network = Network.own(Path(word), Path(folder))
            else:
                (frames,) = numbers("--windows", word)
                network = Network.authors(frames, Path(folder))
            work = measure_network(network, matrix, make)
            for step in tqdm(work, f"{network.name}, turns", total=matrix.turns + 1):
                measured += [step] if step is not None else []
    return measured
