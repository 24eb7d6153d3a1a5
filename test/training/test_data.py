"""Motion capture, windows, bodies, cameras and noise, on real motion."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pstmo_core.data.motion import bodies, detector_noise
from pstmo_core.data.motion.detector_joints import derive
from pstmo_core.data.motion.detector_noise import DetectorNoise
from pstmo_core.data.motion.mocap import MocapError, load_mocap
from pstmo_core.data.motion.sampler import Sampler, SamplerConfig
from pstmo_core.data.motion.virtual_cameras import CameraRange, draw_cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.evaluation.mocap_windows import knee_angles
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.model.config import ModelConfig
from pstmo_core.skeleton import JOINT_NAMES, LEFT, RIGHT


@pytest.fixture(scope="module")
def clips(mocap_file: Path) -> Clips:
    return Clips.of(load_mocap(mocap_file, "train"))


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def motion(clips: Clips, generator: torch.Generator) -> torch.Tensor:
    clip, target = clips.draw_targets(64, generator)
    return clips.windows(clip, target, 2, 27)


def bone_lengths(poses: torch.Tensor) -> torch.Tensor:
    return bodies.bones_of(poses).norm(dim=-1)


def test_splits_share_no_clip_and_leave_none_out(mocap_file: Path) -> None:
    parts = [set(load_mocap(mocap_file, split).clip.tolist()) for split in ("train", "val", "test")]
    whole = load_mocap(mocap_file)
    assert sum(len(part) for part in parts) == len(set.union(*parts)) == len(whole.clip)
    assert len(whole.positions) == whole.length.sum()


def test_a_window_is_every_second_frame_round_its_target(clips: Clips) -> None:
    clip, target = torch.tensor([1]), torch.tensor([100])
    window = clips.windows(clip, target, 2, 27)
    first = int(clips.start[1]) + 100 - 26
    torch.testing.assert_close(window[0], clips.positions[first : first + 53 : 2])


def test_windows_repeat_both_edges_and_never_leave_their_clip(clips: Clips) -> None:
    for clip in range(len(clips.start)):
        last = int(clips.length[clip]) - 1
        both = clips.windows(torch.tensor([clip, clip]), torch.tensor([0, last]), 2, 27)
        begin, end = clips.positions[clips.start[clip]], clips.positions[clips.start[clip] + last]
        torch.testing.assert_close(both[0, :14], begin.expand(14, -1, -1))
        torch.testing.assert_close(both[1, 13:], end.expand(14, -1, -1))


def test_a_fractional_step_interpolates(clips: Clips) -> None:
    window = clips.windows(torch.tensor([0]), torch.tensor([50]), 0.5, 9)[0]
    rows = clips.positions[int(clips.start[0]) + 48 :][:5]
    torch.testing.assert_close(window[::2], rows)
    torch.testing.assert_close(window[1], (rows[0] + rows[1]) / 2)


def test_mirroring_swaps_sides_and_keeps_bone_lengths(motion: torch.Tensor) -> None:
    mirrored = bodies.mirror(motion, torch.ones(len(motion), dtype=torch.bool))
    before, after = bone_lengths(motion), bone_lengths(mirrored)
    torch.testing.assert_close(after[..., list(LEFT)], before[..., list(RIGHT)])


def test_varied_poses_keep_their_bones_and_some_go_far(
    motion: torch.Tensor, generator: torch.Generator
) -> None:
    chosen = torch.arange(len(motion)) % 2 == 0
    varied = bodies.vary_poses(motion, chosen, generator)
    torch.testing.assert_close(varied[~chosen], motion[~chosen], atol=1e-5, rtol=0)
    torch.testing.assert_close(bone_lengths(varied), bone_lengths(motion), atol=1e-5, rtol=1e-4)
    moved = (varied - motion)[chosen].norm(dim=-1).mean((1, 2))
    assert moved.quantile(0.25) < 0.12 and moved.max() > 0.3  # most a little, some a lot


def test_nearly_straight_legs_become_straighter_and_bent_ones_stay(
    motion: torch.Tensor, generator: torch.Generator
) -> None:
    def angles(poses: torch.Tensor) -> np.ndarray:
        return knee_angles(poses[:, poses.shape[1] // 2].numpy())

    straightened = bodies.straighten_legs(motion, torch.ones(len(motion)) > 0, generator)
    torch.testing.assert_close(
        bone_lengths(straightened), bone_lengths(motion), atol=1e-5, rtol=1e-4
    )
    before, after = angles(motion), angles(straightened)
    nearly = (before > 141).all(1)
    assert 0.2 < nearly.mean() < 1
    assert (180 - after[nearly] < 0.55 * (180 - before[nearly]) + 0.1).all()
    bent = (before < 139).any(1)
    torch.testing.assert_close(straightened[bent], motion[bent])


def test_varied_bodies_keep_their_angles_and_have_human_sizes(
    motion: torch.Tensor, generator: torch.Generator
) -> None:
    varied = bodies.vary_proportions(motion, generator)
    old = torch.nn.functional.normalize(bodies.bones_of(motion)[..., 1:, :], dim=-1)
    new = torch.nn.functional.normalize(bodies.bones_of(varied)[..., 1:, :], dim=-1)
    torch.testing.assert_close(new, old, atol=1e-3, rtol=0)
    legs = bone_lengths(varied)[:, 13, 2] + bone_lengths(varied)[:, 13, 3]
    assert legs.min() > 0.6 and legs.max() < 1.15
    spread = bone_lengths(varied).std(dim=1)  # a body keeps its bones through the window
    assert float(spread.median()) < 2e-3


def test_joined_bodies_have_the_upper_of_one_and_the_legs_of_the_other(
    motion: torch.Tensor,
) -> None:
    upper, lower = motion[:32], motion[32:]
    joined = bone_lengths(bodies.join_halves(upper, lower))
    torch.testing.assert_close(joined[..., 7:], bone_lengths(upper)[..., 7:], atol=1e-5, rtol=0)
    torch.testing.assert_close(joined[..., :7], bone_lengths(lower)[..., :7], atol=1e-5, rtol=0)


def test_a_joined_limb_moves_as_in_another_clip_and_is_as_long_as_the_one_it_replaces(
    motion: torch.Tensor, generator: torch.Generator
) -> None:
    limbs, others = motion[:32], motion[32:]
    joined = bodies.join_limbs(limbs, others, generator)
    moved = ((joined - others).norm(dim=-1) > 1e-3).any(1)  # (B, 17)
    for window, changed in enumerate(moved):
        assert set(changed.nonzero()[:, 0].tolist()) in (
            set(), {2, 3}, {5, 6}, {12, 13}, {15, 16},
        )  # fmt: skip
        if changed.any():
            end = int(changed.nonzero()[-1, 0])
            bend = [_bend(poses[window], end) for poses in (joined, limbs)]
            torch.testing.assert_close(*bend, atol=1e-3, rtol=0)
    assert moved.any(1).float().mean() > 0.5
    torch.testing.assert_close(
        bone_lengths(joined)[:, 13], bone_lengths(others)[:, 13], atol=1e-4, rtol=0
    )


def _bend(poses: torch.Tensor, end: int) -> torch.Tensor:
    """Cosines (F,) of the angle between the two bones before a joint of poses (F, 17, 3)."""
    bones = torch.nn.functional.normalize(bodies.bones_of(poses)[:, [end - 1, end]], dim=-1)
    return bones.prod(1).sum(-1)


def test_turns_are_rotations_by_the_length_of_their_vector() -> None:
    vectors = torch.tensor([[0.0, 0.0, 0.0], [1e-4, 0.0, 0.0], [0.3, -2.0, 1.0]])
    crosses = torch.zeros(3, 3, 3)
    crosses[:, [2, 0, 1], [1, 2, 0]], crosses[:, [1, 2, 0], [2, 0, 1]] = vectors, -vectors
    torch.testing.assert_close(bodies._rotations(vectors), torch.linalg.matrix_exp(crosses))


def test_cameras_stand_in_their_ranges_and_see_the_person(
    motion: torch.Tensor, generator: torch.Generator
) -> None:
    ranges = CameraRange()
    cameras = draw_cameras(motion, ranges, generator)
    in_camera = cameras.to_camera(motion)
    root = motion[:, 13, 0]
    distance = (cameras.position - root)[:, :2].norm(dim=-1)
    assert ranges.distance[0] - 1e-4 <= distance.min() and distance.max() <= ranges.distance[1]
    assert bool((in_camera[:, 13, 0, 2] > 0).all())
    half = cameras.size / 2 / cameras.focal[:, None]
    assert bool((rays(in_camera)[:, 13, 0].abs() <= half).all())
    # A rigid camera: lengths stay, and the world's up points against the camera's y.
    torch.testing.assert_close(bone_lengths(in_camera), bone_lengths(motion), atol=1e-4, rtol=0)
    up = cameras.rotation @ torch.tensor([0.0, 0.0, 1.0])
    assert float(up[:, 1].max()) < 0


def test_projection_is_that_of_a_pinhole() -> None:
    point = torch.tensor([0.5, -0.25, 2.0])
    torch.testing.assert_close(rays(point), torch.tensor([0.25, -0.125]))


def test_clean_windows_stay_clean_and_others_get_faults(
    motion: torch.Tensor, generator: torch.Generator
) -> None:
    clean = rays(draw_cameras(motion, CameraRange(), generator).to_camera(motion))
    untouched, seen = detector_noise.apply(clean, DetectorNoise(clean_share=1.0), generator)
    torch.testing.assert_close(untouched, clean)
    assert bool((seen == 1).all())
    faulty, seen = detector_noise.apply(clean, DetectorNoise(clean_share=0.0), generator)
    assert 0.02 < float((seen == 0).float().mean()) < 0.4
    size = (clean - clean[:, :, :1]).square().sum(-1).mean().sqrt()
    assert 0.002 < float((faulty - clean).abs().median() / size) < 0.1


def test_derived_joints_are_those_that_the_layout_table_makes_of_detector_points(
    motion: torch.Tensor, generator: torch.Generator
) -> None:
    clean = rays(draw_cameras(motion, CameraRange(), generator).to_camera(motion))
    seen = torch.ones(clean.shape[:-1])
    seen[0, 0, JOINT_NAMES.index("lshoulder")] = 0
    chosen = torch.arange(len(motion)) < 32
    derived, known = derive(clean, seen, chosen)
    layout = get_layout("coco17")
    stand_in = {"nose": "head", "leye": "head", "reye": "head", "lear": "head", "rear": "head"}
    columns = [JOINT_NAMES.index(stand_in.get(name, name)) for name in layout.joint_names]
    points, scores = layout.convert(clean[:32, :, columns].numpy(), seen[:32, :, columns].numpy())
    where = (scores > 0) & (known[:32].numpy() > 0)
    assert where.mean() > 0.99
    np.testing.assert_allclose(derived[:32].numpy()[where], points[where], atol=1e-5)
    torch.testing.assert_close(derived[32:], clean[32:])
    assert known[0, 0, JOINT_NAMES.index("thorax")] == 0
    assert known[0, 1, JOINT_NAMES.index("thorax")] == 1


def test_the_same_seed_draws_the_same_batches(clips: Clips, small_model: ModelConfig) -> None:
    def draw(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return Sampler(clips, small_model, SamplerConfig(), generator).draw(8).frames

    torch.testing.assert_close(draw(1), draw(1), rtol=0, atol=0)
    assert not torch.allclose(draw(1), draw(2))


def test_a_batch_is_consistent_with_its_truth(clips: Clips) -> None:
    """The truth, seen along the encoded rays, is what the network is shown."""
    model = ModelConfig(frames=27)
    clean = SamplerConfig(noise=DetectorNoise(clean_share=1.0), known_camera_share=1.0)
    batch = Sampler(clips, model, clean, torch.Generator().manual_seed(5)).draw(32)
    assert batch.frames.shape == (32, 27, 18, 3)
    assert batch.poses.shape == (32, 27, 17, 3)
    assert float(batch.poses[:, :, 0].abs().max()) == 0
    # In image and camera frame alike x is right and y is down: signs agree for lateral offsets.
    offsets, truth = batch.frames[..., 1:17, :2], batch.poses[..., 1:, :2]
    far = truth.abs() > 0.25
    assert float((offsets[far].sign() == truth[far].sign()).float().mean()) > 0.97


@pytest.mark.parametrize("fault", ["missing", "truncated", "text", "other keys", "other joints"])
def test_a_bad_motion_capture_file_is_refused_with_a_sentence(
    fault: str, mocap_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bad.npz"
    if fault == "truncated":
        path.write_bytes(mocap_file.read_bytes()[:5000])
    elif fault == "text":
        path.write_text("hello")
    elif fault == "other keys":
        np.savez(path, kpts=np.zeros((3, 17, 2)))
    elif fault == "other joints":
        with np.load(mocap_file) as file:
            np.savez(path, **{**file, "joint_names": file["joint_names"][::-1]})
    with pytest.raises(MocapError, match=r"bad\.npz: "):
        load_mocap(path)
    assert not zipfile.is_zipfile(path) or fault in ("other keys", "other joints")


def test_headings_of_joined_halves_agree(motion: torch.Tensor) -> None:
    joined = bodies.join_halves(motion[:32], motion[32:])
    bones = bodies.bones_of(joined)[:, 13]
    shoulders, hips = bones[:, 11] - bones[:, 14], bones[:, 4] - bones[:, 1]
    cosine = torch.nn.functional.cosine_similarity(shoulders[:, :2], hips[:, :2])
    assert float(cosine.median()) > math.cos(math.radians(45))
