"""No command that trains, measures or draws replaces one of its inputs, or what others made."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from command import Command

from pstmo_core.atomic_files import OutputError
from pstmo_core.model.config import ModelConfig
from pstmo_core.training.config import OptimiserConfig, RunConfig
from pstmo_core.training.engine import Trainer
from pstmo_core.training.run_folder import claimed

#: Commands with an input {in}; the output is another name of the same file.
COMMANDS = {
    "calibrate {in} --mocap m.npz -o {out}": ".safetensors",
    "calibrate w.safetensors --mocap {in} -o {out}": ".npz",
    "evaluate {in} --mocap m.npz -o {out}": ".json",
    "evaluate w.safetensors --mocap {in} -o {out}": ".json",
    "export {in} -o {out}": ".onnx",
    "import-official {in} -o {out}": ".safetensors",
    "figures attention {in} -o {out}": ".png",
    "figures attention w.safetensors {in} -o {out}": ".svg",
    "figures reconstruction {in} -o {out}": ".png",
    "figures skeletons {in} -o {out}": ".png",
    "figures skeletons --model {in} -o {out}": ".png",
    "figures live {in} -o {out}": ".svg",
    "experiments report {in} -o {out}": ".yaml",
    "experiments report table3 --mocap {in} -o {out}": ".md",
}


@pytest.mark.parametrize("linked", ["itself", "hard", "soft"])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_is_an_input_is_refused(
    command: str, linked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pstmo: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    given = Path(f"given{COMMANDS[command]}")
    other = given if linked == "itself" else Path(f"other{COMMANDS[command]}")
    given.write_text("mine")
    if linked == "hard":
        other.hardlink_to(given)
    elif linked == "soft":
        other.symlink_to(given)
    names = {"{in}": given, "{out}": other}
    code, _, err = pstmo(*(names.get(word, word) for word in command.split()))
    assert code == 2 and "would replace an input" in err
    assert given.read_text() == "mine" == other.read_text()


@pytest.fixture
def run(mocap_file: Path, small_model: ModelConfig, tmp_path: Path) -> RunConfig:
    return RunConfig(
        mocap=str(mocap_file),
        output=str(tmp_path / "run"),
        model=small_model,
        optimiser=OptimiserConfig(steps=2, batch=4, warmup_steps=1, decay_steps=1),
        precision="fp32",
        device="cpu",
        save_every=1,
        validation_windows=4,
    )


@pytest.mark.parametrize(
    "name", ["best.safetensors", "last.safetensors", "last.pt", "history.json", "run.yaml"]
)
def test_training_replaces_no_file_that_it_did_not_write(run: RunConfig, name: str) -> None:
    mine = Path(run.output) / name
    mine.parent.mkdir()
    mine.write_text("# mine\nstage: lift\n")
    with pytest.raises(OutputError, match=f"holds {name}, which `pstmo train` did not write"):
        Trainer(run)
    assert mine.read_text() == "# mine\nstage: lift\n" and len(list(mine.parent.iterdir())) == 1


def test_training_replaces_none_of_its_inputs(run: RunConfig) -> None:
    Trainer(run).run()
    best = Path(run.output) / "best.safetensors"
    before = best.read_bytes()
    with pytest.raises(OutputError, match="would replace an input"):
        Trainer(dataclasses.replace(run, initial=str(best)))
    assert best.read_bytes() == before


def test_a_folder_has_one_training_at_a_time(run: RunConfig, pstmo: Command) -> None:
    Trainer(run).run()
    settings, checkpoint = (Path(run.output) / name for name in ("run.yaml", "last.pt"))
    before = settings.read_bytes(), checkpoint.read_bytes()
    with claimed(Path(run.output)):
        code, _, err = pstmo("train", run.output, "optimiser.steps=3")
    assert code == 2 and "another training is writing into it" in err and "Traceback" not in err
    assert (settings.read_bytes(), checkpoint.read_bytes()) == before
    assert pstmo("train", run.output, "optimiser.steps=3")[0] == 0


def test_a_damaged_checkpoint_ends_in_a_sentence(
    run: RunConfig, tmp_path: Path, pstmo: Command
) -> None:
    Trainer(run).run()
    last = Path(run.output) / "last.pt"
    whole = last.read_bytes()
    (tmp_path / "settings.yaml").write_text(run.to_yaml())
    for damaged in (whole[: len(whole) // 2], b"", b"rubbish", b"PK\x03\x04" + bytes(100)):
        last.write_bytes(damaged)
        code, _, err = pstmo("train", tmp_path / "settings.yaml", "optimiser.steps=3")
        assert code == 2 and "last.pt: is truncated or damaged" in err and "Traceback" not in err
        assert last.read_bytes() == damaged
