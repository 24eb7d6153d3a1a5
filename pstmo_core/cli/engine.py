"""`pstmo engine build | list | clear`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pstmo_core.cli.app import group, say

engine_app = group("engine", "TensorRT engines: build, list and delete them.")

Folder = Annotated[
    Path | None, typer.Option("--cache", help="Folder of engines; XDG's cache folder unless given.")
]


@engine_app.command("build")
def engine_build(
    model: Annotated[
        Path | None, typer.Argument(help="An ONNX file of 'pstmo export'; else the shipped one.")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32 or fp16.")] = "fp32",
    people: Annotated[int, typer.Option(help="Most people in one batch.")] = 8,
    module: Annotated[
        str, typer.Option(help="Python module of TensorRT: tensorrt or tensorrt_rtx.")
    ] = "tensorrt",
    cache: Folder = None,
) -> None:
    """Build a network's engine for this machine's GPU.

    \b
    pstmo engine build
    pstmo engine build mine.onnx --precision fp16 --people 4

    It is checked and kept.
    The nodes and 'pstmo lift' do so by themselves when they first need it; built ahead of time,
    an engine serves from the first frame.
    """  # noqa: D301
    from pstmo_core.runtime import onnx, shipped_model
    from pstmo_core.runtime.kind import holds_live
    from pstmo_core.runtime.live import onnx as live_onnx
    from pstmo_core.runtime.live import tensorrt as live_tensorrt
    from pstmo_core.runtime.tensorrt import backend
    from pstmo_core.runtime.tensorrt.build import EngineConfig
    from pstmo_core.runtime.tensorrt.engine_cache import EngineCache
    from pstmo_core.runtime.tensorrt.machine import GpuMachine

    config = EngineConfig(precision, people, module=module)
    path = model or shipped_model()
    live = holds_live(path)
    if live:
        live_tensorrt.require_fp32(precision)
    machine = GpuMachine.here(module)
    # Both kinds offer the same functions, each for runtimes of its own kind.
    kind: Any = live_tensorrt if live else backend
    cpu: Any = (live_onnx if live else onnx).load(path, 1, "fp32")
    runtime = kind.load_engine(path, cpu, machine, config, EngineCache(cache), say)
    say(
        f"{runtime.describe()}, on {machine.device.name}; largest difference from ONNX Runtime "
        f"{kind.check(runtime, cpu, people):.1e} of the largest coordinate"
    )


@engine_app.command("list")
def engine_list(cache: Folder = None) -> None:
    """List the engines that are kept."""
    from pstmo_core.runtime.tensorrt.engine_cache import EngineCache

    engines = EngineCache(cache)
    entries = engines.entries()
    say(f"{engines.folder}: {len(entries) or 'no'} engines")
    for entry in entries:
        say(f"{entry.name}  {entry.size / 1e6:6.1f} MB  {entry.description}")


@engine_app.command("clear")
def engine_clear(cache: Folder = None) -> None:
    """Delete all engines; they are built again when needed."""
    from pstmo_core.runtime.tensorrt.engine_cache import EngineCache

    engines = EngineCache(cache)
    say(f"{engines.folder}: {engines.clear()} engine(s) deleted")
