"""The authors' checkpoints: every kind and size gives the authors' outputs.

Their code is not needed: `Reference` computes from weights under their names what it computes.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from command import Command
from official_reference import Reference, State, random_poses, random_state, without_prefix
from torch import Tensor
from typer.testing import CliRunner

from pstmo_core.cli.commands import app
from pstmo_core.model.checkpoints import (
    CheckpointError,
    load_masked,
    load_official,
    load_refine,
    load_weights,
    read_state_dict,
)
from pstmo_core.model.config import STRIDES, ModelConfig
from pstmo_core.model.masked import MaskedConfig, MaskedSTMO
from pstmo_core.model.masking import Masking
from pstmo_core.model.refine import Refine
from pstmo_core.model.stmo import STMO


@pytest.mark.parametrize(
    ("kind", "layers", "keys"),
    [("stage_two", 3, 173), ("stage_two", 4, 189), ("stage_one", 3, 121), ("stage_one", 4, 153)],
)
def test_the_states_of_these_tests_have_as_many_keys_as_the_published(
    kind: str, layers: int, keys: int
) -> None:
    assert len(random_state(kind, 243, layers, 16, 16)) == keys


SIZES = [
    *((frames, layers, 32, 48) for frames in STRIDES for layers in (3, 4)),
    (27, 3, 256, 512),
    (81, 2, 64, 32),
]


@torch.inference_mode()
@pytest.mark.parametrize(("frames", "layers", "width", "hidden"), SIZES)
def test_a_stage_two_file_gives_the_authors_outputs(
    frames: int, layers: int, width: int, hidden: int
) -> None:
    state = random_state("stage_two", frames, layers, width, hidden)
    model, config = load_official(state)
    assert isinstance(model, STMO)
    assert not model.training
    assert config == ModelConfig(
        frames=frames,
        layers=layers,
        width=width,
        feedforward=hidden,
        sem_width=2 * width,
        encoding="screen",
        mofa_anchor="first",
    )
    poses = random_poses(frames)
    for actual, expected in zip(model(poses), Reference(state).stage_two(poses), strict=True):
        assert (actual - expected).abs().max() < 1e-5


@torch.inference_mode()
@pytest.mark.parametrize(("frames", "layers", "width", "hidden"), SIZES)
@pytest.mark.parametrize("masking", [Masking(0.8, 2), Masking(0.9, 0), Masking(0.0, 7)])
def test_a_stage_one_file_gives_the_authors_outputs(
    frames: int, layers: int, width: int, hidden: int, masking: Masking
) -> None:
    state = random_state("stage_one", frames, layers, width, hidden)
    model, config = load_official(state)
    assert isinstance(model, MaskedSTMO)
    assert isinstance(config, MaskedConfig)
    decoder = (config.decoder_layers, config.decoder_width, config.decoder_feedforward)
    assert decoder == (layers - 1, width // 2, hidden // 2)
    poses = random_poses(frames)
    shared = Masking(masking.temporal_ratio, masking.joints, "per_batch")
    masks = shared.draw(2, frames, torch.Generator().manual_seed(frames))
    expected = Reference(state).stage_one(poses, *masks)
    assert (model(poses, *masks) - expected).abs().max() < 1e-5


@torch.inference_mode()
def test_a_refine_file_gives_the_authors_outputs() -> None:
    state = random_state("refine", hidden=1024)
    model, config = load_official(state)
    assert isinstance(model, Refine)
    assert config.hidden == 1024  # type: ignore[union-attr]
    lifted, projected = torch.randn(2, 5, 17, 3, generator=torch.Generator().manual_seed(1))
    expected = Reference(state).refine(lifted, projected)
    assert (model(lifted, projected) - expected).abs().max() < 1e-5


def test_a_prefix_makes_no_difference_and_the_step_is_the_callers() -> None:
    state = random_state("stage_two")
    model, config = load_official(without_prefix(state), step=0.02)
    poses = random_poses(27)
    torch.testing.assert_close(model(poses), load_official(state)[0](poses))
    assert config.step == 0.02  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name",
    [
        "encoder.fc_1.weight",
        "Transformer.pos_embedding",
        "Transformer.model.layers.1.sublayer.0.norm.a_2",
        "Transformer_reduce.model.layers.2.feed_forward.w_2.bias",
        "fcn.0.running_var",
    ],
)
def test_a_missing_key_is_named(name: str) -> None:
    state = without_prefix(random_state("stage_two"))
    del state[name]
    with pytest.raises(CheckpointError, match=f"missing keys: {name}"):
        load_official(state)


@pytest.mark.parametrize("kind", ["stage_one", "stage_two", "refine"])
def test_an_unknown_key_is_named(kind: str) -> None:
    state = random_state(kind) | {"module.extra.weight": torch.zeros(2)}
    with pytest.raises(CheckpointError, match=r"unknown keys: extra\.weight"):
        load_official(state)


def test_many_wrong_keys_are_counted() -> None:
    state = random_state("stage_two") | {f"module.x{i:02}": torch.zeros(1) for i in range(20)}
    with pytest.raises(CheckpointError, match=r"x00, x01.* and 12 more"):
        load_official(state)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("fcn.1.weight", torch.zeros(51, 16, 1), "do not fit the others: fcn.1.weight"),
        ("encoder.fc_1.weight", torch.zeros(64, 32, 1), "fit the others: encoder.fc_1.weight"),
        ("fcn.1.bias", torch.full((51,), float("nan")), "not finite: fcn.1.bias"),
        ("Transformer.pos_embedding", torch.zeros(1, 28, 32), "frames is 28"),
        ("Transformer.pos_embedding", torch.zeros(28), r"pos_embedding has the shape \(28,\)"),
        ("epoch", 3, "no tensors: epoch"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: Tensor, sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        load_official(random_state("stage_two") | {f"module.{name}": value})


@pytest.mark.parametrize("state", [{}, {"weight": torch.zeros(1)}])
def test_what_is_no_checkpoint_of_theirs_is_refused(state: State) -> None:
    with pytest.raises(CheckpointError, match="no keys of stage I, stage II or the refine module"):
        load_official(state)


class Hostile:
    """A pickle of this would create a file when read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (str(self.trace),)


