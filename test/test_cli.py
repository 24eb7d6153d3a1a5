"""The commands of a training, one after the other, as the model card names them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pstmo_core.cli import main
from pstmo_core.clip import sample_path

CONFIG = Path(__file__).parents[1] / "config" / "training" / "lifter27.yaml"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["pstmo", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_info:
        main()
    return int(exit_info.value.code or 0)


def test_train_export_evaluate_predict(
    mocap_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "run"
    settings = [
        f"mocap={mocap_file}",
        f"output={folder}",
        "optimiser.steps=4",
        "optimiser.batch=8",
        "validation_windows=20",
        "model.width=32",
        "model.sem_width=32",
        "model.feedforward=32",
    ]
    weights, onnx, report = folder / "best.safetensors", tmp_path / "m.onnx", tmp_path / "r.json"
    assert run(monkeypatch, "train", CONFIG, *settings) == 0
    assert run(monkeypatch, "export", weights, "-o", onnx) == 0
    evaluation = ("evaluate", weights, "--mocap", mocap_file, "--windows", 20, "-o", report)
    assert run(monkeypatch, *evaluation) == 0
    assert "| input | pose | class | MPJPE |" in capsys.readouterr().out
    rows = json.loads(report.read_text())["rows"]
    assert len(rows) == 9 and all(row["p_mpjpe"] <= row["mpjpe"] for row in rows)
    assert (
        run(monkeypatch, "predict", sample_path(), "-o", tmp_path / "o.npz", "--model", onnx) == 0
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "none.yaml"), "none.yaml: no such configuration file"),
        (("train", CONFIG, "mocap=none.npz"), "none.npz: no such motion-capture file"),
        (("export", "none.safetensors", "-o", "m.onnx"), "no such weight file"),
        (("evaluate", "none.safetensors", "--mocap", "m.npz"), "no such weight file"),
        (("predict", "none.npz", "-o", "o.npz"), "none.npz"),
    ],
)
def test_what_is_missing_is_named_in_one_line_with_exit_code_2(
    arguments: tuple[object, ...],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and sentence in line


@pytest.mark.parametrize("command", ["predict", "train", "evaluate", "export"])
def test_every_command_explains_itself(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, command, "--help") == 0
    assert "Usage: pstmo " + command in capsys.readouterr().out
