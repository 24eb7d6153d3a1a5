"""Dropout: the right share is dropped, the rest is scaled, and torch's seed decides which."""

from __future__ import annotations

import pytest
import torch

from pstmo_core.model.config import ModelConfig
from pstmo_core.model.stmo import STMO
from pstmo_core.training import fast_on_cpu
from pstmo_core.training.fast_on_cpu import FastDropout, draw_mask

COUNT = 1_000_003  # not a multiple of what one random integer decides


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(5)


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5, 0.9])
def test_the_dropped_share_is_the_rate_and_the_mean_is_kept(rate: float) -> None:
    mask = draw_mask(torch.Size([COUNT]), rate, torch.float32)
    deviation = (rate * (1 - rate) / COUNT) ** 0.5
    assert abs(float((mask == 0).float().mean()) - rate) < 4 * deviation
    torch.testing.assert_close(mask.unique(), torch.tensor([0.0, 1 / (1 - rate)]))


def test_values_that_one_random_integer_decides_are_independent() -> None:
    dropped = draw_mask(torch.Size([250_000, 4]), 0.5, torch.float32) == 0
    together = torch.corrcoef(dropped.float().T)
    off_diagonal = together - torch.diag(together.diag())
    assert float(off_diagonal.abs().max()) < 4 / 250_000**0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_the_mask_has_the_type_of_what_it_is_for(dtype: torch.dtype) -> None:
    assert FastDropout(0.1)(torch.ones(7, 3, dtype=dtype)).dtype == dtype


def test_the_same_seed_gives_the_same_masks_and_another_gives_others() -> None:
    def drop(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return FastDropout(0.5)(torch.ones(1000))

    torch.testing.assert_close(drop(3), drop(3), rtol=0, atol=0)
    assert not torch.equal(drop(3), drop(4))


def test_the_gradient_is_the_mask() -> None:
    x = torch.randn(1000, requires_grad=True)
    result = FastDropout(0.3)(x)
    result.sum().backward()
    torch.testing.assert_close(x.grad * x, result)
    assert bool(((x.grad == 0) == (result == 0)).all())


def test_nothing_is_dropped_in_evaluation_or_at_rate_zero() -> None:
    x = torch.randn(100)
    assert torch.equal(FastDropout(0.5).eval()(x), x)
    assert torch.equal(FastDropout(0.0)(x), x)


def test_torchs_own_dropout_does_the_same_in_distribution() -> None:
    x = torch.randn(COUNT)
    ours, native = FastDropout(0.1)(x), torch.nn.Dropout(0.1)(x)
    for statistic in (torch.mean, torch.std):
        assert abs(float(statistic(ours) - statistic(native))) < 5e-3
    assert abs(float((ours == 0).float().mean() - (native == 0).float().mean())) < 2e-3


def test_other_devices_use_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_on_cpu, "draw_mask", None)  # would not be callable
    assert FastDropout(0.5)(torch.empty(3, device="meta")).shape == (3,)


def test_a_network_in_training_depends_on_the_seed_alone(small_model: ModelConfig) -> None:
    model = STMO(small_model)
    fast_on_cpu.install(model)
    frames = torch.randn(4, 27, 18, 3)

    def poses(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return model(frames)[1]

    torch.testing.assert_close(poses(1), poses(1), rtol=0, atol=0)
    assert not torch.equal(poses(1), poses(2))
