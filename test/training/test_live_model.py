"""STMO-Live: steps, chunks and the parallel forward are one network; its file says what it is."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from pstmo_core.encoding import input_shape
from pstmo_core.errors import ConfigError
from pstmo_core.model.checkpoints import CheckpointError, load_live, load_weights, save_weights
from pstmo_core.model.live.config import MIXINGS, LiveConfig
from pstmo_core.model.live.network import STMOLive

SMALL = LiveConfig(layers=2, width=32, feedforward=48, heads=4, key_heads=2, sem_width=32, kept=12)


def network(config: LiveConfig = SMALL) -> STMOLive:
    """A network in which everything matters, the ages too."""
    torch.manual_seed(0)
    model = STMOLive(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() > 1 and "sem" not in name:
                value.mul_(2.0)
            if "bias.nodes" in name:
                value.normal_()
    return model


def stream(people: int, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Encoded frames at irregular times, 8 to 120 Hz, with absences."""
    generator = torch.Generator().manual_seed(1)
    shape = (people, frames, *input_shape("view"))
    encoded = torch.randn(shape, generator=generator)
    encoded[..., :17, 2] = torch.rand(*shape[:2], 17, generator=generator) - 0.1
    dt = torch.rand(people, frames, generator=generator) * 0.117 + 0.008
    absent = torch.rand(people, frames, generator=generator) < 0.01
    return encoded, torch.where(absent, 5.0, dt)


@pytest.mark.parametrize("mixing", MIXINGS)
@torch.inference_mode()
def test_stepping_equals_the_parallel_forward_while_people_join_and_leave(mixing: str) -> None:
    model = network(dataclasses.replace(SMALL, mixing=mixing))
    frames, dt = stream(3, 1000)
    # Row 0 is seen all the time. Row 1 is one person, then from frame 400 on another one; row 2 is
    # empty until frame 250, and from frame 900 on.
    stays = [(0, 0, 1000), (1, 0, 400), (1, 400, 1000), (2, 250, 900)]
    state = torch.zeros(3, model.config.state_size)
    stepped = []
    for index in range(1000):
        here = [row for row, first, last in stays if first <= index < last]
        joined = [row for row, first, _ in stays if first == index]
        state[joined] = 0
        poses = torch.zeros(3, len(SMALL.look_aheads), 17, 4)
        poses[here], state[here] = model.step(frames[here, index], dt[here, index], state[here])
        stepped.append(poses)
    for row, first, last in stays:
        whole = model(frames[row : row + 1, first:last], dt[row : row + 1, first:last])[0]
        parts = torch.stack(stepped[first:last])[:, row]
        assert whole.std() > 0.1
        assert (whole - parts).abs().max() < 1e-5


@pytest.mark.parametrize("mixing", MIXINGS)
@torch.inference_mode()
def test_chunks_of_any_length_leave_the_same_poses_and_state(mixing: str) -> None:
    model = network(dataclasses.replace(SMALL, mixing=mixing))
    frames, dt = stream(2, 90)
    whole = model(frames, dt)
    states = []
    for lengths in ([90], [1] * 90, [7, 30, 1, 52]):
        state, parts = torch.zeros(2, model.config.state_size), []
        for shown, steps in zip(frames.split(lengths, 1), dt.split(lengths, 1), strict=True):
            poses, state = model.advance(shown, steps, state)
            parts.append(poses)
        assert (torch.cat(parts, 1) - whole).abs().max() < 1e-5
        states.append(state)
    assert torch.allclose(states[0], states[1], atol=2e-5)
    assert torch.allclose(states[0], states[2], atol=2e-5)


@pytest.mark.parametrize("mixing", MIXINGS)
@torch.inference_mode()
def test_training_asks_the_same_network(mixing: str) -> None:
    model = network(dataclasses.replace(SMALL, mixing=mixing))
    frames, dt = stream(2, 40)
    asked = torch.tensor([[3, 20, 39], [0, 1, 38]])
    newest, others = model(frames, dt, asked)
    whole = model(frames, dt)
    assert (newest - whole[:, :, 0]).abs().max() < 1e-5
    assert (others - whole[torch.arange(2)[:, None], asked][:, :, 1:]).abs().max() < 1e-5


@torch.inference_mode()
def test_a_fast_camera_does_not_shorten_what_is_remembered() -> None:
    model = network(dataclasses.replace(SMALL, layers=1))
    frames, _ = stream(1, 100)
    changed = frames.clone()
    changed[:, 0] += 1.0
    dt = torch.full((1, 100), 1 / 120)  # every third frame is kept: 12 frames are 0.3 s
    tokens, others = (model.encode(shown, dt, None)[0][0] for shown in (frames, changed))
    differs = (tokens - others).abs().amax(-1) > 1e-7
    assert differs[:37].all()
    assert not differs[37:].any()


@torch.inference_mode()
def test_the_time_since_nobody_and_long_absences_do_no_harm() -> None:
    model = network()
    frames, dt = stream(1, 30)
    first = dt.clone()
    for since in (0.0, 1e9, float("inf")):
        first[:, 0] = since
        assert torch.equal(model(frames, first), model(frames, dt))
    dt[:, 15] = 1e6
    assert torch.isfinite(model(frames, dt)).all()


def test_a_file_says_which_kind_of_network_it_holds(tmp_path: Path) -> None:
    model = network()
    save_weights(model, tmp_path / "live.safetensors")
    again = load_live(tmp_path / "live.safetensors")
    assert again.config == model.config
    frames, dt = stream(1, 20)
    assert torch.equal(again(frames, dt), model(frames, dt))
    with pytest.raises(CheckpointError, match="holds a streaming network, not a lifting network"):
        load_weights(tmp_path / "live.safetensors")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mixing": "convolution"}, "mixing is 'convolution'"),
        ({"heads": 3}, "width is 32"),
        ({"key_heads": 3}, "heads is 4, but must be a multiple of 3"),
        ({"kept": 0}, "kept is 0"),
        ({"kept": 10**9}, "kept is 1000000000"),
        ({"look_aheads": (40, 0)}, "0 first"),
        ({"look_aheads": (0, 40, 40)}, "different whole numbers"),
        ({"look_aheads": 5}, "look_aheads is 5"),
        ({"spacing": -1.0}, "spacing is -1.0"),
    ],
)
def test_a_wrong_configuration_is_an_error(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(SMALL, **values)  # type: ignore[arg-type]


def test_a_look_ahead_chooses_the_nearest_moment() -> None:
    assert [SMALL.head(ms) for ms in (0, 30, 100, 500, -60)] == [0, 1, 2, 5, 6]
    assert LiveConfig.from_json(SMALL.to_json()) == SMALL
