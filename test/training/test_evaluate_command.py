"""`pstmo evaluate --dataset`: reports, and one sentence with exit code 2 for whatever is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command import Command
from dataset_files import Change, changed, set_at, with_nan

torch = pytest.importorskip("torch", reason="evaluation needs torch")

import synthetic_datasets as synthetic  # noqa: E402

from pstmo_core.data.sequences.h36m_cameras import SUBJECTS  # noqa: E402
from pstmo_core.model.checkpoints import save_weights  # noqa: E402
from pstmo_core.model.config import ModelConfig  # noqa: E402
from pstmo_core.model.refine import Refine  # noqa: E402
from pstmo_core.model.stmo import STMO  # noqa: E402

POSES, POINTS = ("positions_3d", "S9", "Walking"), ("positions_2d", "S9", "Walking", 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evaluate")


@pytest.fixture(scope="module")
def weights(folder: Path) -> Path:
    config = ModelConfig(
        frames=9, layers=1, width=32, feedforward=32, sem_width=32, heads=4, encoding="screen"
    )
    torch.manual_seed(1)
    save_weights(STMO(config), folder / "w.safetensors")
    return folder / "w.safetensors"


@pytest.fixture(scope="module")
def h36m(folder: Path) -> tuple[Path, Path]:
    return synthetic.write_h36m(folder, subjects=SUBJECTS)


def test_human36m_is_reported_in_the_papers_columns_and_as_json(
    weights: Path, h36m: tuple[Path, Path], folder: Path, pstmo: Command
) -> None:
    save_weights(Refine(), folder / "refine.safetensors")
    common = ("evaluate", weights, "--dataset", "h36m", "--poses", h36m[0], "--keypoints", h36m[1])
    code, out, _ = pstmo(*common, "-o", folder / "r.json", "--device", "cpu")
    assert code == 0 and "| Dir. | Disc. | Eat |" in out and "flip averaged" in out
    report = json.loads((folder / "r.json").read_text())
    assert report["split"] == "test" and report["protocol"]["tds"] == 2
    assert report["frames"] == 2 * 4 * (20 + 21)
    code, out, _ = pstmo(
        *common, "--refine", folder / "refine.safetensors", "--look-ahead", 0, "--tds", 1,
        "--no-flip", "--noise", 0.01, "--shuffle", "--missing-joints", 0.1,
        "--missing-frames", 0.2, "--seed", 3,
    )  # fmt: skip
    said = "look-ahead 0, TDS 1, refined, noise of 0.01, frames shuffled, 10% missing joints, 20%"
    assert code == 0 and said in out


def test_3dhp_and_motion_capture_are_reported_by_sequence_and_action(
    weights: Path, mocap_file: Path, folder: Path, pstmo: Command
) -> None:
    test = synthetic.write_3dhp_test(folder)
    code, out, _ = pstmo("evaluate", weights, "--dataset", "mpi_inf_3dhp", "--test", test)
    assert code == 0 and "| TS6 |" in out and "| all frames |" in out
    code, out, _ = pstmo("evaluate", weights, "--mocap", mocap_file, "--protocol", "sequences")
    assert code == 0 and "motion capture:" in out and "| all frames |" in out


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        (0, lambda c: c.update(poses=c.pop("positions_3d")), "has no key 'positions_3d'"),
        (1, lambda c: c.update(x=c.pop("positions_2d")), "has no key 'positions_2d'"),
        (0, set_at(*POSES)(lambda a: a[:, :17]), "has the shape (21, 17, 3)"),
        (1, set_at(*POINTS)(lambda a: a[:, :16]), "has the shape (21, 16, 2)"),
        (1, set_at("metadata", "keypoints_symmetry")([[1], [2]]), "neither Human3.6M's order"),
        (0, set_at(*POSES)(with_nan), "S9 'Walking' has NaN"),
        (1, set_at(*POINTS)(with_nan), "camera 58860488 has NaN"),
        (1, set_at(*POINTS)(lambda a: a[:-1]), "has 20 frames of keypoints, but the poses have 21"),
        (0, lambda c: c["positions_3d"].pop("S9"), "has no subject S9"),
    ],
)
def test_wrong_human36m_files_end_in_one_sentence(
    weights: Path, h36m: tuple[Path, Path], tmp_path: Path, pstmo: Command,
    file: int, change: Change, says: str,
) -> None:  # fmt: skip
    files = list(h36m)
    files[file] = changed(h36m[file], tmp_path, change)
    arguments = ("--dataset", "h36m", "--poses", files[0], "--keypoints", files[1])
    refused(pstmo, (weights, *arguments), str(files[file]), says)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.update(x=c.pop("data")), "has no key 'data'"),
        (set_at("data", "TS3", "data_3d")(lambda a: a[:, :14]), "has the shape (20, 14, 3)"),
        (set_at("data", "TS3", "data_2d")(with_nan), "'TS3' 'data_2d' has NaN"),
        (set_at("data", "TS3", "data_2d")(lambda a: a[1:]), "'TS3' has 19 frames of keypoints"),
        (set_at("data", "TS3", "valid")(lambda a: a[1:]), "'TS3' has 20 frames, but 19 marks"),
    ],
)
def test_wrong_3dhp_files_end_in_one_sentence(
    weights: Path, tmp_path: Path, pstmo: Command, change: Change, says: str
) -> None:
    (tmp_path / "bad").mkdir()
    file = changed(synthetic.write_3dhp_test(tmp_path), tmp_path / "bad", change)
    refused(pstmo, (weights, "--dataset", "mpi_inf_3dhp", "--test", file), str(file), says)


class Hostile:
    """A pickle of this makes a careless reader run a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.mark}",)


