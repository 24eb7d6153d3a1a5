"""A full disk while a network is trained or exported: nothing is lost, and the run can go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small_disk import SmallDisk, small_disk

from pstmo_core.atomic_files import NoRoomError
from pstmo_core.model.checkpoints import save_weights
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.stmo import STMO
from pstmo_core.runtime.onnx_export import export_onnx
from pstmo_core.training.config import OptimiserConfig, RunConfig
from pstmo_core.training.engine import Trainer


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def test_a_full_disk_leaves_the_old_network(disk: SmallDisk, small_model: ModelConfig) -> None:
    network = STMO(dataclasses.replace(small_model, frames=9)).eval()
    weights, graph = disk.folder / "net.safetensors", disk.folder / "net.onnx"
    save_weights(network, weights)
    export_onnx(network, graph, "window")
    before = disk.contents()
    for room in (0, len(before["net.safetensors"]) // 2):
        disk.fill(room)
        with pytest.raises(NoRoomError, match="net.safetensors: cannot be written"):
            save_weights(network, weights)
        with pytest.raises(NoRoomError, match="net.onnx: cannot be written"):
            export_onnx(network, graph, "window")
        assert disk.contents() == before
        disk.free()


def test_a_run_whose_disk_is_full_goes_on_from_its_last_checkpoint_when_there_is_room(
    mocap_file: Path, small_model: ModelConfig, disk: SmallDisk, tmp_path: Path
) -> None:
    run = RunConfig(
        mocap=str(mocap_file),
        output=str(tmp_path / "through"),
        model=dataclasses.replace(small_model, frames=9, dropout=0.1),
        optimiser=OptimiserConfig(batch=16, steps=20, warmup_steps=5, decay_steps=5),
        validation_windows=20,
        save_every=10,
        precision="fp32",
        threads=1,
    )
    through = Trainer(run)
    through.run()

    folder = disk.folder / "run"
    run = dataclasses.replace(run, output=str(folder))
    stopped = Trainer(run)
    take_step = stopped.train_step

    def step_that_finds_the_disk_full(*batches: object) -> float:
        if stopped.state.step == 15:
            disk.fill()
        return take_step(*batches)

    stopped.train_step = step_that_finds_the_disk_full
    with pytest.raises(NoRoomError, match="cannot be written .*; what was there is unchanged"):
        stopped.run()
    assert torch.load(folder / "last.pt", weights_only=True)["step"] == 10
    disk.free()
    resumed = Trainer(run)
    resumed.run()
    for name, value in through.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, rtol=0, atol=0)
    assert not [name for name in disk.contents() if ".pstmo-" in name]
