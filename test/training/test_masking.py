"""The masks of masked pose modelling: how much is hidden, where, and how it is drawn."""

from __future__ import annotations

import pytest
import torch

from pstmo_core.errors import ConfigError
from pstmo_core.model.masking import Masking, Masks


def draw(masking: Masking, batch: int = 40, frames: int = 27, seed: int = 1) -> Masks:
    return masking.draw(batch, frames, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("ratio", "joints", "hidden_frames"), [(0.8, 2, 21), (0.9, 0, 24), (0.0, 7, 0)]
)
def test_every_sample_hides_as_many_frames_and_every_frame_as_many_joints(
    ratio: float, joints: int, hidden_frames: int
) -> None:
    masks = draw(Masking(ratio, joints))
    assert masks.temporal.shape == (40, 27)
    assert masks.spatial.shape == (40, 27, 17)
    assert (masks.temporal.sum(-1) == hidden_frames).all()
    assert (masks.spatial.sum(-1) == joints).all()


def test_samples_and_frames_are_masked_apart_and_every_joint_and_frame_in_time() -> None:
    masks = draw(Masking())
    assert len(masks.temporal.unique(dim=0)) > 30
    assert len(masks.spatial.flatten(0, 1).unique(dim=0)) > 100
    assert masks.temporal.any(0).all()
    assert not masks.temporal.all(0).any()
    assert masks.spatial.flatten(0, 1).any(0).all()


def test_every_choice_of_joints_is_equally_likely() -> None:
    spatial = draw(Masking(0.0, 7), batch=2000).spatial
    share = spatial.float().mean((0, 1))
    torch.testing.assert_close(share, torch.full((17,), 7 / 17), atol=0.01, rtol=0)


def test_the_authors_form_shares_one_mask_and_spares_the_last_joint() -> None:
    masks = draw(Masking(0.8, 7, "per_batch"), frames=243)
    assert masks.temporal.shape == (243,)
    assert masks.spatial.shape == (243, 17)
    assert (masks.spatial.sum(-1) == 7).all()
    assert masks.spatial[:, :16].any(0).all()
    assert not masks.spatial[:, 16].any()


@pytest.mark.parametrize("form", ["per_sample", "per_batch"])
def test_a_seed_draws_the_same_masks_again(form: str) -> None:
    first, again, other = (draw(Masking(form=form), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.temporal, again.temporal)
    assert torch.equal(first.spatial, again.spatial)
    assert not torch.equal(first.spatial, other.spatial)


def test_the_ratios_are_the_papers() -> None:
    masking = Masking(temporal_ratio=0.8, joints=2)
    assert masking.spatial_ratio == pytest.approx(0.117, abs=1e-3)
    assert masking.overall_ratio == pytest.approx(0.823, abs=1e-3)
    assert Masking(0.0, 7).overall_ratio == pytest.approx(0.411, abs=1e-3)


def test_the_overall_ratio_is_what_the_encoder_does_not_see() -> None:
    masking = Masking(temporal_ratio=2 / 3, joints=5)
    masks = draw(masking)
    hidden = masks.temporal[..., None] | masks.spatial
    assert hidden.float().mean() == pytest.approx(masking.overall_ratio, abs=1e-6)


def test_243_frames_at_80_percent_leave_49_as_in_the_authors_code() -> None:
    assert Masking(0.8).masked_frames(243) == 194


@pytest.mark.parametrize("frames", [9, 27, 351])
def test_one_frame_at_least_stays_visible(frames: int) -> None:
    assert Masking(0.999).masked_frames(frames) < frames


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"temporal_ratio": 1.0},
            "temporal_ratio is 1.0, but must be a number from 0.0 to below 1.0",
        ),
        ({"temporal_ratio": float("nan")}, "temporal_ratio is nan"),
        ({"joints": 17}, "joints is 17, but must be a whole number between 0 and 16"),
        ({"joints": 1.5}, "joints is 1.5"),
        ({"form": "random"}, "form is 'random', but must be one of"),
        ({"temporal_ratio": 0.0, "joints": 0}, "nothing would be masked"),
    ],
)
def test_a_wrong_masking_is_refused_with_a_sentence(
    values: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        Masking(**values)  # type: ignore[arg-type]
