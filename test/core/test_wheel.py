"""The wheel, installed in an environment of its own and away from the repository, does it all."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
from library_wheel import ROOT, Ending, InstalledWheel

import pstmo_core
from pstmo_core.cli.commands import app

SAMPLE = str(ROOT / "pstmo_core" / "samples" / "sample.npz")
MOCAP = str(ROOT / "test" / "data" / "mocap_excerpt.npz")
SMALL = ["model.width=32", "model.sem_width=32", "model.feedforward=32", "model.layers=1",
         "optimiser.batch=4"]  # fmt: skip
SHORT = [*SMALL, "optimiser.steps=2", "validation_windows=4", "threads=1"]
ONCE = ["--turns", "1"]
WEIGHTS = "run/best.safetensors"
#: The main path of every command, in an order in which each finds what it needs: its arguments,
#: and a word of what it prints.
MAIN_PATHS: dict[str, tuple[list[str], str]] = {
    "lift": ([SAMPLE, "-o", "sample.npz"], "360 frames"),
    "tilt": ([SAMPLE], "tilt"),
    "data check": ([SAMPLE], "frames"),
    "pretrain": (["mpm27", f"mocap={MOCAP}", *SHORT, "output=mpm"], ""),
    "train": (["lifter27_start", f"mocap={MOCAP}", *SHORT, "model.sigma=true", "output=run",
               "encoder=mpm/best.safetensors"], ""),
    "calibrate": ([WEIGHTS, "-o", "m.safetensors", "--mocap", MOCAP, "--windows", "100"], ""),
    "export": (["m.safetensors", "-o", "m.onnx"], "largest difference from torch"),
    "evaluate": ([WEIGHTS, "--mocap", MOCAP, "--windows", "4"], "MPJPE"),
    "import-official": (["theirs.pth", "-o", "ours.safetensors"], "STMO"),
    "figures attention": ([WEIGHTS, "-o", "attention.png"], "wrote"),
    "figures reconstruction": (["mpm/best.safetensors", "-o", "reconstruction.png"], "wrote"),
    "figures skeletons": (["--model", "m.onnx", "-o", "skeletons.png"], "wrote"),
    "experiments list": ([], "table1"),
    "experiments run": (["mocap_data", "as shipped", "--mocap", MOCAP, *SHORT], ""),
    "experiments report": (["mocap_data", "--mocap", MOCAP], "as shipped"),
    "experiments complexity": ([], "Table"),
    "bench train": ([f"mocap={MOCAP}", *SMALL, "--steps", "1", "--precisions", "fp32", *ONCE], ""),
    "bench latency": (["--windows", "shipped", "--people", "1", "--backends", "onnxruntime",
                       "--precisions", "fp32", "--seconds", "0.01", *ONCE], "latency.md"),
    "bench live": (["--mocap", MOCAP, "--models", "m.onnx", "--scenes", "1", "--seconds", "2.5"],
                   "live.md"),
    "figures live": (["benchmarks/live.json", "-o", "live.png"], "wrote"),
    "bench real": (["recordings", "--look-ahead", "0"], "real.md"),
    "bench live-cost": (["--people", "1", "--seconds", "0.01", *ONCE], "live_cost.md"),
    "engine list": (["--cache", "engines"], "no engines"),
    "engine clear": (["--cache", "engines"], ""),
}  # fmt: skip
#: Commands without a main path here, and why.
NO_PATH = {
    "engine build": "it needs TensorRT, or a stand-in (test/core/test_tensorrt_live.py)",
    "predict": "it only says its new name (test/core/test_cli.py)",
}


@pytest.fixture(scope="module")
def endings(
    installed_wheel: InstalledWheel, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Ending]:
    """How the commands of `MAIN_PATHS` ended, in a folder away from the repository."""
    torch = pytest.importorskip("torch", reason="most commands need torch")
    from official_reference import random_state
    from recorded_views import write_view

    folder = tmp_path_factory.mktemp("elsewhere")
    torch.save(random_state("stage_two"), folder / "theirs.pth")
    (folder / "recordings").mkdir()
    write_view(folder / "recordings")
    commands = [[*name.split(), *arguments] for name, (arguments, _) in MAIN_PATHS.items()]
    (endings,) = installed_wheel.run_all([(folder, commands)])
    return dict(zip(MAIN_PATHS, endings, strict=True))


def test_the_wheel_holds_the_library_with_its_files_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"pstmo-{pstmo_core.__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "pstmo_core", f"pstmo-{pstmo_core.__version__}.dist-info",
    }  # fmt: skip
    for path in (ROOT / "pstmo_core").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names


def test_the_installed_command_lifts_the_sample(
    installed_wheel: InstalledWheel, tmp_path: Path
) -> None:
    ending = installed_wheel.run(["lift", SAMPLE, "-o", "sample.npz"], tmp_path)
    assert ending.code == 0 and (tmp_path / "sample.npz").exists(), ending.output


@pytest.mark.parametrize("command", MAIN_PATHS)
def test_the_main_path_of_a_command_runs(command: str, endings: Mapping[str, Ending]) -> None:
    ending = endings[command]
    assert ending.code == 0 and MAIN_PATHS[command][1] in ending.output, ending.output


def test_every_command_has_its_main_path_here() -> None:
    commands = set(names(typer.main.get_command(app), ()))
    assert commands == {*MAIN_PATHS, *NO_PATH}


def names(command: Any, above: tuple[str, ...]) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield " ".join(above)
    else:
        for name, sub in command.commands.items():
            yield from names(sub, (*above, name))
