"""What speed is compared with computes the same poses, in the authors' way."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("torch", reason="needs torch")

import torch
from random_networks import trained_looking

from pstmo_core.bench.plain import PlainSTMO
from pstmo_core.encoding import input_shape
from pstmo_core.errors import PstmoError
from pstmo_core.model.config import ModelConfig


@pytest.mark.parametrize("frames", [27, 81, 351])
@pytest.mark.parametrize(("anchor", "encoding"), [("first", "screen"), ("centre", "person")])
def test_the_plain_forward_gives_the_networks_poses(
    frames: int, anchor: str, encoding: str, small_model: ModelConfig
) -> None:
    config = dataclasses.replace(
        small_model, frames=frames, mofa_anchor=anchor, encoding=encoding, layers=2
    )
    model = trained_looking(config)
    windows = torch.randn(2, frames, *input_shape(encoding))
    with torch.inference_mode():
        torch.testing.assert_close(PlainSTMO(model)(windows), model(windows), atol=1e-5, rtol=0)


@pytest.mark.parametrize("change", [{"sem": "fc"}, {"layers": 0}, {"mofa": False}])
def test_a_variant_of_the_paper_has_no_plain_forward(
    change: dict[str, object], small_model: ModelConfig
) -> None:
    with pytest.raises(PstmoError, match="only the paper's STMO"):
        PlainSTMO(trained_looking(dataclasses.replace(small_model, **change)))
