"""What the floor, a depth image and a stated height tell about where people are."""

from __future__ import annotations

import numpy as np
import pytest

from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.depth_root import sample_depth
from pstmo_core.room.floor import ANKLE_HEIGHT, Floor
from pstmo_core.room.gravity import GravityFilter
from pstmo_core.room.root_fusion import STATURE_SPREAD, RootFusion, RootSource
from pstmo_core.room.size_health import SizeHealth
from pstmo_core.room.size_reading import SizeReading
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_core.streaming.root import stature
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_core.streaming.statures import Statures

VIEW = View(1280, 720, 1000.0, position=(0.3, -4.2, 1.5), target=(0.0, 0.0, 0.9))
POSE = VIEW.pose
FPS = 25.0
AWAY = np.array([4.0])
CORRECTED = 80


def test_a_ray_of_an_ankle_meets_its_plane_where_the_ankle_is() -> None:
    rng = np.random.default_rng(1)
    world = np.concatenate([rng.uniform(-2, 2, (50, 2)), np.full((50, 1), 0.3 + ANKLE_HEIGHT)], 1)
    seen = VIEW.to_camera(world)
    ankles = Floor(height=0.3).ankle_positions(seen[:, :2] / seen[:, 2:], POSE)
    np.testing.assert_allclose(ankles, seen, atol=1e-9)
    np.testing.assert_allclose(POSE.to_level(ankles), world, atol=1e-9)


def test_rays_that_do_not_fall_meet_no_floor() -> None:
    assert np.isnan(Floor().ankle_positions(np.array([[0.0, -1.0], [0.3, -0.5]]), POSE)).all()


def test_up_alone_is_no_floor_but_says_where_up_is() -> None:
    pose = CameraPose.from_up(3.0 * POSE.up)
    assert not pose.knows_floor
    np.testing.assert_allclose(pose.up, POSE.up)
    np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(pose.rotation) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no direction"):
        CameraPose.from_up(np.zeros(3))


@pytest.fixture(scope="module")
def walk() -> np.ndarray:
    """Somebody 1.49 m tall (F, 17, 3) who walks by on the floor, world frame, metres."""
    return MovingPeople.shipped(1).clips[0][::2][:160]


def lift(
    runtime: Runtime,
    world: np.ndarray,
    config: StreamConfig = StreamConfig(),  # noqa: B008
    pose: CameraPose | None = POSE,
    without_pose: range = range(0),
    depths: float = 0.0,
    later: CameraPose | None = None,
) -> tuple[list[SkeletonFrame], np.ndarray]:
    """Return answers and true joints in the camera's frame, with keypoints as detectors have.

    With a `later` pose, TF tells that one from frame `CORRECTED` on.
    """
    rng = np.random.default_rng(4)
    in_camera = VIEW.to_camera(world)
    points = VIEW.project(in_camera) + rng.normal(0, 2.0, (*world.shape[:2], 2))
    lifter, answers = StreamLifter(runtime, config), []
    for row, seen in enumerate(points):
        of_depth = in_camera[row, :, 2] - 0.1 + rng.normal(0, 0.02, 17)
        answers += lifter.push(
            KeypointFrame(
                round(row / FPS * 1e9), ("p",), seen[None].astype(np.float32),
                np.ones((1, 17), np.float32), VIEW.width, VIEW.height, VIEW.focal,
                None if row in without_pose else later if later and row >= CORRECTED else pose,
                of_depth[None].astype(np.float32) * np.float32(depths) if depths else None,
            )
        )  # fmt: skip
    return answers, in_camera


def off(answers: list[SkeletonFrame], in_camera: np.ndarray) -> np.ndarray:
    """Return errors (F, 3) of the root positions."""
    return np.array([a.roots.position[0] for a in answers]) - in_camera[:, 0]


def share(answers: list[SkeletonFrame], in_camera: np.ndarray) -> float:
    """Return the median error of the distance once the first two seconds are over."""
    error = np.linalg.norm(off(answers, in_camera), axis=-1)
    return float(np.median((error / np.linalg.norm(in_camera[:, 0], axis=-1))[50:]))


