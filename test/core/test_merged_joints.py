"""Joints that several cameras tell of: nearer than their mean, and nine of ten within 2.5 sigma."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.model.config import INTERVAL
from pstmo_core.robot.merged_joints import aged_sigma, merge, precision
from pstmo_core.robot.merged_person import Sighting
from pstmo_core.robot.merging import Merger
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import JOINT_NAMES, mirror_order
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter

EXCERPT = Path(__file__).parents[1] / "data" / "mocap_excerpt.npz"
FPS = 25.0
VIEWS = (
    View(1280, 720, 900.0, (0.7, 4.0, 1.6), (0.0, 0.0, 0.9)),
    View(1280, 720, 900.0, (-4.1, 2.4, 1.9), (0.0, 0.0, 0.9)),
    View(1280, 720, 900.0, (-2.2, -4.8, 2.2), (0.0, 0.0, 0.9)),
)


SEEN = np.ones((4, 17), bool)


def covered(off: np.ndarray, sigma: np.ndarray) -> float:
    """Return the share of errors (..., 3) within 2.5 sigma (...)."""
    return float((np.linalg.norm(off, axis=-1) <= INTERVAL * sigma).mean())


def side_by_side(cameras: int) -> np.ndarray:
    """Return the precisions of cameras that look along x."""
    return np.stack([precision(np.diag([0.04, 0.001, 0.001]))] * cameras)


def test_joints_tell_least_along_the_direction_in_which_the_root_is_least_sure() -> None:
    aside, ahead = np.eye(3)[1], np.eye(3)[0]
    matrix = precision(np.diag([0.04, 0.001, 0.001]))
    assert aside @ matrix @ aside == pytest.approx(9 * ahead @ matrix @ ahead)
    assert np.trace(np.linalg.inv(matrix)) == pytest.approx(3), "sigma keeps its size"
    measured = precision(np.diag([0.0004, 0.0004, 0.0004]))  # by a depth camera
    np.testing.assert_allclose(measured, np.eye(3), atol=1e-12)


def test_each_camera_decides_what_it_sees_best() -> None:
    joints = np.zeros((2, 17, 3))
    joints[0, :, 0] = joints[1, :, 1] = 0.1  # each is wrong along its viewing direction
    looks = np.stack([precision(np.diag(d)) for d in ((0.04, 0.001, 0.001), (0.001, 0.04, 0.001))])
    merged, _ = merge(joints, None, SEEN[:2], looks, np.array([0.5, 0.5]))
    np.testing.assert_allclose(merged, np.full((17, 3), [0.01, 0.01, 0.0]), atol=1e-12)


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.8, 0.1, 0.1)])
def test_nine_of_ten_are_covered_however_alike_the_cameras_errors_are(
    alike: float, shares: tuple[float, ...]
) -> None:
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.02, 0.08, (len(shares), 20_000))
    common, own = rng.normal(size=(20_000, 3)), rng.normal(size=(*sigma.shape, 3))
    seen = np.ones(sigma.shape, bool)
    joints = sigma[..., None] * (np.sqrt(alike) * common + np.sqrt(1 - alike) * own)
    mean, merged = merge(joints, sigma, seen, side_by_side(len(shares)), np.array(shares))
    assert merged is not None
    assert covered(mean, merged) > 0.89
    assert np.median(merged) < 1.1 * np.median(np.sqrt(shares @ sigma**2))


def test_cameras_side_by_side_that_agree_are_no_surer_than_each() -> None:
    for count in (1, 4):
        sigma, joints = np.full((count, 17), 0.05), np.ones((count, 17, 3))
        shares = np.full(count, 1 / count)
        _, merged = merge(joints, sigma, SEEN[:count], side_by_side(count), shares)
        np.testing.assert_allclose(merged, 0.05)  # type: ignore[arg-type]


def test_cameras_that_disagree_by_more_than_their_sigma_are_less_sure() -> None:
    joints = np.zeros((2, 17, 3))
    joints[1, :, 0] = 0.6
    sigma = np.full((2, 17), 0.03)
    _, merged = merge(joints, sigma, SEEN[:2], side_by_side(2), np.array([0.5, 0.5]))
    assert merged is not None
    assert (INTERVAL * merged > 0.3).all(), "either of them may be right"


def test_what_was_seen_a_while_ago_is_less_sure_of_hands_than_of_hips() -> None:
    sigma = np.full(17, 0.03)
    np.testing.assert_array_equal(aged_sigma(sigma, 0.0), sigma)
    aged = aged_sigma(sigma, 0.2)
    assert aged[0] == sigma[0] and aged[1] < aged[2] < aged[3] < aged[13]


@dataclass(frozen=True, eq=False)
class Clip:
    """Somebody who moves, and what each camera's lifter tells of them in each frame."""

    truth: np.ndarray
    """(F, 17, 3) metres relative to the pelvis, world."""
    seen: list[list[Sighting]]
    """By camera and frame."""


