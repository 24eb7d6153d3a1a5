"""What training draws to be like real cameras and detectors, on real motion."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from random_networks import trained_looking

from pstmo_core.data.motion import detector_errors, joint_definitions
from pstmo_core.data.motion.balance import (
    POSTURES,
    BalanceConfig,
    postures_of,
    target_probability,
)
from pstmo_core.data.motion.detector_errors import DetectorErrors
from pstmo_core.data.motion.mocap import Mocap, MocapError, load_mocap
from pstmo_core.data.motion.motion_files import MotionFiles
from pstmo_core.data.motion.sampler import Batch, Sampler, SamplerConfig
from pstmo_core.data.motion.virtual_cameras import CameraRange, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.errors import ConfigError
from pstmo_core.evaluation.calibration import CalibrationError, calibrate, fit
from pstmo_core.evaluation.mocap_windows import Evaluation, Scores
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.stmo import STMO
from pstmo_core.model.widening import WideningError, widen
from pstmo_core.skeleton import JOINT_NAMES, LEFT, LOWER_BODY, RIGHT, ROOT
from pstmo_core.training.losses import LossConfig, lifting_loss, likelihood_loss

VIEW = ModelConfig(
    frames=27, layers=1, width=32, feedforward=32, sem_width=32, heads=4, encoding="view",
    sigma=True,
)  # fmt: skip
REAL = SamplerConfig(
    extreme_cameras=0.4, definitions=0.9, errors=DetectorErrors(), twins=0.25, edge_share=0.3
)


@pytest.fixture(scope="module")
def motion(mocap_file: Path) -> Mocap:
    return load_mocap(mocap_file, "train")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def windows(motion: Mocap, generator: torch.Generator, count: int = 256) -> torch.Tensor:
    clips = Clips.of(motion)
    return clips.windows(*clips.draw_targets(count, generator), 2, 27)


def joint(poses: torch.Tensor, name: str) -> torch.Tensor:
    return poses[..., JOINT_NAMES.index(name), :]


def test_files_are_joined_and_what_is_left_out_is_gone(mocap_file: Path, tmp_path: Path) -> None:
    one = load_mocap(mocap_file, "train")
    gone = tmp_path / "gone.txt"
    gone.write_text(f"# a comment\n{one.clip[0]} and what replaces it\n")
    both = MotionFiles([mocap_file, mocap_file]).of_split("train", gone)
    assert len(both.clip) == 2 * len(one.clip) - 1
    rows = slice(both.start[-1], both.start[-1] + both.length[-1])
    assert np.array_equal(both.positions[rows], one.positions[one.start[-1] :])
    assert both.select(both.clip == one.clip[0]).seconds() == one.length[0] / one.fps
    assert len(MotionFiles([mocap_file]).of_split("train", without_licences=[""]).clip) == 0
    gone.write_text("no_such_clip\n")
    with pytest.raises(MocapError, match="no_such_clip"):
        MotionFiles([mocap_file]).of_split("train", gone)


def test_what_is_done_rarely_is_drawn_nearly_as_often(motion: Mocap) -> None:
    length = np.full(len(motion.clip), 100)
    length[0] = motion.length[0]
    rows = np.concatenate([np.arange(s, s + n) for s, n in zip(motion.start, length, strict=True)])
    start = np.concatenate([[0], np.cumsum(length)[:-1]])
    names = np.arange(len(length)).astype(str)
    uneven = dataclasses.replace(
        motion, positions=motion.positions[rows], start=start, length=length, action=names
    )
    probability = target_probability(uneven, BalanceConfig(power=0.5))
    assert probability.sum() == pytest.approx(1)
    of_clip = np.add.reduceat(probability, start)
    assert of_clip[0] / of_clip[1] == pytest.approx((length[0] / 100) ** 0.5, rel=0.2)


def test_who_lies_is_low_who_squats_is_crouched_and_both_are_drawn_more(motion: Mocap) -> None:
    lying = motion.positions[:50].copy()
    lying = lying[..., [2, 1, 0]] * [1, 1, -1]  # turned about the y axis: the trunk is level
    lying[..., 2] -= lying[..., 2].min()
    squat = motion.positions[:50].copy()
    knees = [JOINT_NAMES.index(name) for name in ("lknee", "rknee", "lankle", "rankle")]
    squat[:, knees, 2] = squat[:, [ROOT], 2] - 0.2
    assert (postures_of(lying) == POSTURES.index("low")).mean() > 0.9
    assert (postures_of(squat) == POSTURES.index("crouched")).all()
    rare = dataclasses.replace(
        motion, positions=np.concatenate([lying, motion.positions[50:]]).astype(np.float32)
    )
    probability = target_probability(rare, BalanceConfig(low=0.3))
    assert probability[postures_of(rare.positions) == 2].sum() == pytest.approx(0.3)


def test_displaced_joints_move_with_the_person_and_the_pelvis_stays_between_the_hips(
    motion: Mocap, generator: torch.Generator
) -> None:
    plain = windows(motion, generator)
    chosen = torch.arange(len(plain)) % 2 == 0
    moved = joint_definitions.displace(plain, chosen, generator)
    assert torch.equal(moved[~chosen], plain[~chosen])
    middle = (joint(moved, "lhip") + joint(moved, "rhip")) / 2
    torch.testing.assert_close(joint(moved, "hip"), middle, atol=2e-3, rtol=0)
    shift = (moved - plain)[chosen].norm(dim=-1)
    limbs = [JOINT_NAMES.index(side + n) for side in "lr" for n in ("hip", "knee", "ankle")]
    assert 0.01 < shift[..., limbs].mean() < 0.05
    # What is displaced stays so: its size hardly changes over the window.
    assert (shift.std(1) < 0.015)[:, limbs].float().mean() > 0.9
    trunk, leg = ((joint(p, "thorax") - joint(p, "hip")).norm(dim=-1) for p in (plain, moved))
    assert leg[chosen].mean() > trunk[chosen].mean()  # hips low, shoulders high


def test_errors_last_and_scores_know_of_them(motion: Mocap, generator: torch.Generator) -> None:
    world = windows(motion, generator, 512)
    cameras = draw_cameras(world, CameraRange(off_centre=(0, 0), distance=(4, 7)), generator)
    in_camera = cameras.to_camera(world)
    clean = rays(in_camera)
    only = DetectorErrors(
        clean_share=0.25,
        peaks=0,
        swapped=0,
        merged=0,
        stuck=0,
        lost=0,
        flicker=0,
        legs_hidden=0,
        certain=0,
    )
    found, scores = detector_errors.apply(
        clean.clone(), cameras, in_camera[..., 2], only, generator
    )
    assert scores.min() >= 0 and scores.max() <= 1
    error = found - clean
    perfect = (error.abs().amax((1, 2, 3)) == 0).float().mean()
    assert 0.15 < perfect < 0.35
    error = error[error.abs().amax((1, 2, 3)) > 0]
    varying = error - error.mean(1, keepdim=True)
    next_to = (varying[:, 1:] * varying[:, :-1]).mean() / varying.square().mean()
    far = (varying[:, 13:] * varying[:, :-13]).mean() / varying.square().mean()
    assert next_to > 0.5 and abs(far) < 0.3
    size = (found - clean).norm(dim=-1)[scores > 0]
    sure = scores[scores > 0]
    assert size[sure < 0.5].median() > 2 * size[sure > 0.9].median()


def test_people_are_cut_by_the_images_border(motion: Mocap, generator: torch.Generator) -> None:
    world = windows(motion, generator)
    near = CameraRange(distance=(0.8, 1.2), height=(1.4, 1.6), off_centre=(0, 0))
    cameras = draw_cameras(world, near, generator)
    in_camera = cameras.to_camera(world)
    none = DetectorErrors(clean_share=1.0, legs_hidden=0)
    found, scores = detector_errors.apply(
        rays(in_camera), cameras, in_camera[..., 2], none, generator
    )
    border = (cameras.size / 2 / cameras.focal[:, None])[:, None, None] + 1e-5
    assert (scores[~(found.abs() <= border).all(-1)] == 0).all()
    ankles = [JOINT_NAMES.index(n) for n in ("lankle", "rankle")]
    assert (scores[..., ankles] == 0).float().mean() > 0.15


def test_legs_are_hidden_for_whole_windows(motion: Mocap, generator: torch.Generator) -> None:
    world = windows(motion, generator)
    cameras = draw_cameras(world, CameraRange(off_centre=(0, 0), distance=(5, 7)), generator)
    in_camera = cameras.to_camera(world)
    errors = DetectorErrors(clean_share=1.0, legs_hidden=0.5)
    _, scores = detector_errors.apply(
        rays(in_camera), cameras, in_camera[..., 2], errors, generator
    )
    without = (scores[..., list(LOWER_BODY)] == 0).all(-1).all(-1).float().mean()
    assert 0.2 < without < 0.5


def test_a_share_of_windows_has_scattered_errors_instead(motion: Mocap) -> None:
    """Those of `DetectorNoise` know no doubt: a joint is seen or it is not."""

    def doubtful(share: float) -> float:
        config = dataclasses.replace(
            REAL, twins=0.0, scattered=share, errors=DetectorErrors(certain=0.0)
        )
        sampler = Sampler(Clips.of(motion), VIEW, config, torch.Generator().manual_seed(7))
        scores = sampler.see(torch.arange(-13, 14).expand(400, -1) * 0.04).scores
        return float(((scores > 0) & (scores < 1)).flatten(1).any(1).float().mean())

    assert doubtful(0.0) > 0.95  # the others are outside the image
    assert abs(doubtful(0.3) - 0.7) < 0.08
    assert doubtful(1.0) == 0.0


def test_a_batch_of_views_is_consistent_with_its_truth(motion: Mocap) -> None:
    """Clean joints, seen by the turned camera, lie where the truth says, up to the root's depth."""
    clean = SamplerConfig(
        errors=DetectorErrors(clean_share=1.0, legs_hidden=0), derived_share=0, twins=0.25,
        known_camera_share=1.0, cameras=CameraRange(off_centre=(0.5, 0.4), distance=(3, 7)),
    )  # fmt: skip
    batch = Sampler(Clips.of(motion), VIEW, clean, torch.Generator().manual_seed(5)).draw(32)
    assert batch.twins == 8 and torch.isfinite(batch.frames).all()
    # Directions of the turned camera, and the truth pushed away along its axis: one depth fits.
    seen = batch.frames[:, :, :17, 2] > 0
    offsets, size = batch.frames[:, :, :17, :2], batch.frames[:, :, 17, 2].exp() * 0.12
    offsets = offsets * size[..., None, None]
    x, z = batch.poses[..., 1:, :2], batch.poses[..., 1:, 2:]
    offsets, seen = offsets[:, :, 1:], seen[:, :, 1:, None]
    # x = offsets * (depth + z): least squares for the depth of each frame.
    rest = (x - offsets * z) * seen
    depth = (rest * offsets).sum((-1, -2)) / (offsets.square() * seen).sum((-1, -2))
    fit = (rest - depth[..., None, None] * offsets * seen).abs().amax((-1, -2))
    assert depth.median() > 2 and fit.quantile(0.95) < 0.01