def test_a_short_person_on_the_floor_is_placed_and_sized_without_its_height(
    shipped: Runtime, walk: np.ndarray
) -> None:
    blind, true = lift(shipped, walk, pose=None)
    told, _ = lift(shipped, walk)
    assert share(blind, true) > 0.10
    assert share(told, true) < 0.03
    assert {int(a.roots.source[0]) for a in blind} == {RootSource.ASSUMED}
    assert told[-1].roots.source[0] == RootSource.FLOOR
    leg = np.linalg.norm(np.diff(told[-1].joints[0, [1, 2, 3]], axis=0), axis=-1).sum()
    true_leg = np.linalg.norm(np.diff(walk[-1, [1, 2, 3]], axis=0), axis=-1).sum()
    assert leg == pytest.approx(true_leg, rel=0.08)


def test_what_the_floor_told_holds_when_its_pose_is_lost_and_nobody_jumps(
    shipped: Runtime, walk: np.ndarray
) -> None:
    lost = range(80, 160)
    answers, true = lift(shipped, walk, without_pose=lost)
    sources = [int(a.roots.source[0]) for a in answers]
    assert sources[79] == RootSource.FLOOR
    assert sources[-1] == RootSource.LEARNED
    assert share(answers[100:], true[100:]) < 0.04
    kept, _ = lift(shipped, walk)
    change = np.abs(off(answers, true) - off(kept, true))
    assert np.abs(np.diff(change, axis=0))[75:].max() < 0.05


def test_after_a_jump_back_in_time_sizes_and_distances_are_those_of_a_new_stream(
    shipped: Runtime, walk: np.ndarray
) -> None:
    """As when a node hears another bag, whose source gives somebody else the same id."""
    used, new = (StreamLifter(shipped, StreamConfig()) for _ in range(2))
    short, tall = (VIEW.project(VIEW.to_camera(size * walk)) for size in (1.0, 1.25))
    for frame in frames_of(short, 10**12):
        used.push(frame)
    for frame in frames_of(tall, 0):
        (answer,), (expected,) = used.push(frame), new.push(frame)
        np.testing.assert_array_equal(answer.roots.position, expected.roots.position)
        np.testing.assert_array_equal(answer.joints, expected.joints)
    assert used.counters["reset"] == 1
    assert used.size_health().height == new.size_health().height
    assert expected.roots.source[0] == RootSource.FLOOR


def frames_of(points: np.ndarray, start: int) -> list[KeypointFrame]:
    """Return frames of one person's keypoints (F, 17, 2), with the camera's pose."""
    scores, size = np.ones((1, 17), np.float32), (VIEW.width, VIEW.height)
    return [
        KeypointFrame(
            start + round(row / FPS * 1e9), ("p",), each[None].astype(np.float32), scores, *size,
            VIEW.focal, POSE,
        )
        for row, each in enumerate(points)
    ]  # fmt: skip


def test_a_floor_that_comes_late_makes_nobody_jump(shipped: Runtime, walk: np.ndarray) -> None:
    blind, true = lift(shipped, walk, pose=None)
    late, _ = lift(shipped, walk, without_pose=range(60))
    change = off(late, true) - off(blind, true)
    assert np.abs(change[-1]).max() > 0.2
    assert np.linalg.norm(np.diff(change, axis=0), axis=-1).max() < 0.1


@pytest.mark.parametrize("hold_feet", [False, True])
def test_a_map_that_is_corrected_by_half_a_metre_makes_nobody_jump(
    shipped: Runtime, walk: np.ndarray, hold_feet: bool
) -> None:
    """Seen from the camera: where the map says that people are jumps, as it must."""
    turn = np.array([[0.87, -0.5, 0], [0.5, 0.87, 0], [0, 0, 1]])
    turn[:2] /= np.linalg.norm(turn[0])
    corrected = CameraPose(turn @ POSE.rotation, turn @ POSE.position + [0.5, 0.3, 0.0])
    config = StreamConfig(hold_feet=hold_feet)
    answers, true = lift(shipped, walk[:100], config, later=corrected)
    joints = np.array([a.joints[0] + a.roots.position[0] for a in answers])
    changes = np.linalg.norm(np.diff(joints - true, axis=0), axis=-1).max(-1)
    assert changes[CORRECTED - 1 : CORRECTED + 15].max() < 0.05
    assert share(answers, true) < 0.03


def test_a_depth_image_gives_root_positions_and_is_named_as_their_source(
    shipped: Runtime, walk: np.ndarray
) -> None:
    answers, true = lift(shipped, walk, pose=None, depths=1.0)
    assert share(answers, true) < 0.03
    assert answers[-1].roots.source[0] == RootSource.DEPTH