@pytest.fixture(scope="module")
def clips(shipped: Runtime) -> list[Clip]:
    """Real motion (test/data), the last three seconds of each clip: climbing, punches, a dance."""
    mocap, made = load_mocap(EXCERPT), []
    for end in (mocap.start + mocap.length).tolist():
        world = mocap.positions[end - 150 : end : 2].astype(np.float64)
        world[..., :2] -= world[:, 0, :2].mean(0)
        truth = world - world[:, :1]
        made.append(Clip(truth, [lifted(shipped, view, world) for view in VIEWS]))
    return made


def lifted(
    runtime: Runtime, view: View, world: np.ndarray, hidden: Sequence[int] = ()
) -> list[Sighting]:
    """Lift joints (F, 17, 3) from a view's keypoints, which are 3 pixels off, or not seen."""
    lifter, rng, told = StreamLifter(runtime, StreamConfig()), np.random.default_rng(0), []
    scores = np.ones((1, 17), np.float32)
    scores[:, hidden] = 0
    for row, joints in enumerate(world):
        points = view.project(view.to_camera(joints))[None] + rng.normal(0, 3.0, (1, 17, 2))
        frame = KeypointFrame(
            round(row / FPS * 1e9), ("p",), points.astype(np.float32),
            scores, view.width, view.height, view.focal, view.pose,
        )  # fmt: skip
        (answer,) = lifter.push(frame)
        level = answer.in_axes(view.pose.rotation, view.pose.position)
        assert level.sigma is not None
        told.append(
            Sighting(level.stamp, "p", level.roots.position[0], level.roots.covariance[0],
                     level.joints[0].astype(np.float64), level.confidence[0], level.sigma[0])
        )  # fmt: skip
    return told


def errors(
    clips: list[Clip],
    cameras: int,
    late: int = 0,
    spoil: Callable[[Sighting], Sighting] = lambda sighting: sighting,
) -> tuple[np.ndarray, np.ndarray]:
    """Merge all clips and return how far off joints are (N, 16, 3), and their sigma (N, 16).

    Args:
        clips: what cameras tell.
        cameras: how many of them there are.
        late: frames by which the last camera is behind.
        spoil: changes what the last camera tells.
    """
    off, sigma = [], []
    for clip in clips:
        merger = Merger()
        for row in range(late, len(clip.truth)):
            for camera in range(cameras):
                last = camera == cameras - 1
                sighting = clip.seen[camera][row - late if last else row]
                told = spoil(sighting) if last else sighting
                people = merger.take(str(camera), sighting.stamp, [told])
            (person,) = people
            assert person.sigma is not None
            off.append(person.joints[1:] - clip.truth[row, 1:])
            sigma.append(person.sigma[1:])
    return np.array(off), np.array(sigma)


def left_for_right(sighting: Sighting) -> Sighting:
    return replace(sighting, joints=sighting.joints[mirror_order()])


@pytest.mark.parametrize("cameras", [2, 3])
def test_real_motion_is_a_quarter_nearer_than_the_mean_of_the_cameras(
    clips: list[Clip], cameras: int
) -> None:
    off, _ = errors(clips, cameras)
    means = [
        np.mean([sighting.joints for sighting in frame], axis=0)[1:] - truth[1:]
        for clip in clips
        for *frame, truth in zip(*clip.seen[:cameras], clip.truth, strict=True)
    ]
    merged, mean = (float(np.linalg.norm(each, axis=-1).mean()) * 1e3 for each in (off, means))
    print(f"{cameras} cameras: {merged:.0f} mm, their mean {mean:.0f} mm")
    assert merged < 0.75 * mean


ARMS = [JOINT_NAMES.index(side + joint) for side in "lr" for joint in ("elbow", "wrist")]