def test_twins_are_the_same_window_a_step_later(motion: Mocap) -> None:
    batch = Sampler(Clips.of(motion), VIEW, REAL, torch.Generator().manual_seed(5)).draw(64)
    assert batch.twins == 16 and batch.frames.shape == (64, 27, 19, 3)
    torch.testing.assert_close(batch.frames[-16:, :-1], batch.frames[:16, 1:])
    torch.testing.assert_close(batch.poses[-16:, :-1], batch.poses[:16, 1:])


def loss_of(lifted: torch.Tensor, batch: Batch, **parts: float) -> float:
    config = LossConfig(**parts)
    loss = lifting_loss(lifted, lifted[:, 13], batch.poses, 1.0, config, batch.twins)
    return float(loss)


def test_each_part_of_the_loss_punishes_what_it_is_for(motion: Mocap) -> None:
    batch = Sampler(Clips.of(motion), VIEW, REAL, torch.Generator().manual_seed(5)).draw(32)
    silent = torch.zeros(*batch.poses.shape[:-1], 1)
    perfect = torch.cat([batch.poses, silent], -1)
    everything = {"newest": 1.0, "velocity": 1.0, "bones": 1.0, "twins": 1.0}
    assert loss_of(perfect, batch, **everything) == pytest.approx(0, abs=1e-5)
    aside, shaking, large = perfect.clone(), perfect.clone(), perfect.clone()
    aside[..., :3] += 0.1
    shaking[:, ::2, :, :3] += 0.1
    large[..., :3] *= 1.1
    for wrong, part in ((aside, "newest"), (shaking, "velocity"), (large, "bones")):
        assert loss_of(wrong, batch, **{part: 1.0}) > loss_of(wrong, batch) + 0.01
    for unmoved, part in ((aside, "velocity"), (aside, "twins"), (aside, "bones")):
        added = loss_of(unmoved, batch, **{part: 1.0}) - loss_of(unmoved, batch)
        assert added == pytest.approx(0, abs=1e-5)


