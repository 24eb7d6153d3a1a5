"""The network's shapes, its modules' promises, and its configuration."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from pstmo_core.encoding import input_shape
from pstmo_core.errors import ConfigError
from pstmo_core.model.attention import use_explicit_attention
from pstmo_core.model.config import CONFIG_VERSION, STRIDES, ModelConfig
from pstmo_core.model.refine import Refine
from pstmo_core.model.stmo import STMO

SMALL = ModelConfig(frames=27, layers=1, width=32, feedforward=32, sem_width=32, heads=4)


def windows(config: ModelConfig, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, config.frames, *input_shape(config.encoding))


@pytest.mark.parametrize("frames", sorted(STRIDES))
@pytest.mark.parametrize("anchor", ["centre", "first"])
@pytest.mark.parametrize("encoding", ["screen", "person"])
def test_every_window_gives_all_frames_and_one_target(
    frames: int, anchor: str, encoding: str
) -> None:
    config = dataclasses.replace(SMALL, frames=frames, mofa_anchor=anchor, encoding=encoding)
    all_frames, target = STMO(config).eval()(windows(config))
    assert all_frames.shape == (2, frames, 17, 3)
    assert target.shape == (2, 17, 3)


@pytest.mark.parametrize(("layers", "millions"), [(2, 5.7), (3, 6.2), (4, 6.7), (5, 7.3)])
def test_the_papers_networks_have_the_sizes_of_its_table_7(layers: int, millions: float) -> None:
    # The paper counts no positional embeddings, and cuts off rather than rounds.
    config = ModelConfig(frames=243, layers=layers, encoding="screen", mofa_anchor="first")
    parameters = STMO(config).named_parameters()
    count = sum(value.numel() for name, value in parameters if "positions" not in name)
    assert count / 1e6 == pytest.approx(millions, abs=0.07)


@pytest.mark.parametrize(
    ("variant", "millions"),
    [
        ({"sem": "fc", "mofa": False}, 1.6),
        ({"mofa": False}, 2.3),
        ({"mofa": False, "sem_blocks": 2}, 2.8),
        ({"mofa": False, "sem_blocks": 3}, 3.3),
        (
            {"mofa": False, "sem": "transformer", "sem_blocks": 3, "width": 544, "frames": 81}
            | {"feedforward": 1088},
            7.2,
        ),
    ],
)
def test_the_variants_of_sem_have_the_sizes_of_the_papers_table_4(
    variant: dict[str, object], millions: float
) -> None:
    paper = ModelConfig(frames=243, encoding="screen", mofa_anchor="first")
    model = STMO(dataclasses.replace(paper, **variant))  # type: ignore[arg-type]
    counted = [model.sem, model.tem, model.head_target]
    count = sum(
        value.numel()
        for part in counted
        for name, value in part.named_parameters()
        if "positions" not in name
    )
    assert count / 1e6 == pytest.approx(millions, abs=0.07)


@pytest.mark.parametrize("sem", ["mlp", "fc", "transformer"])
@pytest.mark.parametrize("rest", [{}, {"layers": 0}, {"mofa": False}, {"layers": 0, "mofa": False}])
@pytest.mark.parametrize("encoding", ["screen", "person"])
def test_any_part_of_the_network_can_be_left_out_or_replaced(
    sem: str, rest: dict[str, object], encoding: str
) -> None:
    config = dataclasses.replace(SMALL, sem=sem, width=68, encoding=encoding, **rest)  # type: ignore[arg-type]
    all_frames, target = STMO(config).eval()(windows(config))
    assert all_frames.shape == (2, 27, 17, 3)
    assert target.shape == (2, 17, 3)


def test_sem_sees_one_frame_at_a_time() -> None:
    model = STMO(SMALL).eval()
    frames = windows(SMALL)
    changed = frames.clone()
    changed[:, 5] += 1
    before, after = model.sem(frames), model.sem(changed)
    others = [index for index in range(SMALL.frames) if index != 5]
    torch.testing.assert_close(before[:, others], after[:, others])
    assert not torch.allclose(before[:, 5], after[:, 5])


@pytest.mark.parametrize("frames", [9, 27, 81, 243])
def test_mofa_anchored_at_the_centre_keeps_the_target_frame_on_its_skip_path(frames: int) -> None:
    def reached(anchor: str) -> list[int]:
        config = dataclasses.replace(SMALL, frames=frames, mofa_anchor=anchor)
        mofa = STMO(config).eval().mofa
        kept = torch.arange(frames)
        for layer in mofa.layers:
            kept = kept[layer.offset :: layer.stride]
        return kept.tolist()

    assert reached("centre") == [frames // 2]
    assert reached("first") == [0]


def test_explicit_attention_equals_torchs_fused_kernel() -> None:
    model = STMO(SMALL).eval()
    frames = windows(SMALL)
    fused = model(frames)
    use_explicit_attention(model)
    for expected, actual in zip(fused, model(frames), strict=True):
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_a_configuration_survives_its_json() -> None:
    config = dataclasses.replace(SMALL, step=0.02, mofa_anchor="first")
    assert ModelConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"frames": 28}, "frames is 28, but must be one of"),
        ({"width": 30}, "must be a multiple of"),
        ({"encoding": "polar"}, "encoding is 'polar'"),
        ({"step": 0.0}, "step is 0.0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"layers": -1}, "layers is -1, but must be a whole number between 0 and 64"),
        ({"sem": "cnn"}, "sem is 'cnn'"),
        ({"sem": "transformer"}, "must be a multiple of 68: 17 joints x heads"),
    ],
)
def test_a_wrong_configuration_is_refused_with_a_sentence(
    change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        dataclasses.replace(SMALL, **change)  # type: ignore[arg-type]


def test_a_configuration_of_another_version_is_refused() -> None:
    text = SMALL.to_json().replace(f'"config_version": {CONFIG_VERSION}', '"config_version": 99')
    with pytest.raises(ConfigError, match=r"version 99.*export the model again"):
        ModelConfig.from_json(text)


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "not json"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a model configuration"):
        ModelConfig.from_json(text)


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(ConfigError, match="colour"):
        ModelConfig.from_json(SMALL.to_json()[:-1] + ', "colour": 1}')


def test_the_refine_module_blends_metres_in_float32_also_under_bf16() -> None:
    torch.manual_seed(0)
    refine, (lifted, projected) = Refine().eval(), torch.randn(2, 4, 17, 3)
    with torch.autocast("cpu", torch.bfloat16):
        blended = refine(lifted, projected)
    assert blended.dtype == torch.float32
    torch.testing.assert_close(blended, refine(lifted, projected), atol=2e-2, rtol=0)
    torch.testing.assert_close(blended[..., 2], lifted[..., 2], atol=0, rtol=0)