@pytest.mark.parametrize("factor", [1000.0, 0.001, 2.0])
@pytest.mark.parametrize("pose", [POSE, None])
def test_depths_in_other_units_than_stated_move_nobody(
    shipped: Runtime, walk: np.ndarray, factor: float, pose: CameraPose | None
) -> None:
    """They would make people shorter or taller than people are."""
    wrong, true = lift(shipped, walk, pose=pose, depths=factor)
    without, _ = lift(shipped, walk, pose=pose)
    assert RootSource.DEPTH not in {int(a.roots.source[0]) for a in wrong}
    assert share(wrong, true) < share(without, true) + 0.005


def test_a_step_of_known_height_is_allowed_for(shipped: Runtime, walk: np.ndarray) -> None:
    lifted = walk + (0, 0, 0.4)
    wrong, true = lift(shipped, lifted)
    right, _ = lift(shipped, lifted, StreamConfig(floor_height=0.4))
    assert share(right, true) < 0.04 < share(wrong, true)


def test_a_camera_mounted_turned_places_by_the_floor_alike(
    shipped: Runtime, walk: np.ndarray
) -> None:
    from pstmo_core.keypoints.rotation import upright_frame

    frame = KeypointFrame(
        0, ("p",), VIEW.project(VIEW.to_camera(walk[:1])).astype(np.float32),
        np.ones((1, 17), np.float32), VIEW.width, VIEW.height, VIEW.focal, POSE,
    )  # fmt: skip
    turned = upright_frame(frame, 90)  # what a camera on its side would see, with its pose
    (one,), (other,) = (
        StreamLifter(shipped, StreamConfig(rotation=rotation)).push(seen)
        for rotation, seen in ((0, frame), (270, turned))
    )
    assert turned.pose is not None
    np.testing.assert_allclose(
        POSE.to_level(one.roots.position), turned.pose.to_level(other.roots.position), atol=1e-3
    )


def reading(growth: float, white: float = 1e-3, known: bool = True) -> SizeReading:
    return SizeReading(np.array([growth]), np.array([white]), np.array([1e-4]), np.array([known]))


def test_hidden_legs_count_as_long_as_they_were() -> None:
    statures, rows = Statures(4), np.array([1, 2])
    lifted = np.stack([MovingPeople.shipped(1).joints(0.0)[0]] * 2)
    seen = np.ones((2, 17), bool)
    tall = statures.measure(rows, lifted, seen)
    np.testing.assert_allclose(tall, stature(lifted))
    shorter = lifted.copy()
    for side in ((1, 2, 3), (4, 5, 6)):  # hip, knee, ankle
        shorter[:, side] = lifted[:, side[:1]] + 0.8 * (lifted[:, side] - lifted[:, side[:1]])
    seen[:, [2, 3, 5, 6]] = False
    assert (stature(shorter) < 0.95 * tall).all()
    np.testing.assert_allclose(statures.measure(rows, shorter, seen), tall)
    statures.forget(2)
    kept, usual = statures.measure(rows, shorter, seen)
    assert kept == pytest.approx(tall[0]) and usual == pytest.approx(tall[1], rel=0.05)


def test_one_wild_reading_moves_a_learned_height_little_and_a_row_can_be_forgotten() -> None:
    fusion, row = RootFusion(4), np.array([2])
    nothing = SizeReading.nothing(1)
    for step in range(100):
        sizes = fusion.fuse(row, step * 40_000_000, np.array([1.5]), AWAY, reading(0.1), nothing)
    assert sizes.scale[0] == pytest.approx(np.exp(0.1), rel=0.01)
    assert sizes.spread[0] < 0.03
    wild = fusion.fuse(row, 100 * 40_000_000, np.array([1.5]), AWAY, reading(0.9), nothing)
    assert wild.scale[0] == pytest.approx(sizes.scale[0], rel=0.02)
    fusion.forget(2)
    again = fusion.fuse(row, 101 * 40_000_000, np.array([1.5]), AWAY, nothing, nothing)
    assert (again.scale[0], again.spread[0]) == (1.0, STATURE_SPREAD)


def test_depth_is_read_on_the_body_not_beside_it_nor_in_holes() -> None:
    image = np.full((240, 320), 5000, np.uint16)
    image[60:200, 140:180] = 2000  # a body of two metres' depth, half as many pixels as colour
    image[::3, ::3] = 0
    points = np.zeros((2, 17, 2), np.float32)
    points[0] = [[320 + 30 * np.cos(a), 240 + 90 * np.sin(a)] for a in np.linspace(0, 6, 17)]
    points[1] = np.nan
    depths = sample_depth(image, points, (640, 480), 0.001)
    np.testing.assert_allclose(depths[0], 2.0, atol=1e-6)
    assert np.isnan(depths[1]).all()
    assert np.isnan(sample_depth(np.zeros_like(image), points, (640, 480), 0.001)).all()


