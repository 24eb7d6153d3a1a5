"""Training in two processes: the same as in one, and killed and resumed the same as through."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from train_in_processes import train_by_sgd

from pstmo_core.errors import ConfigError
from pstmo_core.model.checkpoints import pick_device
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.masking import Masking
from pstmo_core.model.stmo import STMO
from pstmo_core.training.config import OptimiserConfig, RunConfig
from pstmo_core.training.distributed import Processes, join_processes, share_batch_norm
from pstmo_core.training.engine import Trainer

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "test" / "support" / "train_in_processes.py"
LIMIT = 300  # seconds, for a machine that does other things too


def torchrun(*arguments: object, processes: int = 2) -> subprocess.CompletedProcess[str]:
    """Start processes on a port of torchrun's choice."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(processes), *map(str, arguments)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )


def configurations(mocap: Path, model: ModelConfig, folder: Path) -> dict[str, RunConfig]:
    run = RunConfig(
        mocap=str(mocap),
        model=dataclasses.replace(model, frames=9, dropout=0.0),
        optimiser=OptimiserConfig(
            learning_rate=0.1, batch=12, steps=12, warmup_steps=1, decay_steps=1
        ),
        validation_windows=20,
        save_every=5,
        log_every=1,
        precision="fp32",
        device="cpu",
        threads=1,
    )
    adam = dataclasses.replace(run.optimiser, learning_rate=1e-3)
    dropped = dataclasses.replace(run.model, dropout=0.2)
    batch_masks = Masking(form="per_batch")
    runs = {
        "sgd/lift": run,
        "sgd/pretrain": dataclasses.replace(run, stage="pretrain"),
        "sgd/pretrain_batch": dataclasses.replace(run, stage="pretrain", masking=batch_masks),
        "whole/adam": dataclasses.replace(run, optimiser=adam),
        "whole/dropout": dataclasses.replace(run, optimiser=adam, model=dropped),
    }
    runs["killed/dropout"] = runs["whole/dropout"]
    return {name: dataclasses.replace(run, output=str(folder / name)) for name, run in runs.items()}


@pytest.fixture(scope="module")
def trained(
    mocap_file: Path, small_model: ModelConfig, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, RunConfig]:
    """The configurations of what two processes have trained, all in one go for the time's sake."""
    folder = tmp_path_factory.mktemp("two_processes")
    runs = configurations(mocap_file, small_model, folder)
    for name, run in runs.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.yaml").write_text(run.to_yaml())
    ended = torchrun(WORKER, folder)
    assert ended.returncode != 0, "the last run should have been killed"
    assert "Signal 9" in ended.stderr, ended.stderr
    return runs


@pytest.mark.parametrize("name", ["lift", "pretrain", "pretrain_batch"])
def test_losses_and_weights_are_the_same_for_one_process_and_two(
    trained: dict[str, RunConfig], name: str, tmp_path: Path
) -> None:
    run = trained[f"sgd/{name}"]
    start = Trainer(run).model.state_dict()
    train_by_sgd(dataclasses.replace(run, output=str(tmp_path)), Processes(pick_device("cpu")))
    expected = json.loads((tmp_path / "losses_0.json").read_text())
    weights = torch.load(tmp_path / "weights_0.pt", weights_only=True)
    assert expected[-1] < 0.98 * expected[0]
    for rank in range(2):
        losses = json.loads((Path(run.output) / f"losses_{rank}.json").read_text())
        assert losses == pytest.approx(expected, rel=1e-5)
        own = torch.load(Path(run.output) / f"weights_{rank}.pt", weights_only=True)
        for key, value in weights.items():
            torch.testing.assert_close(own[key], value, rtol=1e-5, atol=1e-5, msg=key)
    moved = [float((weights[key] - start[key].cpu()).abs().max()) for key in weights]
    assert sum(move > 1e-3 for move in moved) > 0.8 * len(moved)  # or the tolerance proves nothing


def test_the_optimiser_of_the_runs_gives_the_same_losses_too(
    trained: dict[str, RunConfig],
) -> None:
    run = trained["whole/adam"]
    trainer = Trainer(run)
    losses = [trainer.train_step(*trainer.draw()) for _ in range(12)]
    events = EventAccumulator(f"{run.output}/tensorboard").Reload().Scalars("training/loss")
    assert [event.value for event in events] == pytest.approx(losses, rel=1e-5)


def test_two_processes_that_were_killed_and_resumed_end_in_the_same_weights(
    trained: dict[str, RunConfig],
) -> None:
    run, through = trained["killed/dropout"], trained["whole/dropout"]
    last = Path(run.output) / "last.pt"
    assert torch.load(last, weights_only=True)["step"] == 5
    ended = torchrun("-m", "pstmo_core.cli", "train", f"{run.output}.yaml")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("resuming from step 5") == 1  # one process speaks for both
    resumed = torch.load(last, weights_only=True)
    expected = torch.load(Path(through.output) / "last.pt", weights_only=True)
    assert resumed["step"] == 12
    assert resumed["history"] == expected["history"]
    for part in ("model", "average"):
        for key, value in expected[part].items():
            torch.testing.assert_close(resumed[part][key], value, rtol=0, atol=0)


def test_shared_batch_norm_has_the_weights_and_the_outputs_of_torchs(
    small_model: ModelConfig,
) -> None:
    model = STMO(small_model)
    frames = torch.randn(4, small_model.frames, 18, 3)
    with torch.no_grad():
        model(frames)  # moves the running statistics
    shared = copy.deepcopy(model)
    share_batch_norm(shared)
    assert not any(type(module) is torch.nn.BatchNorm1d for module in shared.modules())
    assert list(shared.state_dict()) == list(model.state_dict())
    model.load_state_dict(shared.state_dict())
    with torch.no_grad():
        for own, other in zip(shared.eval()(frames), model.eval()(frames), strict=True):
            torch.testing.assert_close(own, other, rtol=0, atol=0)


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "::1"}
    for name, value in (told | {"MASTER_PORT": "1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="needs a GPU of its own"), join_processes("cuda"):
        pass


@pytest.mark.parametrize(
    ("told", "missing"),
    [
        ({"WORLD_SIZE": "2"}, r"missing: RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT\)"),
        (dict.fromkeys(["RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"], "1")
         | {"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two'"),
    ],
)  # fmt: skip
def test_processes_that_torchrun_did_not_start_are_told_to_use_it(
    told: dict[str, str], missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"{missing}.*torchrun"), join_processes("cpu"):
        pass