def test_the_likelihood_is_greatest_where_sigma_is_a_third_of_the_error_and_moves_no_pose() -> None:
    lifted = torch.zeros(1, 17, 4, requires_grad=True)
    truth = torch.full((1, 17, 3), 0.3 / 3**0.5)  # 0.3 m away
    losses = []
    for sigma in (0.05, 0.1, 0.2):
        guess = torch.cat([torch.zeros(1, 17, 3), torch.full((1, 17, 1), np.log(sigma))], -1)
        losses.append(float(likelihood_loss(guess, truth)))
    assert min(losses) == losses[1]
    likelihood_loss(lifted, truth).backward()
    assert lifted.grad is not None and (lifted.grad[..., :3] == 0).all()


def test_a_calibrated_sigma_holds_nine_of_ten_and_leaves_poses_alone(
    motion: Mocap, mocap_file: Path
) -> None:
    network = trained_looking(VIEW)
    evaluation = Evaluation(mocap_file, "val", VIEW, torch.device("cpu"), windows=100)
    before = evaluation.measure(network, 0)
    calibrate(network, load_mocap(mocap_file, "val"), windows=300)
    after = evaluation.measure(network, 0)
    for name, scores in after.items():
        assert scores.mpjpe == pytest.approx(before[name].mpjpe, rel=1e-5)
    truth = np.zeros((50, 17, 3))
    lifted = np.concatenate([np.full((50, 17, 3), 0.1), np.full((50, 17, 1), np.log(0.1))], -1)
    assert Scores.of(lifted, truth).covered == 1.0
    lifted[:, 1:5, 3] = np.log(0.05)
    assert Scores.of(lifted, truth).covered == pytest.approx(12 / 16)
    with pytest.raises(CalibrationError, match="no sigma"):
        calibrate(trained_looking(dataclasses.replace(VIEW, sigma=False)), motion)


