"""The scripts that documents name do what they say, on little motion and few images."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import typer
from random_networks import trained_looking
from recorded_views import write_view

from pstmo_core.atomic_files import OutputError
from pstmo_core.bench.room_scenes import Case
from pstmo_core.keypoints.clip import sample_video_path
from pstmo_core.model.checkpoints import load_weights, save_weights
from pstmo_core.model.config import ModelConfig
from pstmo_core.training.config import RunConfig
from pstmo_core.training.sources import make_source, motion_of

ROOT = Path(__file__).parents[2]
#: Constants of the scripts that stand for hours of work, and what they are here.
LESS = {
    "measure_floor": {"DISTANCES": ((3.0, 5.0),), "CASES": (Case("one", floor=True, depth=True),)},
    "measure_feet": {"DISTANCES": ((2.0, 4.0),), "TILTS": {"known": Case("", floor=True)}},
    "measure_tilt": {"TILTS": ((20.0, 25.0),), "PEOPLE": (2,), "SECONDS": 3.0},
    "measure_root_positions": {"DISTANCES": ((3.0, 5.0),)},
    "measure_rates": {"RATES": (15.0,), "SECONDS": 2.0},
    "measure_detectors": {"SETTINGS": {"one": ("movenet", {"refine": False, "input_size": 256})}},
    "measure_detectors_rendered": {
        "SETTINGS": {"one": ("simulation", {})}, "_SECONDS": 1, "_SEEDS": (5,), "_PEOPLE": (1,),
    },
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, mocap_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder: motion that is long enough, and recordings with a 3D reference."""
    with np.load(mocap_file) as file:
        motion = dict(file)
    # Each clip once more, so that it lasts ten seconds; of the test split the walk only.
    motion["split"] = np.where(motion["clip_id"] == "02_05", "train", motion["split"])
    rows = [np.r_[a : a + n, a : a + n]
            for a, n in zip(motion["clip_start"], motion["clip_len"], strict=True)]  # fmt: skip
    motion |= {name: motion[name][np.concatenate(rows)] for name in ("rel_pos", "root_pos")}
    motion |= {"clip_start": 2 * motion["clip_start"], "clip_len": 2 * motion["clip_len"]}
    np.savez(tmp_path / "motion.npz", **motion)
    (tmp_path / "recordings").mkdir()
    level = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    write_view(tmp_path / "recordings", fps=50.0, R=level, T=np.array([0.3, 0.1, 4.0]))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its threads would wait for one another more than compute
    yield tmp_path
    torch.set_num_threads(threads)


def load(name: str) -> ModuleType:
    """Load a script with its constants of `LESS`."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for constant, value in LESS.get(name, {}).items():
        assert hasattr(script, constant)
        setattr(script, constant, value)
    return script


def call(script: ModuleType, arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a script as the shell would."""
    monkeypatch.setattr("sys.argv", [script.__name__, *arguments.split()])
    if script.__name__ == "measure_detector_errors":  # argparse
        script.main()
        return
    with pytest.raises(SystemExit) as end:
        typer.run(script.main)
    assert not end.value.code


@pytest.mark.parametrize(
    ("name", "arguments", "rows"),
    [
        ("measure_floor", "--clips 1", ["| 3 to 5 m | one |"]),
        ("measure_feet", "--clips 1", ["| 2 to 4 m | known | on |"]),
        (
            "measure_tilt",
            "--cameras 2 --recordings recordings",
            ["| 20 to 25 degrees | 2 |", "| room_cam01 | reference, projected |"],
        ),
        ("measure_root_positions", "--windows 20", ["| 3 to 5 m | faulty | given |"]),
        ("measure_rates", "", ["| 15 | clean |", "| 15 | faulty |"]),
        ("measure_unfamiliar", "--real recordings --windows 10", ["| real video |"]),
        ("measure_hidden", "--real recordings --windows 10", ["## room", "| legs |"]),
    ],
)
def test_a_table_is_measured(
    name: str, arguments: str, rows: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(load(name), f"--mocap motion.npz -o table.md {arguments}", monkeypatch)
    table = (folder / "table.md").read_text()
    for row in rows:
        assert row in table, table
    assert "nan" not in table


def test_layouts_and_detectors_errors_are_printed_as_tables(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(load("measure_layouts"), "--mocap motion.npz", monkeypatch)
    assert "| thorax |" in capsys.readouterr().out
    errors = "recordings --mocap motion.npz --windows 20"
    call(load("measure_detector_errors"), errors, monkeypatch)
    assert "| drawn for training |" in capsys.readouterr().out


def test_cameras_are_merged_and_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(load("measure_merging"), "recordings -o table.md", monkeypatch)
    assert "| reference, projected | 1 |" in (folder / "table.md").read_text()


def test_detectors_are_measured_on_videos_and_on_rendered_people(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cv2", reason="needs OpenCV")
    (folder / "videos").mkdir()
    shutil.copy(sample_video_path(), folder / "videos" / "cam01.mp4")
    call(load("measure_detectors"), "recordings videos -o real", monkeypatch)
    assert "| one |" in (folder / "real" / "detectors.md").read_text()
    call(load("measure_detectors_rendered"), "-o rendered", monkeypatch)
    found = json.loads((folder / "rendered" / "detectors_rendered.json").read_text())["results"]
    assert found[0][0] == "one" and found[0][1] > 50.0


def test_motion_without_a_clip_that_is_long_enough_is_refused(
    folder: Path, mocap_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("measure_floor", "measure_feet"):
        with pytest.raises(Exception, match="no clip of 6 s or more"):
            call(load(name), f"--mocap {mocap_file} -o table.md", monkeypatch)


def test_constants_of_trained_weights_are_folded(
    folder: Path, small_model: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = trained_looking(small_model)
    save_weights(network, folder / "trained.safetensors")
    config = RunConfig(mocap="motion.npz", model=small_model)
    (folder / "run.yaml").write_text(config.to_yaml())
    arguments = "trained.safetensors run.yaml -o folded.safetensors --windows 40"
    call(load("fold_constants"), arguments, monkeypatch)
    folded = load_weights(folder / "folded.safetensors")
    frames = (
        make_source(config, torch.device("cpu"), motion_of(config)).draw(1, 8, slice(None)).frames
    )
    with torch.no_grad():
        torch.testing.assert_close(folded(frames)[0], network.eval()(frames)[0], atol=1e-4, rtol=0)


def test_what_is_wrong_ends_in_a_sentence(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "average_weights.py"
    command = [sys.executable, str(script), "none.safetensors", "-o", "mean.safetensors"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "error: none.safetensors: no such weight file\n"


def test_weights_are_averaged(
    folder: Path, small_model: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = [trained_looking(small_model), trained_looking(small_model)]
    torch.nn.init.normal_(networks[1].head_all.linear.weight)
    for name, network in zip("ab", networks, strict=True):
        save_weights(network, folder / f"{name}.safetensors")
    call(load("average_weights"), "a.safetensors b.safetensors -o mean.safetensors", monkeypatch)
    mean = load_weights(folder / "mean.safetensors").head_all.linear.weight
    expected = sum(network.head_all.linear.weight for network in networks) / 2
    torch.testing.assert_close(mean, expected)
    before = (folder / "b.safetensors").read_bytes()
    with pytest.raises(OutputError, match="would replace an input"):
        call(load("average_weights"), "a.safetensors b.safetensors -o b.safetensors", monkeypatch)
    assert (folder / "b.safetensors").read_bytes() == before