def test_truncated_and_hostile_files_end_in_one_sentence_and_run_nothing(
    weights: Path, h36m: tuple[Path, Path], tmp_path: Path, pstmo: Command
) -> None:
    arguments = (weights, "--dataset", "h36m", "--keypoints", h36m[1], "--poses")
    cut, hostile = tmp_path / "cut.npz", tmp_path / "hostile.npz"
    cut.write_bytes(h36m[0].read_bytes()[:-100])
    refused(pstmo, (*arguments, cut), str(cut), "truncated or damaged")
    synthetic.save_pickled(hostile, positions_3d=Hostile(tmp_path / "ran"))
    refused(pstmo, (*arguments, hostile), str(hostile), "posix.system")
    assert not (tmp_path / "ran").exists()
    cut.write_text("no npz")
    refused(pstmo, (*arguments, cut), str(cut), "is not an npz file")


def test_what_is_not_there_or_does_not_fit_is_named(
    weights: Path, h36m: tuple[Path, Path], tmp_path: Path, folder: Path, pstmo: Command
) -> None:
    both = ("--dataset", "h36m", "--poses", h36m[0], "--keypoints", h36m[1])
    refused(pstmo, (weights,), "name what to measure on", "--mocap FILE, or --dataset")
    refused(pstmo, (weights, *both, "--mocap", "m.npz"), "name what to measure on", "--mocap FILE")
    refused(pstmo, (weights, *both, "--protocol", "windows"), "--protocol windows needs", "--mocap")
    refused(pstmo, (weights, *both, "--windows", 9), "--windows is of the protocol windows", "add")
    of_mocap = (weights, "--mocap", "m.npz", "--noise", 1)
    refused(pstmo, of_mocap, "--noise is of the protocol sequences", "add --protocol sequences")
    of_mocap = (weights, "--mocap", "m.npz", "--device", "cuda")
    refused(pstmo, of_mocap, "--device is of the protocol sequences", "add --protocol sequences")
    refused(pstmo, (weights, *both[:2]), "dataset.poses names no file", "is licensed data: get it")
    missing = (weights, "--dataset", "mpi_inf_3dhp", "--test", "no.npz")
    refused(pstmo, missing, "no.npz: no such file", "name it as dataset.test= ")
    refused(pstmo, (weights, *both, "--noise", -1), "noise is -1.0", "0 or more")
    refused(pstmo, (weights, *both, "--look-ahead", 9), "look_ahead is 9", "has 9 frames")
    refused(pstmo, (weights, *both, "--refine", weights), str(weights), "holds a lifting network")
    three = synthetic.write_3dhp_test(tmp_path)
    save_weights(Refine(), tmp_path / "refine.safetensors")
    refined = (
        "--dataset",
        "mpi_inf_3dhp",
        "--test",
        three,
        "--refine",
        tmp_path / "refine.safetensors",
    )
    refused(pstmo, (weights, *refined), "the refine module needs", "Human3.6M's joints")
    person = ModelConfig(frames=9, layers=1, width=32, feedforward=32, sem_width=32, heads=4)
    save_weights(STMO(person), tmp_path / "p.safetensors")
    arguments = (tmp_path / "p.safetensors", "--dataset", "mpi_inf_3dhp", "--test", three)
    refused(pstmo, arguments, "the encoding 'person'", "mpi_inf_3dhp17")


def refused(pstmo: Command, arguments: tuple[object, ...], begins: str, says: str) -> None:
    code, _, err = pstmo("evaluate", *arguments)
    (line,) = err.strip().splitlines()
    assert code == 2 and line.startswith(f"error: {begins}") and says in line, line
