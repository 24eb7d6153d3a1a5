"""Training on data sets of sequences: every frame once an epoch, and runs on made-up files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

import synthetic_datasets as synthetic  # noqa: E402

from pstmo_core.data.motion.mocap import load_mocap  # noqa: E402
from pstmo_core.data.sequences.datasets import DatasetConfig, load_dataset  # noqa: E402
from pstmo_core.data.sequences.h36m_cameras import SUBJECTS  # noqa: E402
from pstmo_core.data.sequences.mocap import mocap_dataset  # noqa: E402
from pstmo_core.data.sequences.pose_dataset import DatasetError  # noqa: E402
from pstmo_core.data.sequences.windows import SequenceWindows  # noqa: E402
from pstmo_core.errors import ConfigError  # noqa: E402
from pstmo_core.evaluation.dataset import EvaluationProtocol  # noqa: E402
from pstmo_core.evaluation.robustness import Corruption  # noqa: E402
from pstmo_core.evaluation.weights import evaluate_weights  # noqa: E402
from pstmo_core.model.checkpoints import load_refine, load_weights  # noqa: E402
from pstmo_core.model.config import ModelConfig  # noqa: E402
from pstmo_core.training.config import OptimiserConfig, RunConfig, load_run_config  # noqa: E402
from pstmo_core.training.dataset_source import DatasetWindows  # noqa: E402
from pstmo_core.training.engine import Trainer  # noqa: E402

TINY = ModelConfig(
    frames=9, layers=1, width=32, feedforward=32, sem_width=32, heads=4, dropout=0.0,
    encoding="screen", step=0.02,
)  # fmt: skip


@pytest.fixture(scope="module")
def h36m(tmp_path_factory: pytest.TempPathFactory) -> DatasetConfig:
    folder = tmp_path_factory.mktemp("h36m")
    poses, keypoints = synthetic.write_h36m(folder, "cpn_ft_h36m_dbb", SUBJECTS, frames=30)
    return DatasetConfig("h36m", poses=str(poses), keypoints=str(keypoints))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> DatasetConfig:
    folder = tmp_path_factory.mktemp("3dhp")
    train = synthetic.write_3dhp_train(folder, frames=40)
    return DatasetConfig(
        "mpi_inf_3dhp", train=str(train), test=str(synthetic.write_3dhp_test(folder))
    )


@pytest.fixture(scope="module")
def sequences(mocap_file: Path) -> SequenceWindows:
    return SequenceWindows.of(mocap_dataset(load_mocap(mocap_file, "test"), seed=1))


def run_of(dataset: DatasetConfig, folder: Path, **values: object) -> RunConfig:
    return RunConfig(
        dataset=dataset,
        output=str(folder),
        model=TINY,
        optimiser=OptimiserConfig(
            learning_rate=3e-3, batch=32, steps=60, warmup_steps=5, decay_steps=20
        ),
        validation_windows=100,
        save_every=20,
        precision="fp32",
        **values,  # type: ignore[arg-type]
    )


def scores(config: RunConfig) -> list[float]:
    history = json.loads((Path(config.output) / "history.json").read_text())
    return [record["score"] for record in history]


@pytest.mark.parametrize("flip", [False, True])
def test_an_epoch_has_each_window_once_plain_and_once_mirrored(
    sequences: SequenceWindows, flip: bool
) -> None:
    source = DatasetWindows(sequences, TINY, DatasetConfig("mocap", flip=flip), seed=3)
    targets = sequences.targets()
    assert source.windows == len(targets) * (1 + flip)
    batch = 50
    steps = source.windows // batch
    frames = torch.cat([source.draw(step, batch, slice(None)).frames for step in range(steps)])
    drawn = {row.numpy().tobytes() for row in frames[:, TINY.target].flatten(1)}
    cut = sequences.cut(targets, 1, 1)
    kinds = [cut, sequences.flip(cut)] if flip else [cut]
    known = torch.cat([sequences.encode(kind, "screen").flatten(1) for kind in kinds])
    assert drawn <= {row.numpy().tobytes() for row in known}
    assert len(frames) - 5 <= len(drawn) <= len(frames)  # people may stand still
    assert source.windows - len(frames) < batch  # only what does not fill a batch is dropped
    again = [source.draw(steps + step, batch, slice(None)).frames for step in range(2)]
    assert not torch.equal(torch.cat(again), frames[: 2 * batch])  # another epoch, another order


def test_a_batch_is_the_same_for_any_number_of_processes(sequences: SequenceWindows) -> None:
    config = DatasetConfig("mocap", tds=2)
    sources = [DatasetWindows(sequences, TINY, config, seed=3) for _ in range(2)]
    for step in (40, 7, 1000):
        whole = sources[0].draw(step, 48, slice(None))
        parts = [sources[1].draw(step, 48, slice(rank, None, 3)) for rank in range(3)]
        for rank, part in enumerate(parts):
            assert torch.equal(part.frames, whole.frames[rank::3])
            assert torch.equal(part.poses, whole.poses[rank::3])
    other = DatasetWindows(sequences, TINY, config, seed=4).draw(7, 48, slice(None))
    assert not torch.equal(other.frames, sources[0].draw(7, 48, slice(None)).frames)


def test_training_on_human36m_lowers_the_loss_and_is_evaluated(
    h36m: DatasetConfig, tmp_path: Path
) -> None:
    config = run_of(h36m, tmp_path / "run")
    Trainer(config).run()
    history = scores(config)
    assert len(history) == 3 and history[-1] < 0.8 * history[0]
    weights = tmp_path / "run" / "best.safetensors"
    report = evaluate_weights(weights, h36m, device="cpu")
    assert set(report["subject"]) == {"S9", "S11"}
    assert set(report["action"]) == {"Directions", "Walking"}
    assert report["mean"]["actions"]["mpjpe"] < 1.1 * history[-1]
    noisy = EvaluationProtocol(tds=1, corruption=Corruption(noise=0.05))
    spoiled = evaluate_weights(weights, h36m, noisy, device="cpu")
    assert spoiled["mean"]["actions"]["mpjpe"] > report["mean"]["actions"]["mpjpe"]


def test_training_on_3dhp_lowers_the_loss_and_is_evaluated(
    three: DatasetConfig, tmp_path: Path
) -> None:
    config = run_of(three, tmp_path / "run")
    Trainer(dataclasses.replace(config, model=dataclasses.replace(TINY, step=0.04))).run()
    history = scores(config)
    assert history[-1] < 0.8 * history[0]
    report = evaluate_weights(tmp_path / "run" / "best.safetensors", three, device="cpu")
    assert list(report["sequence"]) == [f"TS{n}" for n in range(1, 7)]
    assert 0 <= report["mean"]["frames"]["pck"] <= 100


@pytest.mark.parametrize("kind", ["gt", "detectron_pt_coco"])
def test_both_stages_train_on_keypoints_of_any_order(kind: str, tmp_path: Path) -> None:
    poses, keypoints = synthetic.write_h36m(tmp_path, kind, SUBJECTS, frames=20)
    data = DatasetConfig("h36m", poses=str(poses), keypoints=str(keypoints))
    pretraining = run_of(data, tmp_path / "mpm", stage="pretrain")
    Trainer(pretraining).run()
    assert scores(pretraining)[-1] < scores(pretraining)[0]
    encoder = str(tmp_path / "mpm" / "best.safetensors")
    tuning = run_of(data, tmp_path / "run", encoder=encoder)
    Trainer(tuning).run()
    assert scores(tuning)[-1] < scores(tuning)[0]


def test_standing_cameras_before_the_motion_capture_train_the_person_encoding(
    mocap_file: Path, tmp_path: Path
) -> None:
    data = DatasetConfig("mocap", tds=2, cameras=2)
    model = dataclasses.replace(TINY, encoding="person", step=0.04)
    config = run_of(data, tmp_path / "run", mocap=str(mocap_file))
    config = dataclasses.replace(config, model=model)
    Trainer(config).run()
    assert scores(config)[-1] < scores(config)[0]


def test_refine_training_lowers_the_error_and_its_weights_serve_evaluation(
    h36m: DatasetConfig, tmp_path: Path
) -> None:
    lifting = run_of(h36m, tmp_path / "lifter")
    Trainer(lifting).run()
    lifter = tmp_path / "lifter" / "best.safetensors"
    before = {name: value.clone() for name, value in load_weights(lifter).state_dict().items()}
    refining = run_of(h36m, tmp_path / "refine", stage="refine", lifter=str(lifter))
    Trainer(refining).run()
    history = json.loads((tmp_path / "refine" / "history.json").read_text())
    assert history[-1]["score"] < 0.97 * history[-1]["lifted"]
    assert history[0]["lifted"] == history[-1]["lifted"]
    for name, value in load_weights(lifter).state_dict().items():
        assert torch.equal(value, before[name])
    module = tmp_path / "refine" / "best.safetensors"
    assert load_refine(module).config.hidden == 1024
    plain = evaluate_weights(lifter, h36m, device="cpu")
    refined = evaluate_weights(lifter, h36m, refine=module, device="cpu")
    assert refined["mean"]["actions"]["mpjpe"] < 0.97 * plain["mean"]["actions"]["mpjpe"]


def test_what_does_not_fit_is_said_before_training(
    h36m: DatasetConfig, three: DatasetConfig, mocap_file: Path, tmp_path: Path
) -> None:
    config = run_of(h36m, tmp_path / "run")
    wrong = dataclasses.replace(config, model=dataclasses.replace(TINY, step=0.04))
    with pytest.raises(ConfigError, match=r"model.step is 0.04 s, but .*tds=1 has 0.02 s"):
        Trainer(wrong)
    person = dataclasses.replace(TINY, encoding="person", step=0.04)
    with pytest.raises(DatasetError, match="'person' needs Human3.6M's joints"):
        Trainer(dataclasses.replace(config, dataset=three, model=person))
    with pytest.raises(ConfigError, match="stage=refine needs lifting weights"):
        Trainer(dataclasses.replace(config, stage="refine"))
    unread = run_of(DatasetConfig("mocap"), tmp_path / "run", without_licences=("CC BY",))
    with pytest.raises(ConfigError, match="leave without_licences empty"):
        Trainer(dataclasses.replace(unread, mocap=str(mocap_file)))
    with pytest.raises(ConfigError, match="leave dataset.kind empty"):
        Trainer(dataclasses.replace(config, stage="live"))
    with pytest.raises(ConfigError, match="batch is 9999"):
        Trainer(
            dataclasses.replace(config, optimiser=dataclasses.replace(config.optimiser, batch=9999))
        ).run()


@pytest.mark.parametrize(
    ("kind", "split", "says"),
    [
        ("h36m", "train", "dataset.poses names no file; Human3.6M is licensed data: get it from"),
        ("mpi_inf_3dhp", "test", "dataset.test names no file; MPI-INF-3DHP is licensed data"),
        ("mocap", "val", "mocap names no file; the motion capture is not part"),
        ("h36m", "val", "split is 'val', but h36m has train, test"),
        ("", "val", "dataset.kind is empty"),
    ],
)
def test_data_that_are_not_there_are_named_with_the_place_to_get_them(
    kind: str, split: str, says: str
) -> None:
    with pytest.raises(DatasetError, match=says):
        load_dataset(DatasetConfig(kind), split)


def test_swapped_files_of_3dhp_are_noticed(three: DatasetConfig) -> None:
    swapped = dataclasses.replace(three, train=three.test, test=three.train)
    with pytest.raises(DatasetError, match="is MPI-INF-3DHP test, but dataset.train names it"):
        load_dataset(swapped, "train")


def test_the_data_set_is_a_part_of_the_run_configuration() -> None:
    config = load_run_config(None, ["dataset.kind=h36m", "dataset.tds=2", "dataset.poses=p.npz"])
    assert config.dataset == DatasetConfig("h36m", poses="p.npz", tds=2)
    with pytest.raises(ConfigError, match="dataset.kind is 'h37m'"):
        load_run_config(None, ["dataset.kind=h37m"])
    with pytest.raises(ConfigError, match="dataset.tds is 0"):
        DatasetConfig(tds=0)