@pytest.mark.parametrize("look_ahead", [27, -1])
def test_a_look_ahead_beyond_the_window_is_refused(look_ahead: int, mocap_file: Path) -> None:
    evaluation = Evaluation(mocap_file, "val", VIEW, torch.device("cpu"), windows=2)
    with pytest.raises(ConfigError, match="windows have 27 frames: choose 0 to 26"):
        evaluation.measure(trained_looking(VIEW), look_ahead)


def test_windows_can_be_grouped_by_the_person_who_moves(mocap_file: Path) -> None:
    motion = load_mocap(mocap_file, "val")
    clips = len(motion.clip)
    people = dataclasses.replace(motion, actor=np.array(["anna"] + ["ben"] * (clips - 1)))
    evaluation = Evaluation(people, "val", VIEW, torch.device("cpu"), windows=20, by="actor")
    assert list(evaluation.sets) == ["anna", "ben"]
    anna = Evaluation(people.select(people.actor == "anna"), "val", VIEW, torch.device("cpu"),
                      windows=20)  # fmt: skip
    (alone,) = anna.sets.values()
    torch.testing.assert_close(evaluation.sets["anna"].frames, alone.frames)


def test_both_sides_get_the_same_factor_and_nine_of_ten_of_them_are_covered() -> None:
    rng = np.random.default_rng(2)
    sigma = rng.uniform(0.03, 0.15, (20_000, 17, 1))
    wrong = np.ones(17)
    wrong[[LEFT[0], RIGHT[0]]] = 0.8, 1.2
    lifted = np.concatenate([rng.normal(size=(20_000, 17, 3)) * sigma, np.log(sigma)], -1)
    lifted[..., :3] *= wrong[:, None]
    factors = fit(lifted, np.zeros((20_000, 17, 3)), 0.9)
    assert factors[0] == 1 and factors[LEFT[0]] == factors[RIGHT[0]] > factors[LEFT[1]]
    inside = np.linalg.norm(lifted[..., :3], axis=-1) <= 2.5 * sigma[..., 0] * factors
    for joints in (slice(1, None), [LEFT[0], RIGHT[0]]):
        assert inside[:, joints].mean() == pytest.approx(0.9, abs=0.01)


def test_a_wider_network_starts_close_to_the_narrow_one() -> None:
    narrow = trained_looking(
        ModelConfig(width=64, feedforward=64, heads=4, sem_width=64, layers=2, dropout=0.0)
    )
    same = STMO(narrow.config).eval()
    widen(narrow, same)
    wide = STMO(
        dataclasses.replace(narrow.config, width=80, heads=5, feedforward=96, sem_width=96)
    ).eval()
    widen(narrow, wide)
    frames = torch.randn(8, 27, 18, 3)
    with torch.inference_mode():
        expected, equal, close = (m(frames)[1] for m in (narrow, same, wide))
    torch.testing.assert_close(equal, expected)
    spread = expected.std()
    assert (close - expected).std() < 0.3 * spread
    with pytest.raises(WideningError, match="layers 2 not 3"):
        widen(narrow, STMO(dataclasses.replace(narrow.config, layers=3)))
    with pytest.raises(WideningError, match="width 80 is more than 64"):
        widen(wide, narrow)
