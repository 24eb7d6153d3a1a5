"""Sequences for the streaming network: true times, true poses, and training goes on exactly."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.data.motion.sampler import Sampler, SamplerConfig
from pstmo_core.data.motion.streams import StreamBatch, StreamSampler, StreamTiming
from pstmo_core.data.motion.windows import Clips
from pstmo_core.encoding import get_encoding
from pstmo_core.model.checkpoints import load_live, save_weights
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.live.network import STMOLive
from pstmo_core.model.live.warm_start import WarmStartError, warm_start
from pstmo_core.model.stmo import STMO
from pstmo_core.training.config import OptimiserConfig, RunConfig
from pstmo_core.training.engine import Trainer
from pstmo_core.training.losses import LossConfig

VIEW = ModelConfig(encoding="view")
#: One person before one camera without errors, at the speed of life.
CLEAN = SamplerConfig(
    mirror=False, speed=(1.0, 1.0), proportions=0.0, join_share=0.0, known_camera_share=1.0,
    derived_share=0.0, known_gravity_share=0.0,
)  # fmt: skip
LIVE = LiveConfig(layers=1, width=32, feedforward=48, heads=4, key_heads=2, sem_width=32, kept=12)


@pytest.fixture(scope="module")
def clips(mocap_file: Path) -> Clips:
    return Clips.of(load_mocap(mocap_file, "train"))


def streams(clips: Clips, sampler: SamplerConfig, config: StreamTiming) -> StreamSampler:
    generator = torch.Generator().manual_seed(5)
    others = tuple(ms / 1e3 for ms in LIVE.look_aheads[1:])
    return StreamSampler(Sampler(clips, VIEW, sampler, generator), config, others)


def test_frames_come_at_the_rates_and_with_the_faults_of_cameras(clips: Clips) -> None:
    plain = StreamTiming(
        usual_rates=(25.0,), usual_share=1.0, jitter=0.0, dropped=0.0, absent_share=0.0
    )
    dt = streams(clips, CLEAN, plain).times(50).diff(dim=1)
    torch.testing.assert_close(dt, torch.full_like(dt, 0.04))
    dt = streams(clips, CLEAN, StreamTiming()).times(500).diff(dim=1)
    typical = dt.median(dim=1).values
    assert dt.min() >= 0.00299
    assert 0.008 < typical.min() < 0.01
    assert 0.09 < typical.max() < 0.15
    lost = (dt > 1.7 * typical[:, None]).float().mean()
    assert 0.03 < lost < 0.2
    away = dt.amax(1) > 0.3 + 2 * typical
    assert 0.05 < away.float().mean() < 0.3


def test_truth_between_captured_frames_is_the_motions(clips: Clips) -> None:
    # The pelvis moves little and smoothly; a joint's distance to it is the same in every frame.
    config = StreamTiming(frames=21, absent_share=0.0)
    sampler = streams(clips, CLEAN, config)
    drawn: dict[str, torch.Tensor] = {}
    at = Clips.at

    def remember(self: Clips, clip: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        drawn.update(clip=clip, rows=rows)
        return at(self, clip, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clips, "at", remember)
        batch = sampler.draw(16)
    extra = batch.others[0, ..., 0, 0].numel()
    rows = drawn["rows"][:, extra // 2 : extra // 2 + 21]
    torch.testing.assert_close(rows.diff(dim=1) / clips.fps, batch.dt[:, 1:], atol=1e-4, rtol=0)
    world = at(clips, drawn["clip"], rows)
    world = world - world[:, :, :1]
    torch.testing.assert_close(batch.poses.norm(dim=-1), world.norm(dim=-1), atol=1e-4, rtol=0)


def test_other_moments_are_the_poses_of_their_time_in_the_view_of_their_place(clips: Clips) -> None:
    plain = StreamTiming(
        frames=30, asked=30, usual_rates=(25.0,), usual_share=1.0, jitter=0.0, dropped=0.0,
        absent_share=0.0, masked_share=0.0,
    )  # fmt: skip
    batch = streams(clips, CLEAN, plain).draw(8)
    assert torch.equal(batch.asked, torch.arange(30).expand(8, -1))
    turns = get_encoding("view").turns(batch.frames, torch.zeros(8, 30, 3), torch)
    in_camera = batch.poses @ turns
    for index, look_ahead in enumerate(LIVE.look_aheads[1:]):
        steps = look_ahead // 40
        if steps < 0:
            then, now = slice(-steps, None), slice(0, 30 + steps)
        else:
            then, now = slice(0, 30 - steps), slice(steps, None)
        told = batch.others[:, now, index]
        expected = batch.poses[:, then]
        if steps < 0:  # a forecast is in the newest frame's
            expected = in_camera[:, then] @ turns[:, now].mT
        torch.testing.assert_close(told, expected, atol=2e-4, rtol=0)
        assert batch.valid[:, now, index].all()
        assert steps <= 0 or not batch.valid[:, : steps - 1, index].any()


def test_a_part_of_a_batch_is_a_batch(clips: Clips) -> None:
    batch = streams(clips, SamplerConfig(), StreamTiming()).draw(6)
    part = batch.part(slice(1, None, 2))
    assert isinstance(part, StreamBatch)
    for field in dataclasses.fields(part):
        if isinstance(value := getattr(part, field.name), torch.Tensor):
            assert torch.equal(value, getattr(batch, field.name)[1::2]), field.name


@pytest.fixture
def run(mocap_file: Path, tmp_path: Path) -> RunConfig:
    return RunConfig(
        mocap=str(mocap_file),
        stage="live",
        output=str(tmp_path / "run"),
        live=LIVE,
        stream=StreamTiming(frames=12, asked=2),
        loss=LossConfig(moments=0.5, velocity=0.5, bones=0.3, sigma=0.01),
        optimiser=OptimiserConfig(batch=16, steps=60, warmup_steps=5, decay_steps=20),
        validation_windows=50,
        save_every=30,
        precision="fp32",
        threads=1,
    )


def test_a_stopped_training_goes_on_exactly_and_learns(run: RunConfig, tmp_path: Path) -> None:
    whole = Trainer(run)
    whole.run()
    first = dataclasses.replace(run, output=str(tmp_path / "other"))
    optimiser = dataclasses.replace(run.optimiser, steps=30)
    stopped = Trainer(dataclasses.replace(first, optimiser=optimiser))
    stopped.plan = run.optimiser
    while stopped.state.step < 30:
        stopped.train_step(*stopped.draw())
    (tmp_path / "other").mkdir()
    stopped.state.save(tmp_path / "other" / "last.pt")
    (tmp_path / "other" / "run.yaml").write_text(first.to_yaml())
    again = Trainer(first)
    again.run()
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(again.model.state_dict()[name], value, rtol=0, atol=0)
    scores = [record["score"] for record in whole.state.history]
    assert scores[-1] < 0.9 * scores[0]
    assert load_live(tmp_path / "run" / "best.safetensors").config == LIVE


def test_it_starts_from_what_a_window_network_has_learned(run: RunConfig, tmp_path: Path) -> None:
    shape = {"width": 32, "feedforward": 48, "heads": 4, "sem_width": 32}
    window = STMO(ModelConfig(layers=1, encoding="view", sigma=True, dropout=0.0, **shape))
    for value in window.parameters():
        torch.nn.init.normal_(value, 0.0, 0.1)
    save_weights(window, tmp_path / "window.safetensors")
    config = dataclasses.replace(LIVE, key_heads=4)
    initial = str(tmp_path / "window.safetensors")
    live = Trainer(dataclasses.replace(run, live=config, initial=initial)).model
    assert isinstance(live, STMOLive)
    frames = torch.randn(5, 1, 19, 3)
    tokens, *_ = live.eval().encode(frames, torch.zeros(5, 1), None)
    alone = window.eval().sem(window.unseen(frames)) + window.tem.positions[:, -1:]
    learned = window.tem.layers[0](alone)
    torch.testing.assert_close(tokens, learned, atol=1e-4, rtol=1e-4)
    poses = live.head(tokens.flatten(0, 1))
    torch.testing.assert_close(poses, window.head_all(learned.flatten(0, 1)), atol=1e-3, rtol=1e-3)
    with pytest.raises(WarmStartError, match="width 32 not 64"):
        warm_start(STMOLive(dataclasses.replace(config, width=64)), window)
