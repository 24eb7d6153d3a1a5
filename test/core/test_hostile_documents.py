"""JSON and YAML from outside: however deep, long or large, a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pstmo_core.errors import ConfigError, PstmoError, quoted
from pstmo_core.keypoints.clip import load_clip
from pstmo_core.keypoints.layouts.from_file import read_layout
from pstmo_core.lift.calibration import load_camera_info
from pstmo_core.lift.ledger import Ledger
from pstmo_core.model.config import ModelConfig

DIGITS = "9" * 400  # beyond a double
NEST = "[" * 900 + "1" + "]" * 900
POINTS = ",".join([DIGITS] * 75)
DOCUMENTS = {
    "lists without end": "[" * 100_000,
    "objects without end": '{"a":' * 100_000,
    "lists in lists": NEST,
    "objects in objects": '{"a":' * 900 + "1" + "}" * 900,
    "a number that no float holds": DIGITS,
    "a number of a million digits": "9" * 1_000_000,
    "infinity": "1e999",
    "no number": "NaN",
    "OpenPose, deep": f'{{"version":1.3,"people":{NEST}}}',
    "OpenPose, large": f'{{"version":1.3,"people":[{{"pose_keypoints_2d":[{POINTS}]}}]}}',
    "COCO, deep": f'[{{"image_id":1,"category_id":1,"keypoints":{NEST},"score":1}}]',
    "COCO, large": f'[{{"image_id":{DIGITS},"category_id":1,"keypoints":[{POINTS}],"score":1}}]',
    "a list, large": f"[[[{DIGITS}, 1], [1, 2]]]",
    "a table with an endless column": "frame," + "x" * 1_000_000,
}
ALIASES = "\n".join(
    ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
)


def clip(path: Path) -> None:
    load_clip(path, fps=30.0, size=(640, 480))


def folder(path: Path) -> None:
    frames = path.with_suffix("")
    frames.mkdir()
    path.rename(frames / "a_keypoints.json")
    clip(frames)


def model(path: Path) -> None:
    ModelConfig.from_json(path.read_text())


def model_field(path: Path) -> None:
    ModelConfig.from_json(f'{{"config_version": 1, "frames": {path.read_text()}}}')


def calibration(path: Path) -> None:
    load_camera_info(path)


def layout(path: Path) -> None:
    read_layout(path)


def run_settings(path: Path) -> None:
    pytest.importorskip("omegaconf", reason="needs what trains")
    from pstmo_core.training.config import load_run_config

    load_run_config(path, [])


def experiment(path: Path) -> None:
    pytest.importorskip("torch", reason="needs what trains")
    from pstmo_core.experiments.catalogue import load_experiment

    load_experiment(str(path))


READERS: tuple[Callable[[Path], None], ...] = (
    clip, folder, layout, model, model_field, calibration, run_settings, experiment,
)  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document_is_refused_in_a_sentence(
    name: str, reader: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / ("file.json" if reader in (clip, folder) else "file.yaml")
    path.write_text(DOCUMENTS[name])
    with pytest.raises(PstmoError) as error:
        reader(path)
    assert len(str(error.value)) < 1000


def test_an_array_that_claims_terabytes_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000, 17, 3)}"
    (tmp_path / "file.npy").write_bytes(
        b"\x93NUMPY\x01\x00\x76\x00" + head.ljust(117).encode() + b"\n"
    )
    with pytest.raises(PstmoError, match="is a truncated array"):
        clip(tmp_path / "file.npy")


def test_what_is_quoted_is_short_whatever_it_holds() -> None:
    bomb: list[object] = [1] * 10
    for _ in range(9):
        bomb = [bomb] * 10
    assert len(quoted(bomb)) < 200 and len(quoted(10**4000)) < 200
    assert quoted([1, "a"]) == "[1, 'a']" and quoted({"a": 1.5}) == "{'a': 1.5}"


@pytest.mark.parametrize("reader", [run_settings, experiment, calibration, layout])
def test_aliases_of_aliases_take_no_memory(reader: Callable[[Path], None], tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(ALIASES)
    with pytest.raises(PstmoError):
        reader(tmp_path / "file.yaml")


def test_the_limits_of_settings_are_said(tmp_path: Path) -> None:
    pytest.importorskip("omegaconf", reason="needs what trains")
    from pstmo_core.training.config import load_run_config

    for text, sentence in (
        (ALIASES, "aliases"),
        ("a: " + "[" * 33 + "]" * 33, "levels deep"),
        ("a: " + "b" * 70_000, "bytes"),
    ):
        (tmp_path / "run.yaml").write_text(text)
        with pytest.raises(ConfigError, match=f"run.yaml: .* {sentence}"):
            load_run_config(tmp_path / "run.yaml", [])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_ledger_that_cannot_be_read_counts_as_not_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "out.lift.json").write_text(DOCUMENTS[name])
    (tmp_path / "clip.npz").write_text("")
    ledger = Ledger(tmp_path / "out", str(tmp_path / "clip.npz"))
    assert ledger._read() == {} or set(ledger._read()) <= {"a", "version", "people"}