@pytest.mark.parametrize(
    ("kind", "load"),
    [("stage_one", load_masked), ("stage_two", load_weights), ("refine", load_refine)],
)
def test_the_command_writes_a_file_that_gives_the_same_network(
    kind: str, load: object, tmp_path: Path
) -> None:
    state = random_state(kind)
    torch.save(state, tmp_path / "theirs.pth")
    arguments = ["import-official", str(tmp_path / "theirs.pth"), "-o", str(tmp_path / "ours")]
    result = CliRunner().invoke(app, [*arguments, "--step", "0.02"])
    assert result.exit_code == 0, result.output
    expected, config = load_official(state, step=0.02)
    written = load(tmp_path / "ours")  # type: ignore[operator]
    assert written.config == config
    torch.testing.assert_close(written.state_dict(), expected.state_dict())


def test_a_hostile_file_runs_nothing_and_ends_in_one_sentence_and_code_2(
    tmp_path: Path, pstmo: Command
) -> None:
    trace, file = tmp_path / "trace", tmp_path / "hostile.pth"
    torch.save({"module.fcn.1.bias": Hostile(trace)}, file)
    code, _, err = pstmo("import-official", file, "-o", tmp_path / "out")
    assert code == 2
    assert not trace.exists()
    assert not (tmp_path / "out").exists()
    (line,) = err.strip().splitlines()
    assert "hostile.pth: refused, nothing in it was run: it asks for" in line


@pytest.mark.parametrize(
    "content",
    [b"", b"text", b"PK\x03\x04 a cut zip", pickle.dumps({"a": 1})[:-3], pickle.dumps([1, 2])],
)
def test_a_broken_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.pth"
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken\.pth: ") as caught:
        load_official(read_state_dict(file))
    assert "\n" not in str(caught.value)


def test_a_cut_file_and_one_without_weights_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save(random_state("refine"), whole)
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match=r"cut\.pth: "):
        read_state_dict(tmp_path / "cut.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(CheckpointError, match="holds Tensor, not weights by name"):
        read_state_dict(tmp_path / "tensor.pth")
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        read_state_dict(tmp_path / "absent.pth")
