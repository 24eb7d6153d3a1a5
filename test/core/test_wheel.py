"""The wheel, installed in an environment of its own and away from the repository, does it all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import pstmo_core

ROOT = Path(__file__).parents[2]
SMALL = ["model.width=32", "model.sem_width=32", "model.feedforward=32", "model.layers=1"]

Pstmo = Callable[..., str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(
        ROOT / "pstmo_core", source / "pstmo_core", ignore=shutil.ignore_patterns("__pycache__")
    )
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run([*build, "-w", str(folder), str(source)], check=True, capture_output=True)
    (path,) = folder.glob("pstmo-*.whl")
    return path


@pytest.fixture(scope="module")
def pstmo(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Pstmo:
    """The command of the installed wheel, run in an empty folder.

    What the wheel depends on is that of this environment; the package itself is not in reach.
    """
    venv = wheel.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = Path(subprocess.check_output([python, "-c", where], text=True).strip())
    # Under a sourced ROS 2 some of them lie outside this environment's own folder.
    folders = [
        Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))
    ]
    reachable = [f"{entry}\n" for entry in folders if not (entry / "pstmo_core").exists()]
    (site / "dependencies.pth").write_text("".join(reachable))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    subprocess.run([*install, "--no-index", str(wheel)], check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("elsewhere")
    kept = ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}

    def run(*arguments: object) -> str:
        command = [str(venv / "bin" / "pstmo"), *map(str, arguments)]
        done = subprocess.run(
            command, cwd=folder, env=environment, text=True, capture_output=True, timeout=300
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout + done.stderr

    program = "import pstmo_core; print(pstmo_core.__file__)"
    used = subprocess.check_output([python, "-c", program], cwd=folder, env=environment, text=True)
    assert Path(used.strip()).is_relative_to(venv)
    return run


def test_the_wheel_holds_the_library_with_its_files_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"pstmo-{pstmo_core.__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "pstmo_core", f"pstmo-{pstmo_core.__version__}.dist-info",
    }  # fmt: skip
    for path in (ROOT / "pstmo_core").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in names


def test_the_sample_is_lifted(pstmo: Pstmo) -> None:
    sample = ROOT / "pstmo_core" / "samples" / "sample.npz"
    pstmo("lift", sample, "-o", "sample.npz")
    pstmo("data", "check", sample)


def test_a_network_is_trained_exported_measured_drawn_and_used(
    pstmo: Pstmo, mocap_file: Path
) -> None:
    pytest.importorskip("torch", reason="training needs torch")
    settings = [f"mocap={mocap_file}", "optimiser.steps=2", "optimiser.batch=4", *SMALL]
    settings += ["validation_windows=4", "threads=1"]
    pstmo("pretrain", "mpm27", *settings, "output=mpm")
    pstmo("train", "lifter27_start", *settings, "output=run", "encoder=mpm/best.safetensors")
    weights = "run/best.safetensors"
    pstmo("export", weights, "-o", "m.onnx")
    assert "MPJPE" in pstmo("evaluate", weights, "--mocap", mocap_file, "--windows", 4)
    pstmo("figures", "attention", weights, "-o", "attention.png")
    pstmo("figures", "reconstruction", "mpm/best.safetensors", "-o", "reconstruction.png")
    pstmo("figures", "skeletons", "--model", "m.onnx", "-o", "skeletons.png")


def test_the_catalogue_of_experiments_is_there(pstmo: Pstmo, mocap_file: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch")
    listed = pstmo("experiments", "list")
    assert "table1" in listed and "mocap_data" in listed
    settings = ["optimiser.steps=2", "optimiser.batch=4", "validation_windows=4", *SMALL]
    pstmo("experiments", "run", "mocap_data", "as shipped", "--mocap", mocap_file, *settings)
    assert "as shipped" in pstmo("experiments", "report", "mocap_data", "--mocap", mocap_file)
    assert "Table" in pstmo("experiments", "complexity")


def test_benchmarks_and_engines_run(pstmo: Pstmo, mocap_file: Path) -> None:
    pytest.importorskip("torch", reason="benchmarks need torch")
    once = ("--turns", 1)
    training = [f"mocap={mocap_file}", "optimiser.batch=4", *SMALL]
    pstmo("bench", "train", *training, "--steps", 1, "--precisions", "fp32", *once)
    few = ("--windows", "shipped", "--people", 1, "--backends", "onnxruntime")
    pstmo("bench", "latency", *few, "--precisions", "fp32", "--seconds", 0.01, *once)
    assert "no engines" in pstmo("engine", "list", "--cache", ".")
