"""Motion-capture files: what a file says of its clips fits its rows, and each split has clips."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest
from command import Command
from dataset_files import refused

from pstmo_core.data.motion import mocap
from pstmo_core.data.motion.doubts import doubts_of
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.motion_files import MotionFiles
from pstmo_core.data.sequences.check import check_files
from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.npz.safe_unpickle import read_npz
from pstmo_core.skeleton import mirror_order
from pstmo_core.training.config import RunConfig, load_run_config
from pstmo_core.training.engine import Trainer

WEIGHTS = Path(__file__).parents[2] / "pstmo_core" / "weights" / "stmo_27.safetensors"
#: Key of a file, what is done to it, and what is said.
FAULTS = {
    "rows beyond the end": ("clip_len", lambda v: v + 1, "do not give clips .* end to end"),
    "rows before the beginning": ("clip_start", lambda v: v - 9, "do not give clips"),
    "fewer rows than there are": ("rel_pos", lambda v: v[:-1], "rel_pos and root_pos have"),
    "one root for all": ("root_pos", lambda v: v[:1], r"root_pos have the shapes .* and \(1, 3\)"),
    "other joints": ("rel_pos", lambda v: v[:, :5], "rel_pos and root_pos have the shapes"),
    "a clip without a label": ("action", lambda v: v[1:], "clip_id names 9 clips"),
    "a clip without a split": ("split", lambda v: v[1:], "clip_id names 9 clips"),
    "no frame rate": ("fps", lambda v: v * 0, "fps is 0.0"),
    "millimetres": ("rel_scale", lambda v: v * 1e3, "not a human's size .* must be metres"),
    "two frame rates": ("fps", lambda v: np.array([50, 60]), "not a readable"),
}


def written(source: Path, path: Path, **changes: np.ndarray) -> Path:
    np.savez(path, **(read_npz(source) | changes))
    return path


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_whose_clips_do_not_fit_its_rows_is_refused(
    fault: str, mocap_file: Path, tmp_path: Path
) -> None:
    key, change, says = FAULTS[fault]
    path = written(mocap_file, tmp_path / "m.npz", **{key: change(read_npz(mocap_file)[key])})
    refused(path, says, lambda: load_mocap(path, "train"))


def test_rows_that_no_clip_has_are_refused(mocap_file: Path, tmp_path: Path) -> None:
    content = read_npz(mocap_file)
    longer = {key: np.concatenate([content[key]] * 2) for key in ("rel_pos", "root_pos")}
    path = written(mocap_file, tmp_path / "m.npz", **longer)
    refused(path, "clips have 2138 rows, but 4276 are there", lambda: load_mocap(path))


def test_a_licence_that_no_clip_has_is_said(
    mocap_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = read_npz(mocap_file)
    licences = np.where(content["split"] == "test", "CC BY", "CMU")
    path = written(mocap_file, tmp_path / "m.npz", licence=licences)
    with caplog.at_level(logging.WARNING):
        motion = MotionFiles([path]).of_split("train", without_licences=["CC BY", "CC-BY"])
    assert len(motion.clip) == len(load_mocap(path, "train").clip)
    assert [record.getMessage() for record in caplog.records] == [
        "no clip has the licence 'CC-BY', which is to be left out"
    ]


def test_a_file_without_clips_of_a_split_joins_others(mocap_file: Path, tmp_path: Path) -> None:
    first = load_mocap(mocap_file, "val")
    own = written(
        mocap_file, tmp_path / "own.npz", split=np.full(len(read_npz(mocap_file)["split"]), "train")
    )
    joined = MotionFiles([mocap_file, own]).of_split("val", without_licences=["CC BY-SA"])
    np.testing.assert_array_equal(joined.start, first.start)
    assert joined.clip.tolist() == first.clip.tolist()


def turned(positions: np.ndarray) -> np.ndarray:
    return positions[..., [0, 2, 1]] * np.array([1, -1, 1], positions.dtype)


SUSPECT = {
    "y up": ("rel_pos root_pos", turned, "not upright along z"),
    "sides swapped": ("rel_pos", lambda v: v[:, mirror_order()], "knees bend backwards"),
    "mirrored": ("rel_pos root_pos", lambda v: v * [-1, 1, 1], "knees bend backwards"),
    "no floor": ("root_pos", lambda v: v - [0, 0, 0.9], r"feet are at -0.8\d m, but the floor is"),
}


@pytest.mark.parametrize("what", SUSPECT)
def test_what_is_suspect_in_own_motion_is_said(what: str, mocap_file: Path, tmp_path: Path) -> None:
    keys, change, says = SUSPECT[what]
    content = read_npz(mocap_file)
    path = written(
        mocap_file, tmp_path / "own.npz", **{key: change(content[key]) for key in keys.split()}
    )
    assert doubts_of([mocap_file], [load_mocap(mocap_file)]) == []
    (doubt,) = doubts_of([mocap_file, path], [load_mocap(mocap_file), load_mocap(path)])
    assert doubt.startswith(f"{path}: ") and re.search(says, doubt)
    (report,) = check_files([path])
    assert doubt in report.remarks


def test_training_says_who_is_trained_on_and_measured(
    mocap_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    splits = read_npz(mocap_file)["split"]
    own = written(mocap_file, tmp_path / "own.npz", split=np.full(len(splits), "train"))
    settings = [f"mocap={mocap_file}", f"mocap_more=[{own}]", f"output={tmp_path}/run",
                "model.width=32", "validation_windows=2", "device=cpu"]  # fmt: skip
    Trainer(load_run_config(None, settings))
    (said,) = (record.getMessage() for record in caplog.records)
    assert "split train are in val or test as well (A02, A61, A82 and 1 more)" in said


@pytest.mark.parametrize("kind", ["", "mocap"])
def test_training_reads_each_file_once(
    kind: str, mocap_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    whole = mocap._read
    monkeypatch.setattr(mocap, "_read", lambda file: read.append(file) or whole(file))
    own, gone = tmp_path / "own.npz", tmp_path / "gone.txt"
    own.write_bytes(mocap_file.read_bytes())
    gone.write_text(f"{load_mocap(mocap_file, 'train').clip[0]}\n")
    read.clear()
    more = [f"mocap_more=[{own}]", f"mocap_replaced={gone}", "without_licences=[none]"]
    settings = [f"mocap={mocap_file}", f"output={tmp_path}/run", "validation_windows=2",
                f"dataset.kind={kind}", "dataset.tds=2", "device=cpu"]  # fmt: skip
    Trainer(load_run_config(None, [*settings, *(more if not kind else ())]))
    assert len(read) == (1 if kind else 2)


def test_several_files_are_measured_together(
    mocap_file: Path, tmp_path: Path, pstmo: Command
) -> None:
    content = read_npz(mocap_file)
    mine = written(mocap_file, tmp_path / "mine.npz", skeleton=np.full_like(content["split"], "me"))
    command = ["evaluate", str(WEIGHTS), "--windows", "2"]
    both = ["--mocap", str(mocap_file), "--mocap", str(mine)]
    code, out, err = pstmo(*command, *both)
    assert code == 0, err
    alone = [pstmo(*command, *one)[1].splitlines() for one in (both[:2], both[2:])]
    assert set(out.splitlines()) == {*alone[0], *alone[1]}
    code, _, err = pstmo("evaluate", str(WEIGHTS), *both, "--protocol", "sequences")
    assert code == 2 and "give --mocap once" in err


def without(split: str, source: Path, folder: Path) -> Path:
    splits = read_npz(source)["split"]
    other = "val" if split != "val" else "test"
    return written(source, folder / "m.npz", split=np.where(splits == split, other, splits))


@pytest.mark.parametrize(
    ("split", "command"),
    [
        ("train", "train mocap={file} output={folder}/run model.layers=1 validation_windows=2"),
        ("val", "calibrate {weights} -o {folder}/w.safetensors --mocap {file}"),
        ("test", "evaluate {weights} --mocap {file}"),
        ("test", "evaluate {weights} --mocap {file} --protocol sequences"),
        ("test", "bench live --mocap {file} -o {folder}"),
    ],
)
def test_a_split_without_clips_ends_in_a_sentence(
    split: str, command: str, mocap_file: Path, tmp_path: Path, pstmo: Command
) -> None:
    file = without(split, mocap_file, tmp_path)
    words = command.format(file=file, folder=tmp_path, weights=WEIGHTS).split()
    code, _, err = pstmo(*words)
    assert code == 2 and f"no clip has the split {split}" in err and err.count("\n") == 1


def test_a_run_does_not_go_on_with_clips_of_a_licence_that_it_left_out(
    mocap_file: Path, tmp_path: Path
) -> None:
    settings = [
        f"mocap={mocap_file}", f"output={tmp_path / 'run'}", "optimiser.batch=2", "threads=1",
        "optimiser.steps=1", "validation_windows=2", "model.layers=1", "model.width=32",
        "model.feedforward=32", "model.sem_width=32", "model.frames=9", "precision=fp32",
    ]  # fmt: skip
    run: RunConfig = load_run_config(None, [*settings, "without_licences=[CC BY]"])
    Trainer(run).run()
    with pytest.raises(ConfigError, match="holds a run of other settings"):
        Trainer(load_run_config(None, settings)).run()
