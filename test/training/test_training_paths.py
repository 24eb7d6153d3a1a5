"""What is computed in another way in training, because it is faster, is the same."""

from __future__ import annotations

import copy

import pytest
import torch

from pstmo_core.model.attention import SelfAttention
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.mofa import StridedLayer
from pstmo_core.model.stmo import STMO
from pstmo_core.training.fast_on_cpu import attend_in_chunks, install


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(5)


@pytest.mark.parametrize("anchor", ["first", "centre"])
@pytest.mark.parametrize(("stride", "frames"), [(3, 27), (3, 3), (1, 9), (9, 117), (13, 13)])
def test_mofas_strided_convolution_is_the_same_in_training(
    stride: int, frames: int, anchor: str
) -> None:
    layer = StridedLayer(32, 64, 4, dropout=0.0, stride=stride, anchor=anchor).double()
    x = torch.randn(5, frames, 32, dtype=torch.float64)
    expected = layer(x)
    install(layer)
    torch.testing.assert_close(layer.train()(x), expected)
    torch.testing.assert_close(layer.eval()(x), expected)


@pytest.mark.parametrize("windows", [1, 2, 5])
def test_attention_in_chunks_is_attention(windows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and all gradients, with as many windows in a chunk and some left over."""
    monkeypatch.setattr("pstmo_core.training.fast_on_cpu._WEIGHTS_AT_ONCE", windows * 4 * 27 * 27)
    attention = SelfAttention(32, 4, dropout=0.0).double()
    x = torch.randn(7, 27, 32, dtype=torch.float64, requires_grad=True)
    inputs = [x, *attention.parameters()]
    fused = attention(x)
    install(attention)
    chunked = attention(x)
    torch.testing.assert_close(chunked, fused)
    weights = torch.randn_like(x)
    expected = torch.autograd.grad((fused * weights).sum(), inputs)
    for got, value in zip(
        torch.autograd.grad((chunked * weights).sum(), inputs), expected, strict=True
    ):
        torch.testing.assert_close(got, value)


def test_the_gradients_of_attention_in_chunks_are_right_with_dropout() -> None:
    qkv = torch.randn(3, 5, 3, 2, 4, dtype=torch.float64, requires_grad=True)

    def attend(values: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return attend_in_chunks(values, 0.5, 0.3)

    assert torch.autograd.gradcheck(attend, (qkv,))


def test_attention_weights_are_dropped_in_training_alone() -> None:
    """With values of one, a window's weights sum up to one unless some are dropped."""
    qkv = torch.randn(64, 27, 3, 4, 8)
    qkv[:, :, 2] = 1
    whole, holed = attend_in_chunks(qkv, 0.3, 0.0), attend_in_chunks(qkv, 0.3, 0.5)
    torch.testing.assert_close(whole, torch.ones_like(whole))
    assert float(holed.std()) > 0.1
    assert abs(float(holed.mean()) - 1) < 0.01
    attention = SelfAttention(32, 4, dropout=0.5).eval()
    x = torch.randn(2, 27, 32)
    fused = attention(x)
    install(attention)
    torch.testing.assert_close(attention(x), fused)


def test_weights_and_evaluation_know_nothing_of_it(small_model: ModelConfig) -> None:
    model = STMO(small_model).eval()
    frames = torch.randn(2, 27, 18, 3)
    names, (all_frames, target) = list(model.state_dict()), model(frames)
    install(model)
    assert list(model.state_dict()) == names
    torch.testing.assert_close(model(frames)[0], all_frames)
    torch.testing.assert_close(copy.deepcopy(model)(frames)[1], target)
