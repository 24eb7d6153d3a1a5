"""The commands of a training, one after the other, as the model card names them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command import Command

from pstmo_core.keypoints.clip import sample_path
from pstmo_core.runtime import shipped_model

CONFIG = Path(__file__).parents[2] / "pstmo_core" / "recipes" / "training" / "lifter27_start.yaml"


def test_train_export_evaluate_lift(
    mocap_file: Path,
    tmp_path: Path,
    pstmo: Command,
) -> None:
    pytest.importorskip("torch", reason="training needs torch")
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
    assert pstmo("train", CONFIG, *settings)[0] == 0
    assert pstmo("export", weights, "-o", onnx)[0] == 0
    evaluation = ("evaluate", weights, "--mocap", mocap_file, "--windows", 20, "-o", report)
    code, out, _ = pstmo(*evaluation)
    assert code == 0 and "| input | look-ahead | class | MPJPE |" in out
    rows = json.loads(report.read_text())["rows"]
    assert {row["input"] for row in rows} >= {"clean", "detector faults", "raised camera"}
    assert all(row["p_mpjpe"] <= row["mpjpe"] for row in rows)
    assert pstmo("lift", sample_path(), "-o", tmp_path / "o.npz", "--model", onnx)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("train", "none.yaml"), "none.yaml: no such run"),
        (("train", CONFIG, "mocap=none.npz"), "none.npz: no such motion-capture file"),
        (("export", "none.safetensors", "-o", "m.onnx"), "no such weight file"),
        (("evaluate", "none.safetensors", "--mocap", "m.npz"), "no such weight file"),
        (("evaluate", shipped_model(), "--mocap", "m.npz"), "is an ONNX file"),
        (("lift", "none.npz", "-o", "o.npz"), "none.npz"),
        (
            ("import-official", shipped_model().with_suffix(".safetensors"), "-o", "o.safetensors"),
            "stmo_27.safetensors: not a checkpoint of the authors' code",
        ),
    ],
)
def test_what_is_missing_is_named_in_one_line_with_exit_code_2(
    arguments: tuple[object, ...],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pstmo: Command,
) -> None:
    if arguments[0] != "lift":
        pytest.importorskip("torch", reason="training needs torch")
    monkeypatch.chdir(tmp_path)
    code, _, err = pstmo(*arguments)
    said = err.replace("\r", "\n").splitlines()
    (line,) = (text for text in said if text and "%|" not in text)  # a slow machine shows a bar
    assert code == 2
    assert line.startswith("error: ") and sentence in line


@pytest.mark.parametrize("command", ["lift", "train", "evaluate", "export"])
def test_every_command_explains_itself(command: str, pstmo: Command) -> None:
    code, out, _ = pstmo(command, "--help")
    assert code == 0 and f"Usage: pstmo {command}" in out


def test_predict_says_its_new_name(pstmo: Command) -> None:
    code, _, err = pstmo("predict", "clip.npz", "-o", "out.npz", "--look-ahead", 3)
    assert code == 2
    assert "is now `pstmo lift`" in err and "pstmo lift clip.npz -o out.npz --look-ahead 3" in err


@pytest.mark.parametrize("command", [("lift", "none.npz", "-o", "o.npz"), ("train", "none.yaml")])
def test_debug_shows_the_traceback_wherever_it_stands(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pstmo: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Traceback" not in pstmo(*command)[2]
    for arguments in (("--debug", *command), (*command, "--debug")):
        code, _, err = pstmo(*arguments)
        assert code == 2 and "Traceback" in err and err.splitlines()[-1].startswith("error: ")


def test_commands_that_need_no_torch_do_not_import_it(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None; from pstmo_core.cli import main\n"
        "sys.argv = ['pstmo', *sys.argv[1:]]; main()"
    )
    clip = str(sample_path())
    for arguments, expected in (
        (("lift", clip, "-o", str(tmp_path / "o.npz")), 0),
        (("data", "check", clip), 0),
        (("experiments", "list", "--rows"), 0),
        (("engine", "list", "--cache", str(tmp_path / "engines")), 0),
        (("evaluate", "none.safetensors"), 2),
    ):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == expected and "torch" not in done.stderr, done.stderr


#: A command whose user presses Ctrl-C while it imports what it needs.
INTERRUPTED = """
import os, signal, sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == "pstmo_core.cli.lift":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, CtrlC())
from pstmo_core.cli import main
main()
"""


def test_ctrl_c_is_quiet_from_the_beginning() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_no_name_from_outside_commands_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pstmo: Command
) -> None:
    """Names of files, of people and of JSON's fields, in errors and in what is told of success."""
    monkeypatch.chdir(tmp_path)
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
    clip = Path(f"{evil}.npz")
    clip.write_bytes(sample_path().read_bytes())
    code, out, err = pstmo("lift", clip, "-o", f"out{evil}.npz")
    assert code == 0 and "wrote out\\x1b]0;owned" in out
    broken = Path(f"{evil}.json")
    broken.write_text(json.dumps([{evil: [1, 2]}]))
    code, more, errors = pstmo("lift", broken, "-o", "out.npz")
    assert code == 2 and "error: \\x1b]0;owned" in errors
    code, checked, _ = pstmo("data", "check", clip)
    assert code == 0
    everything = out + err + more + errors + checked
    assert all(sign.isprintable() or sign in "\r\n" for sign in everything)
