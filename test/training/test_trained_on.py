"""Networks state the joint orders that they were trained on, and are refused on others."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import synthetic_datasets as synthetic
from command import Command

pytest.importorskip("torch", reason="training needs torch")

import onnx
from official_reference import random_state
from torch import save

from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.sequences.datasets import DatasetConfig
from pstmo_core.data.sequences.h36m_cameras import SUBJECTS
from pstmo_core.errors import ConfigError
from pstmo_core.evaluation.calibration import calibrate
from pstmo_core.evaluation.weights import evaluate_weights
from pstmo_core.keypoints.clip import load_clip, sample_path, save_clip
from pstmo_core.model.checkpoints import (
    CheckpointError,
    load_lifter,
    load_masked,
    load_refine,
    load_weights,
    save_weights,
)
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.stmo import STMO
from pstmo_core.model.trained_on import H36M17, KEY, TrainedOn
from pstmo_core.runtime import SHIPPED, RuntimeLoadError, load_runtime, shipped_model
from pstmo_core.training.config import OptimiserConfig, RunConfig
from pstmo_core.training.engine import Trainer

TINY = ModelConfig(
    frames=9, layers=1, width=32, feedforward=32, sem_width=32, heads=4, encoding="screen",
    step=0.04,
)  # fmt: skip
LIVE = LiveConfig(
    layers=1, width=20, feedforward=20, heads=2, key_heads=2, moment_key_heads=2, sem_width=20,
    kept=4,
)  # fmt: skip
COCO = TrainedOn("coco17", "h36m17")
MPI_INF_3DHP = TrainedOn("mpi_inf_3dhp17", "mpi_inf_3dhp17")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DatasetConfig]:
    """A data set of each kind and joint order."""
    folder = tmp_path_factory.mktemp("sets")
    made = {}
    for name, kind in (("h36m", "gt"), ("coco", "detectron_pt_coco")):
        poses, keypoints = synthetic.write_h36m(folder, kind, SUBJECTS, frames=30)
        made[name] = DatasetConfig("h36m", poses=str(poses), keypoints=str(keypoints), tds=2)
    three = synthetic.write_3dhp_train(folder), synthetic.write_3dhp_test(folder)
    made["3dhp"] = DatasetConfig("mpi_inf_3dhp", train=str(three[0]), test=str(three[1]))
    clip = dataclasses.replace(load_clip(), stamps=np.arange(len(load_clip())) * 40_000_000)
    save_clip(clip, folder / "clip.npz")
    made["clips"] = DatasetConfig(
        "clips", train=str(folder / "clip.npz"), test=str(folder / "clip.npz")
    )
    made["virtual cameras"] = DatasetConfig()
    return made


def trained(folder: Path, mocap: Path, dataset: DatasetConfig, **values: object) -> Path:
    """Train a tiny network for a step; return its weights."""
    run = RunConfig(
        mocap=str(mocap),
        dataset=dataset,
        output=str(folder),
        optimiser=OptimiserConfig(batch=4, steps=1, warmup_steps=0, decay_steps=1),
        validation_windows=4,
        precision="fp32",
        device="cpu",
        **{"model": TINY, "live": LIVE, **values},  # type: ignore[arg-type]
    )
    Trainer(run).run()
    return folder / "last.safetensors"


@pytest.mark.parametrize("name", ["virtual cameras", "clips", "h36m", "coco", "3dhp"])
def test_a_network_is_lifted_with_if_it_was_trained_on_human36ms_joints(
    name: str, sets: dict[str, DatasetConfig], mocap_file: Path, tmp_path: Path, pstmo: Command
) -> None:
    stated = {"coco": COCO, "3dhp": MPI_INF_3DHP}.get(name, H36M17)
    weights, model = trained(tmp_path / "run", mocap_file, sets[name]), tmp_path / "model.onnx"
    assert load_weights(weights).trained_on == stated
    assert pstmo("export", weights, "-o", model)[0] == 0
    held = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    assert TrainedOn.stated_in(held) == stated
    for file in (weights, model):  # on torch, and on ONNX Runtime
        code, _, err = pstmo(
            "lift", sample_path(), "-o", tmp_path / f"{file.name}.npz", "--model", file
        )
        if stated == H36M17:
            assert code == 0, err
            continue
        assert code == 2
        assert f"{file}: the network was trained on keypoints in the joint order" in err
        assert f"'{stated.keypoints}', but here they are in the order 'h36m17': use a" in err


@pytest.mark.parametrize("name", SHIPPED)
def test_every_backend_refuses_other_joints(name: str, tmp_path: Path) -> None:
    shipped, path = shipped_model(name), tmp_path / "other.onnx"
    network = load_lifter(shipped.with_suffix(".safetensors"))
    network.trained_on = COCO
    save_weights(network, path.with_suffix(".safetensors"))
    graph = onnx.load(shipped)
    onnx.helper.set_model_props(
        graph, {e.key: e.value for e in graph.metadata_props} | COCO.metadata()
    )
    onnx.save(graph, path)
    for backend in ("onnxruntime", "torch", "auto"):
        with pytest.raises(RuntimeLoadError, match=r"other\.\w+: .* in the joint order 'coco17'"):
            load_runtime(path, backend=backend)


def test_networks_of_all_stages_state_what_they_were_trained_on(
    sets: dict[str, DatasetConfig], mocap_file: Path, tmp_path: Path
) -> None:
    def run(name: str, data: str, **values: object) -> Path:
        return trained(tmp_path / name, mocap_file, sets[data], stage=name, **values)

    assert load_masked(run("pretrain", "3dhp")).trained_on == MPI_INF_3DHP
    lifter = run("lift", "h36m")
    refined = run("refine", "h36m", lifter=str(lifter))
    assert load_refine(refined).trained_on == H36M17
    assert load_lifter(run("live", "virtual cameras")).trained_on == H36M17


def test_training_does_not_start_from_weights_for_other_joints(
    sets: dict[str, DatasetConfig], mocap_file: Path, tmp_path: Path
) -> None:
    three = trained(tmp_path / "three", mocap_file, sets["3dhp"])
    masked = trained(tmp_path / "masked", mocap_file, sets["3dhp"], stage="pretrain")
    for start in ({"initial": str(three)}, {"encoder": str(masked)}):
        with pytest.raises(ConfigError, match="trained on keypoints in the joint order 'mpi_inf"):
            trained(tmp_path / "other", mocap_file, sets["h36m"], **start)
        name = next(iter(start))
        own = trained(tmp_path / f"own_{name}", mocap_file, sets["3dhp"], **start)
        assert load_weights(own).trained_on == MPI_INF_3DHP


def test_a_network_is_measured_on_data_in_its_own_order_only(
    sets: dict[str, DatasetConfig], mocap_file: Path, tmp_path: Path, pstmo: Command
) -> None:
    weights = trained(tmp_path / "run", mocap_file, sets["3dhp"])
    assert evaluate_weights(weights, sets["3dhp"], device="cpu")["frames"] > 0
    with pytest.raises(ConfigError, match="'mpi_inf_3dhp17', but here they are in the order 'coco"):
        evaluate_weights(weights, sets["coco"], device="cpu")
    for words in (
        ("evaluate", weights, "--mocap", mocap_file, "--windows", 4),
        ("figures", "attention", weights, "-o", tmp_path / "drawn.png"),
    ):
        code, _, err = pstmo(*words)
        assert code == 2 and "in the joint order 'mpi_inf_3dhp17'" in err
    network = STMO(dataclasses.replace(TINY, sigma=True)).eval()
    network.trained_on = MPI_INF_3DHP
    with pytest.raises(ConfigError, match="in the joint order 'mpi_inf_3dhp17'"):
        calibrate(network, load_mocap(mocap_file, "val"), windows=4)


def test_the_authors_networks_state_what_the_caller_says(tmp_path: Path, pstmo: Command) -> None:
    save(random_state("stage_two"), tmp_path / "authors.pth")
    for said, stated in (
        ([], TrainedOn()),
        (["--joints", "coco17"], COCO),
        (["--joints", "mpi_inf_3dhp17"], MPI_INF_3DHP),
    ):
        weights = tmp_path / "authors.safetensors"
        code, _, err = pstmo("import-official", tmp_path / "authors.pth", "-o", weights, *said)
        assert code == 0, err
        assert load_weights(weights).trained_on == stated


def test_equal_networks_give_equal_files(tmp_path: Path) -> None:
    """safetensors writes several metadata in any order, another one each time."""
    network = STMO(TINY)
    network.trained_on = COCO
    written = set()
    for index in range(20):
        save_weights(network, tmp_path / f"{index}.safetensors")
        written.add((tmp_path / f"{index}.safetensors").read_bytes())
    assert len(written) == 1
    read = load_weights(tmp_path / "0.safetensors")
    assert read.trained_on == COCO and read.config == TINY


def test_files_that_state_nothing_are_taken(tmp_path: Path) -> None:
    assert load_weights(shipped_model().with_suffix(".safetensors")).trained_on == TrainedOn()
    TrainedOn().require(H36M17)
    MPI_INF_3DHP.require(TrainedOn())


@pytest.mark.parametrize(
    "text", ["", "[]", "null", '{"keypoints": 17}', '{"colour": "h36m17"}', "[" * 10_000]
)
def test_a_statement_that_cannot_be_read_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="not a statement of joint orders"):
        TrainedOn.stated_in({KEY: text})
    monkeypatch.setattr(TrainedOn, "metadata", lambda stated: {KEY: text})
    save_weights(STMO(TINY), tmp_path / "odd.safetensors")
    with pytest.raises(CheckpointError, match=r"odd\.safetensors: not a statement"):
        load_weights(tmp_path / "odd.safetensors")
