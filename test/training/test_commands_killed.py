"""Commands that are ended while they write: whole files, no litter, and a run that goes on."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from clip_files import write_clips

from pstmo_core.model.checkpoints import save_weights
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.stmo import STMO
from pstmo_core.training.config import OptimiserConfig, RunConfig

SCRIPT = Path(__file__).parents[1] / "support" / "commands_killed.py"
STATUSES = {"SIGINT": {130}, "SIGTERM": {130, 143}, "SIGKILL": {-9}}


def kill_again_and_again(log: Path, command: list[str], check: Callable[[], None]) -> int:
    """Run a command that is killed at each of its writes, until it ends; return how many did."""
    arguments = [sys.executable, str(SCRIPT), *command]
    kills = 0
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with log.open("w") as said, subprocess.Popen(arguments, stderr=said, **pipes) as process:
        assert process.stdin is not None and process.stdout is not None
        for line in process.stdout:
            if line.startswith("killed"):
                _, name, status = line.split()
                assert int(status) in STATUSES[name], line
                check()
                kills += 1
                print(file=process.stdin, flush=True)
            if line.startswith("ended"):
                return kills
    raise AssertionError(f"it ended early: {log.read_text()[-2000:]}")


def contents(folder: Path) -> dict[str, bytes]:
    """Return what the files in a folder hold, but for those whose times differ from run to run."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".lift.json") and "events.out" not in path.name
    }


def expect(folder: Path, whole: dict[str, bytes]) -> None:
    """Check that each file of a folder is whole, temporary ones apart, of which one may be left."""
    found = contents(folder)
    litter = {name for name in found if ".pstmo-" in name}
    assert len({Path(name).parts[0] for name in litter}) <= 1
    for name in found.keys() - litter:
        assert found[name] == whole[name], name


def test_a_lift_that_is_killed_leaves_whole_files(tmp_path: Path) -> None:
    clip = write_clips(tmp_path, 1, frames=20)[0]
    command = ["lift", str(clip), "--format", "npz,json,bvh,mcap", "-o"]
    through, folder = tmp_path / "through", tmp_path / "killed"
    subprocess.run(
        [sys.executable, "-m", "pstmo_core.cli", *command, str(through / "out")],
        check=True,
        capture_output=True,
    )
    whole = contents(through)
    assert len(whole) == 5, "npz, json, bvh, and the two files of the bag"
    kills = kill_again_and_again(
        tmp_path / "log", [*command, str(folder / "out")], lambda: expect(folder, whole)
    )
    assert kills >= 8
    assert contents(folder) == whole


def test_an_export_that_is_killed_leaves_the_old_network(
    small_model: ModelConfig, tmp_path: Path
) -> None:
    folder, weights = tmp_path / "out", tmp_path / "net.safetensors"
    save_weights(STMO(dataclasses.replace(small_model, frames=9)).eval(), weights)
    old = {"net.onnx": b"the old one"}
    folder.mkdir()
    (folder / "net.onnx").write_bytes(old["net.onnx"])
    seen: list[bytes] = []

    def check() -> None:
        found = contents(folder)
        seen.append(found["net.onnx"])
        assert len(found) <= 2, "the network, and one temporary file of a run that was killed"

    command = ["export", str(weights), "-o", str(folder / "net.onnx")]
    kill_again_and_again(tmp_path / "log", command, check)
    new = (folder / "net.onnx").read_bytes()
    assert seen[0] == old["net.onnx"] and set(seen) <= {old["net.onnx"], new}
    assert set(contents(folder)) == {"net.onnx"}


def test_a_training_that_is_killed_at_each_of_its_writes_ends_in_the_same_bits(
    mocap_file: Path, small_model: ModelConfig, tmp_path: Path
) -> None:
    run = RunConfig(
        mocap=str(mocap_file),
        output=str(tmp_path / "run"),
        model=dataclasses.replace(small_model, frames=9, dropout=0.1),
        optimiser=OptimiserConfig(batch=16, steps=12, warmup_steps=5, decay_steps=5),
        validation_windows=20,
        save_every=2,
        precision="fp32",
        threads=1,
    )
    settings, folder, through = tmp_path / "run.yaml", tmp_path / "run", tmp_path / "through"
    settings.write_text(run.to_yaml())
    subprocess.run(
        [sys.executable, "-m", "pstmo_core.cli", "train", settings, f"output={through}"],
        check=True,
        capture_output=True,
    )

    def check() -> None:
        if (folder / "last.pt").exists():
            torch.load(folder / "last.pt", weights_only=True)
        assert sum(name.startswith(".pstmo-") for name in contents(folder)) <= 1

    kills = kill_again_and_again(tmp_path / "log", ["train", str(settings)], check)
    assert kills >= 9, "each signal at three moments or more"
    made, expected = contents(folder), contents(through)
    assert made.keys() == expected.keys()
    for name in ("last.safetensors", "best.safetensors", "history.json"):
        assert made[name] == expected[name], name
