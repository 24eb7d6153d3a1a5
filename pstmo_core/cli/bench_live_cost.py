"""`pstmo bench live-cost`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from pstmo_core.atomic_files import check_folder
from pstmo_core.cli.app import LIST, numbers, require_training
from pstmo_core.cli.bench import commands, publish


@commands.command("live-cost")
def live_cost(
    live: Annotated[
        Path | None, typer.Option(help="STMO-Live's ONNX file; the shipped one by default.")
    ] = None,
    window: Annotated[
        Path | None, typer.Option(help="The window network's; the shipped one by default.")
    ] = None,
    people: Annotated[list[str], typer.Option(metavar=LIST, help="Numbers of people.")] = [
        "1,2,4,16"
    ],
    backend: Annotated[str, typer.Option(help="What runs both networks.")] = "onnxruntime",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    turns: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 20,
    seconds: Annotated[float, typer.Option(min=0.0, help="Time of each case in a turn.")] = 0.1,
    frames: Annotated[
        int, typer.Option(min=0, help="Also push so many frames through a stream: does it grow?")
    ] = 0,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for live_cost.json and live_cost.md.")
    ] = Path("benchmarks"),
) -> None:
    """Measure what a streaming network costs.

    \b
    pstmo bench live-cost
    pstmo bench live-cost --live mine.onnx --frames 100000

    Against a window network, in the same run. Steps for 1, 2, 4 and 16 people, the lift of a clip,
    multiply-accumulates, memory. The weights of both networks must lie beside their ONNX files.
    Accuracy: `pstmo bench live`.
    """  # noqa: D301
    check_folder(output)
    require_training()
    from tqdm import tqdm

    from pstmo_core.bench.live_cost import Pair, long_stream, run_in_turns
    from pstmo_core.bench.live_cost_report import markdown
    from pstmo_core.bench.machine import describe_machine, machine
    from pstmo_core.keypoints.clip import load_clip
    from pstmo_core.runtime import shipped_model

    own = shipped_model()
    given = [("--live", live), ("--window", window), ("--frames", frames)]
    live, window = live or own.with_name("stmo_live.onnx"), window or own
    pair = Pair.load(live, window, threads, backend)
    steps, clips = pair.steps(numbers("--people", people)), pair.clips()
    reading = pair.reading()
    work = run_in_turns([*steps, reading, *clips], turns, seconds)
    for _ in tqdm(work, "turns", total=turns, delay=2):
        pass
    results: dict[str, Any] = {
        **machine(), "live": live.name, "window": window.name,
        "backend": backend, "threads": threads, "clip_frames": len(load_clip()),
        "steps": [case.result() for case in steps], "clips": [case.result() for case in clips],
        "reading": reading.result(),
        "counts": pair.counts(),
    }  # fmt: skip
    if frames:
        pushed = long_stream(pair.live, frames)
        *_, grown = tqdm(pushed, "frames", total=frames + 1, mininterval=2)
        results["long"] = grown
    options = [
        part
        for name, value in given
        if value
        for part in (name, getattr(value, "name", str(value)))
    ]
    command = shlex.join(["pstmo", "bench", "live-cost", *options])
    text = markdown(results, describe_machine(), command)
    publish(output, "live_cost", results, text)