def test_what_only_one_camera_sees_is_as_it_sees_it(shipped: Runtime) -> None:
    mocap = load_mocap(EXCERPT)
    world = mocap.positions[mocap.start[0] :][:120:2].astype(np.float64)
    world[..., :2] -= world[:, 0, :2].mean(0)
    guess, seen = lifted(shipped, VIEWS[0], world, ARMS), lifted(shipped, VIEWS[1], world)
    merger, merged = Merger(), []
    for pair in zip(guess, seen, strict=True):
        for camera, sighting in zip("ab", pair, strict=True):
            (person,) = merger.take(camera, sighting.stamp, [sighting])
        assert person.sigma is not None
        merged.append(person.joints[ARMS])
    truth = (world - world[:, :1])[:, ARMS]
    told = ([sighting.joints[ARMS] for sighting in camera] for camera in (seen, guess))
    off, alone, guessed = (
        np.linalg.norm(np.array(arms) - truth, axis=-1).mean() * 1e3 for arms in (merged, *told)
    )
    print(f"arms: {off:.0f} mm, as seen {alone:.0f} mm, as guessed {guessed:.0f} mm")
    assert guessed > 1.5 * alone and off < 1.05 * alone


@pytest.mark.parametrize("cameras", [1, 2, 3])
def test_nine_of_ten_joints_of_real_motion_are_within_sigma(
    clips: list[Clip], cameras: int
) -> None:
    off, sigma = errors(clips, cameras)
    share = covered(off, sigma)
    print(f"{cameras} cameras: {share:.3f} within 2.5 sigma")
    assert share > 0.9
    alone = np.median([s.sigma for clip in clips for s in clip.seen[0]])
    assert np.median(sigma) < 1.3 * alone, "and not because sigma is large"


def test_sigma_nearly_holds_where_the_cameras_disagree_most_and_a_smaller_one_would_not(
    clips: list[Clip],
) -> None:
    off, sigma = errors(clips, 2)
    apart = np.array(
        [
            np.linalg.norm(one.joints - other.joints, axis=-1)[1:] / (one.sigma + other.sigma)[1:]
            for clip in clips
            for one, other in zip(*clip.seen[:2], strict=True)
        ]
    )  # fmt: skip
    worst = apart > np.quantile(apart, 0.9)
    share, halved = (covered(off[worst], s[worst]) for s in (sigma, sigma / np.sqrt(2)))
    print(f"where they disagree: {share:.3f}; with 1 / sqrt(n) of it {halved:.3f}")
    assert share > 0.83 and halved < 0.8


def test_a_camera_that_takes_left_for_right_makes_sigma_larger(clips: list[Clip]) -> None:
    share = covered(*errors(clips, 3, spoil=left_for_right))
    print(f"one of three takes left for right: {share:.3f}")
    assert share > 0.9


def test_a_camera_that_is_late_tells_of_joints_that_have_moved(clips: list[Clip]) -> None:
    share = covered(*errors(clips, 2, late=5))
    print(f"one of two is 0.2 s late: {share:.3f}")
    assert share > 0.9


def test_whom_only_a_late_camera_sees_may_have_moved(clips: list[Clip]) -> None:
    off, sigma, unaged = [], [], []
    for clip in clips:
        merger = Merger()
        for row in range(5, len(clip.truth)):
            sighting = clip.seen[1][row - 5]
            merger.take("sees nobody", clip.seen[0][row].stamp, [])
            (person,) = merger.take("late", sighting.stamp, [sighting])
            assert person.sigma is not None and sighting.sigma is not None
            off.append(person.joints[1:] - clip.truth[row, 1:])
            sigma.append(person.sigma[1:])
            unaged.append(sighting.sigma[1:])
    share, before = (covered(np.array(off), np.array(each)) for each in (sigma, unaged))
    print(f"0.2 s late: {share:.3f} within 2.5 sigma, {before:.3f} within that of the moment")
    assert share > 0.9 > before


def test_sigma_is_not_known_where_one_camera_does_not_say_it(clips: list[Clip]) -> None:
    merger, said = Merger(), [seen[0] for seen in clips[0].seen]
    (person,) = merger.take("says", 0, [said[0]])
    np.testing.assert_allclose(person.sigma, said[0].sigma, rtol=1e-6)
    (person,) = merger.take("does not", 0, [replace(said[1], sigma=None)])
    assert person.sigma is None and len(person.cameras) == 2