def test_up_is_felt_at_rest_and_through_shocks_and_soon_forgotten() -> None:
    gravity, up = GravityFilter(), np.array([0.0, -0.8, 0.6])
    assert gravity.up(0) is None
    rng = np.random.default_rng(2)
    for row in range(400):
        felt = 9.81 * up + rng.normal(0, 0.2, 3) + (20.0 * (row % 20 == 0), 0.0, 0.0)
        gravity.update(row * 5_000_000, felt)
    found = gravity.up(400 * 5_000_000)
    assert found is not None
    assert np.degrees(np.arccos(found @ up)) < 1.5
    assert gravity.up(10**11) is None


def test_a_stated_tilt_and_height_are_as_good_as_tf(shipped: Runtime, walk: np.ndarray) -> None:
    down = float(np.degrees(np.arcsin(-VIEW.rotation[2, 2])))
    stated = StreamConfig(tilt=down, mounting_height=VIEW.position[2])
    answers, true = lift(shipped, walk, stated, pose=None)
    assert share(answers, true) < 0.03
    assert answers[-1].roots.source[0] == RootSource.FLOOR
    with pytest.raises(ConfigError, match="only together with tilt"):
        StreamConfig(mounting_height=1.5)


def health_of(runtime: Runtime, walk: np.ndarray, pose: CameraPose, depths: float) -> SizeHealth:
    """Return what a lifter says of its sources after five seconds."""
    in_camera = VIEW.to_camera(walk)
    points, lifter = (
        VIEW.project(in_camera).astype(np.float32),
        StreamLifter(runtime, StreamConfig()),
    )
    for row, seen in enumerate(points[:125]):
        of_depth = (in_camera[row, :, 2] - 0.1)[None].astype(np.float32) if depths else None
        lifter.push(
            KeypointFrame(
                round(row / FPS * 1e9), ("p",), seen[None], np.ones((1, 17), np.float32),
                VIEW.width, VIEW.height, VIEW.focal, pose, of_depth,
            )
        )  # fmt: skip
    return lifter.size_health()


def test_a_floor_that_is_not_where_tf_says_shows_in_the_residuals(
    shipped: Runtime, walk: np.ndarray
) -> None:
    right = health_of(shipped, walk, POSE, depths=1.0)
    assert right.floor is not None and right.depth is not None
    assert abs(right.disagreement) < 0.06 and right.floor.spread < 0.1
    assert right.height == pytest.approx(1.49, abs=0.1)
    raised = CameraPose(POSE.rotation, POSE.position + (0, 0, 0.4))
    wrong = health_of(shipped, walk, raised, depths=1.0)
    assert 0.15 < wrong.disagreement < 0.4
    alone = health_of(shipped, walk, raised, depths=0.0)
    assert alone.depth is None and alone.height > 1.75


def test_a_pose_over_a_floor_that_drives_is_anchored_where_another_frame_stays() -> None:
    """A robot drives up a ramp that odom knows: what stands on the ramp stays where it is."""
    slope = np.radians(8.0)
    ramp = np.array(
        [[np.cos(slope), 0, -np.sin(slope)], [0, 1, 0], [np.sin(slope), 0, np.cos(slope)]]
    )
    stands = ramp @ np.array([6.0, 1.0, 0.0]) + np.array([0.0, 0.0, 0.2])
    mounted = CameraPose.of_tilt(1.2, 5.0)
    found = []
    for along, yaw in ((1.0, 0.0), (2.0, 0.3), (3.5, -0.7)):
        cos, sin = np.cos(yaw), np.sin(yaw)
        base = ramp @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        place = ramp @ np.array([along, 0.0, 0.0]) + np.array([0.0, 0.0, 0.2])
        camera, at = base @ mounted.rotation, base @ mounted.position + place
        pose = mounted.anchored(camera, at)
        np.testing.assert_allclose(pose.up, mounted.up, atol=1e-12)
        np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-12)
        assert pose.position[2] == pytest.approx(1.2)
        found.append(pose.to_level((stands - at) @ camera))
    np.testing.assert_allclose(found[0][2], 0.0, atol=1e-12)
    np.testing.assert_allclose(found, np.broadcast_to(found[0], (3, 3)), atol=1e-12)
