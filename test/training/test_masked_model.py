"""Stage I: what the masked model sees, what it restores, and what stage II takes over."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from pstmo_core.encoding import input_shape
from pstmo_core.errors import ConfigError
from pstmo_core.model.checkpoints import (
    CheckpointError,
    load_encoder,
    load_masked,
    load_refine,
    load_weights,
    save_weights,
)
from pstmo_core.model.masked import MaskedConfig, MaskedSTMO, reconstruction_target
from pstmo_core.model.masking import Masking, Masks
from pstmo_core.model.refine import Refine, RefineConfig, back_project
from pstmo_core.model.stmo import STMO
from pstmo_core.training.losses import mpjpe_loss, reconstruction_loss

ENCODINGS = ("screen", "person")


def small(encoding: str = "screen") -> MaskedConfig:
    return MaskedConfig(
        layers=1,
        width=32,
        feedforward=32,
        sem_width=32,
        heads=4,
        encoding=encoding,
        decoder_layers=1,
        decoder_width=16,
        decoder_feedforward=32,
    )


def network(encoding: str = "screen") -> MaskedSTMO:
    torch.manual_seed(1)
    return MaskedSTMO(small(encoding)).eval()


def windows(config: MaskedConfig, batch: int = 4) -> torch.Tensor:
    return torch.randn(batch, config.frames, *input_shape(config.encoding))


def masks(batch: int = 4, form: str = "per_sample") -> Masks:
    return Masking(0.7, 3, form).draw(batch, 27, torch.Generator().manual_seed(5))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", ["per_sample", "per_batch"])
def test_all_frames_come_back_as_2d_poses(encoding: str, form: str) -> None:
    model = network(encoding)
    assert model(windows(model.config), *masks(form=form)).shape == (4, 27, 17, 2)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_masked_does_not_reach_the_output(encoding: str) -> None:
    model = network(encoding)
    frames, (temporal, spatial) = windows(model.config), masks()
    changed = frames.clone()
    changed[temporal] += 5
    changed[:, :, :17][spatial] -= 3
    torch.testing.assert_close(model(changed, temporal, spatial), model(frames, temporal, spatial))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_visible_reaches_every_frame(encoding: str) -> None:
    model = network(encoding)
    frames, (temporal, spatial) = windows(model.config, 1), masks(1)
    changed = frames.clone()
    changed[:, :, -1][~temporal] += 1  # the last row: a joint, or the person's place
    spatial[:, :, 16] = False
    differs = (model(changed, temporal, spatial) != model(frames, temporal, spatial)).any(-1)
    assert differs.all()


def test_a_batch_with_different_masks_equals_its_samples_one_by_one() -> None:
    model = network()
    frames, (temporal, spatial) = windows(model.config), masks()
    together = model(frames, temporal, spatial)
    for index in range(len(frames)):
        alone = model(frames[index : index + 1], temporal[index], spatial[index])
        torch.testing.assert_close(together[index], alone[0], atol=1e-6, rtol=1e-5)


def test_frames_come_back_in_temporal_order() -> None:
    # A decoder without layers restores a masked frame from its own position alone.
    config = dataclasses.replace(small(), decoder_layers=0)
    model = MaskedSTMO(config).eval()
    temporal, spatial = masks(form="per_batch")
    restored = model(windows(config), temporal, spatial)
    expected = model.head((model.temporal_padding + model.positions)[0]).view(27, 17, 2)
    torch.testing.assert_close(restored[:, temporal], expected[temporal].expand(4, -1, -1, -1))


def test_masks_may_be_numpy_arrays() -> None:
    model = network()
    frames, (temporal, spatial) = windows(model.config), masks(form="per_batch")
    torch.testing.assert_close(
        model(frames, temporal.numpy(), spatial.numpy()), model(frames, temporal, spatial)
    )


def test_masks_that_cannot_be_used_are_refused() -> None:
    model = network()
    frames, (temporal, spatial) = windows(model.config), masks()
    with pytest.raises(ValueError, match=r"temporal_mask is \(26,\), but must be \(4, 27\)"):
        model(frames, temporal[0, 1:], spatial)
    with pytest.raises(ValueError, match=r"spatial_mask is \(4, 27\)"):
        model(frames, temporal, temporal)
    with pytest.raises(ValueError, match="leaves no frame to see"):
        model(frames, torch.ones(27, dtype=torch.bool), spatial)
    uneven = temporal.clone()
    uneven[0] = False
    with pytest.raises(ValueError, match="leaves from 9 to 27 frames"):
        model(frames, uneven, spatial)


def test_all_weights_learn() -> None:
    model = network("person").train()
    frames = windows(model.config)
    truth, seen = reconstruction_target(frames, "person")
    reconstruction_loss(model(frames, *masks()), truth, seen.abs()).backward()
    idle = [name for name, value in model.named_parameters() if value.grad is None]
    assert idle == []


def test_a_few_steps_restore_better() -> None:
    torch.manual_seed(2)
    model = network().train()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    frames = torch.rand(1, 1, 17, 2).expand(16, 27, 17, 2) + 0.05 * torch.randn(16, 27, 17, 2)
    losses = []
    for _ in range(40):
        loss = reconstruction_loss(
            model(frames, *masks(16)), *reconstruction_target(frames, "screen")
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_loss_is_the_mean_distance_and_leaves_out_joints_that_were_not_seen() -> None:
    predicted, truth = torch.randn(2, 2, 27, 17, 2)
    everything = torch.ones(2, 27, 17)
    torch.testing.assert_close(
        reconstruction_loss(predicted, truth, everything), mpjpe_loss(predicted, truth)
    )
    some = (torch.rand(2, 27, 17) > 0.5).float()
    torch.testing.assert_close(
        reconstruction_loss(predicted, truth, some),
        (predicted - truth).norm(dim=-1)[some > 0].mean(),
    )


def test_the_target_of_person_windows_is_the_joints_offsets_and_flags() -> None:
    frames = windows(small("person"))
    truth, seen = reconstruction_target(frames, "person")
    assert torch.equal(truth, frames[:, :, :17, :2])
    assert torch.equal(seen > 0, frames[:, :, :17, 2] > 0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"decoder_layers": -1}, "decoder_layers is -1"),
        ({"decoder_width": 18}, "decoder_width is 18, but must be a multiple of 4"),
        ({"decoder_feedforward": 0}, "decoder_feedforward is 0"),
        ({"frames": 28}, "frames is 28"),
    ],
)
def test_a_wrong_configuration_is_refused(change: dict[str, int], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        dataclasses.replace(small(), **change)  # type: ignore[arg-type]


def test_a_stage_one_file_gives_back_the_network(tmp_path: Path) -> None:
    model = network("person")
    save_weights(model, tmp_path / "one.safetensors")
    again = load_masked(tmp_path / "one.safetensors")
    assert again.config == model.config
    frames = windows(model.config)
    torch.testing.assert_close(again(frames, *masks()), model(frames, *masks()))


def test_files_of_other_kinds_are_told_apart(tmp_path: Path) -> None:
    save_weights(network(), tmp_path / "one.safetensors")
    save_weights(STMO(small().lifter), tmp_path / "two.safetensors")
    with pytest.raises(CheckpointError, match="holds a stage-I network, not a lifting network"):
        load_weights(tmp_path / "one.safetensors")
    with pytest.raises(CheckpointError, match="holds a lifting network, not a stage-I network"):
        load_masked(tmp_path / "two.safetensors")


def test_stage_two_starts_with_the_encoder_of_stage_one() -> None:
    masked = network()
    masked.train()(windows(masked.config), *masks())  # moves the statistics of SEM's norms
    lifter = STMO(masked.config.lifter)
    load_encoder(lifter, masked)
    frames = windows(masked.config)
    masked.eval()
    lifter.eval()
    torch.testing.assert_close(lifter.sem(frames), masked.sem(frames))
    tokens = masked.sem(frames)
    torch.testing.assert_close(lifter.tem(tokens), masked.tem(tokens))


def test_an_encoder_of_another_shape_is_refused_by_name() -> None:
    lifter = STMO(dataclasses.replace(small("person").lifter, layers=2))
    with pytest.raises(CheckpointError, match="layers 1 not 2, encoding 'screen' not 'person'"):
        load_encoder(lifter, network())


def test_refining_blends_x_and_y_and_leaves_depth(tmp_path: Path) -> None:
    model = Refine(RefineConfig(hidden=16)).eval()
    lifted, projected = torch.randn(2, 5, 17, 3)
    refined = model(lifted, projected)
    assert torch.equal(refined[..., 2], lifted[..., 2])
    low, high = torch.minimum(lifted, projected), torch.maximum(lifted, projected)
    assert ((refined >= low - 1e-6) & (refined <= high + 1e-6))[..., :2].all()
    save_weights(model, tmp_path / "refine.safetensors")
    again = load_refine(tmp_path / "refine.safetensors")
    torch.testing.assert_close(again(lifted, projected), refined)


def test_back_projection_finds_the_pose_whose_keypoints_and_depths_it_is_given() -> None:
    pose = torch.randn(5, 17, 3) * 0.5 + torch.tensor([0.3, -0.2, 4.0])
    focal, centre = torch.tensor([1145.0, 1143.0]), torch.tensor([512.0, 515.0])
    keypoints = pose[..., :2] / pose[..., 2:] * focal + centre
    relative = pose - pose[:, :1]
    found = back_project(
        keypoints, relative[..., 2], pose[:, 0, 2], focal.expand(5, 2), centre.expand(5, 2)
    )
    torch.testing.assert_close(found, relative, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "sentence"), [("{}", "not a refine"), ('{"config_version": 99}', "has version 99")]
)
def test_what_is_no_refine_configuration_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        RefineConfig.from_json(text)
