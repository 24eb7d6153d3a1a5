"""The lifter and TF over DDS: the floor, results in another frame, and what happens without."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("tf2_ros", reason="needs tf2")

import tf2_ros
from geometry_msgs.msg import TransformStamped
from lifter_knows import imu_of, knows_transform
from lifter_world import LifterWorld
from node_world import worlds
from sensor_msgs.msg import Image, Imu
from std_msgs.msg import Header

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.floor import ANKLES
from pstmo_core.simulation.body import Look, body_parts
from pstmo_core.simulation.depth import draw_depth
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.room import room_depths
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_ros.conversions import floats, joints_of, stamp_ns, time_message
from pstmo_ros.frames import depth_images
from pstmo_ros.frames.static_frame import publish_static_frame, transform_message
from pstmo_ros.msg import People2D, Person2D, Skeleton3D

VIEW = View(1280, 720, 1000.0, position=(0.3, -4.2, 1.5), target=(0.0, 0.0, 0.9))
WRISTS = [JOINT_NAMES.index("rwrist"), JOINT_NAMES.index("lwrist")]
FPS = 25.0
BASE, SECOND = 1_700_000_000_000_000_000, 1_000_000_000


class Robot(LifterWorld):
    """A lifter, the camera that it works for, and its TF."""

    def __init__(self, **parameters: Any) -> None:
        super().__init__("robot", **{"focal": 1000.0, "expire": 5.0, **parameters})
        self._tf = tf2_ros.TransformBroadcaster(self)

    def start_with_depth(self, depth: Any) -> None:
        """Start, and show somebody, for whom alone depth images are listened to."""
        self.start()
        self.show(-1)
        self.spin_until(lambda: depth.get_subscription_count() == 1 and len(self.skeletons) == 1)
        self.skeletons.clear()

    def show(
        self, row: int, view: View = VIEW, start: int = BASE, frame_id: str = "camera"
    ) -> np.ndarray:
        """Publish what a camera sees of somebody who walks; return the true joints (17, 3)."""
        world: np.ndarray = MovingPeople.shipped(1).joints(row / FPS)[0]
        points = view.project(view.to_camera(world))
        stamp = time_message(start + round(row / FPS * 1e9))
        header = Header(stamp=stamp, frame_id=frame_id)
        person = Person2D(id="walker", points=floats(points.ravel()))
        self.keypoints.publish(
            People2D(header=header, layout="h36m17", width=1280, height=720, people=[person])
        )
        return world

    def tell_tf(self, row: int, view: View) -> None:
        """Tell where the camera is in map at a frame's time."""
        header = Header(stamp=time_message(BASE + round(row / FPS * 1e9)), frame_id="map")
        transform = transform_message(view.pose)
        self._tf.sendTransform(
            TransformStamped(header=header, child_frame_id="camera", transform=transform)
        )


robot = worlds(Robot)


def root_of(skeleton: Skeleton3D) -> np.ndarray:
    return np.array([skeleton.root.x, skeleton.root.y, skeleton.root.z])


def test_on_a_known_floor_people_are_placed_in_the_map(robot: Callable[..., Robot]) -> None:
    here = robot(floor_frame="map", target_frame="map")
    publish_static_frame(here, "map", "camera", VIEW.pose)
    here.start()
    here.spin_until(lambda: knows_transform(here.lifter, "map", "camera"))
    truth = []
    for row in range(60):
        truth.append(here.show(row))
        here.spin_until(lambda row=row: len(here.skeletons) > row)
    last = here.skeletons[-1]
    assert last.header.frame_id == "map"
    assert last.people[0].root_source == Skeleton3D.ROOT_FLOOR
    off = [
        root_of(answer.people[0]) - joints[0]
        for answer, joints in zip(here.skeletons, truth, strict=True)
    ]
    # The walker is 1.49 m tall, so without the floor this would be 0.7 m.
    assert np.median(np.linalg.norm(off[30:], axis=-1)) < 0.15
    head = np.reshape(last.people[0].joints, (17, 3))[10]
    assert head[2] > 0.4  # up is z in the map


def test_keypoints_wait_for_the_transform_of_their_own_stamp(
    robot: Callable[..., Robot],
) -> None:
    here = robot(floor_frame="map", target_frame="map", tf_timeout=5.0)
    here.start()
    here.spin_until(lambda: here.count_subscribers("/tf") == 1)
    # The camera drives on 3 cm a frame; TF comes after the keypoints.
    truth = []
    for row in range(60):
        view = View(1280, 720, 1000.0, (0.3 - 0.03 * row, -4.2, 1.5), (0.0, 0.0, 0.9))
        truth.append(here.show(row, view))
        here.spin_for(0.01)
        assert len(here.skeletons) <= row
        here.tell_tf(row, view)
        here.spin_until(lambda row=row: len(here.skeletons) > row)
    assert [stamp_ns(a.header.stamp) for a in here.skeletons] == sorted(
        BASE + round(row / FPS * 1e9) for row in range(60)
    )
    off = [
        np.linalg.norm(root_of(a.people[0]) - joints[0])
        for a, joints in zip(here.skeletons, truth, strict=True)
    ]
    assert np.median(off[30:]) < 0.15


def test_transforms_that_begin_late_and_come_after_the_keypoints_are_used(
    robot: Callable[..., Robot],
) -> None:
    """A robot's odometry starts after its camera, and is always a little later."""
    here = robot(floor_frame="map", tf_timeout=0.5, expire=5.0)
    here.start()
    here.spin_until(lambda: here.count_subscribers("/tf") == 1)
    sources = []
    for row in range(40):
        here.show(row)
        if row >= 20:
            here.spin_for(0.03)
            here.tell_tf(row, VIEW)
        here.spin_until(lambda row=row: len(here.skeletons) > row)
        sources.append(here.skeletons[-1].people[0].root_source)
    assert Skeleton3D.ROOT_FLOOR not in sources[:20]
    assert sources[30:].count(Skeleton3D.ROOT_FLOOR) >= 8


def test_without_the_transform_the_cameras_frame_goes_on_and_it_is_said_once(
    robot: Callable[..., Robot], capfd: pytest.CaptureFixture[str]
) -> None:
    here = robot(floor_frame="map", target_frame="map", tf_timeout=0.02)
    here.lifter.drops._period = 10**12  # said once, however long it takes
    here.start()
    for row in range(20):
        here.show(row)
    here.spin_until(lambda: len(here.skeletons) == 20)
    assert {answer.header.frame_id for answer in here.skeletons} == {"camera"}
    assert {a.people[0].root_source for a in here.skeletons} == {Skeleton3D.ROOT_ASSUMED}
    log = capfd.readouterr().err
    assert log.count("TF has no 'camera' in 'map'") == 1
    assert here.lifter.drops.counts["tf"] == 40


def test_stamps_before_1970_and_frames_of_any_name_are_answered_without_tf(
    robot: Callable[..., Robot],
) -> None:
    here = robot(target_frame="map", floor_frame="map", tf_timeout=0.1)
    here.start()
    for number, (start, frame_id) in enumerate([(-SECOND, "camera"), (BASE, "\x1b[2J/" * 1000)]):
        here.show(0, start=start, frame_id=frame_id)
        here.spin_until(lambda number=number: len(here.skeletons) > number)
        assert here.skeletons[-1].people and here.skeletons[-1].header.frame_id == frame_id
    assert here.lifter.drops.counts["tf"] and not here.lifter.drops.counts["internal"]


def depth_image(row: int, encoding: str) -> Image:
    """Return what a depth camera sees of who walks: half the resolution, holes, a wall behind."""
    world: np.ndarray = MovingPeople.shipped(1).joints(row / FPS)[0]
    in_camera = VIEW.to_camera(world)
    metres = np.full((360, 640), 7.0, np.float32)
    trunk = VIEW.project(in_camera[[0, 1, 4, 8, 11, 14]]) / 2
    (left, top), (right, bottom) = trunk.min(0) - 4, trunk.max(0) + 4
    metres[int(top) : int(bottom), int(left) : int(right)] = in_camera[0, 2] - 0.1
    metres[::5, ::4] = 0
    pixels = metres if encoding == "32FC1" else np.rint(metres * 1000).astype(np.uint16)
    return image_of(pixels, encoding, row)


def image_of(pixels: np.ndarray, encoding: str, row: int) -> Image:
    """Return the message of a depth image."""
    return Image(
        header=Header(stamp=time_message(BASE + round(row / FPS * 1e9)), frame_id="camera"),
        height=len(pixels), width=pixels.shape[1], encoding=encoding, step=pixels.strides[0],
        data=array("B", pixels.tobytes()),
    )  # fmt: skip


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Image]:
    """The depth images that lifters have taken in, who listen however slow the machine is."""
    images: list[Image] = []
    take = depth_images.DepthImages._on_image

    def keep(self: depth_images.DepthImages, message: Image) -> None:
        take(self, message)
        images.append(message)

    monkeypatch.setattr(depth_images.DepthImages, "_on_image", keep)
    monkeypatch.setattr(depth_images, "_IDLE", 600.0)
    return images


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_a_depth_image_places_people_and_a_late_one_does_not(
    robot: Callable[..., Robot], taken: list[Image], encoding: str
) -> None:
    here = robot(depth_topic="depth")
    depth = here.create_publisher(Image, "depth", 10)
    here.start_with_depth(depth)
    truth = []
    for row in range(50):
        depth.publish(depth_image(row, encoding))
        here.spin_until(lambda row=row: len(taken) > row)
        truth.append(VIEW.to_camera(here.show(row)))
        here.spin_until(lambda row=row: len(here.skeletons) > row)
    assert here.skeletons[-1].people[0].root_source == Skeleton3D.ROOT_DEPTH
    off = [root_of(a.people[0]) - t[0] for a, t in zip(here.skeletons, truth, strict=True)]
    assert np.median(np.linalg.norm(off[25:], axis=-1)) < 0.15
    here.show(60)
    here.spin_until(lambda: len(here.skeletons) == 51)
    assert here.lifter.drops.counts["depth"] >= 1
    cut = {"encoding": "rgb8", "height": 0, "width": 0, "step": 1, "data": []}
    for told, (field, value) in enumerate(cut.items(), 1):
        wrong = depth_image(61, encoding)
        setattr(wrong, field, value)
        depth.publish(wrong)
        here.spin_until(lambda told=told: here.lifter.drops.counts["depth_image"] == told)
    assert not here.lifter.drops.counts["internal"]


def test_of_large_depth_images_only_the_newest_are_kept(
    robot: Callable[..., Robot], taken: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(depth_images, "_MOST_BYTES", 3 * 360 * 640 * 2)
    here = robot(depth_topic="depth")
    depth = here.create_publisher(Image, "depth", 10)
    here.start_with_depth(depth)
    for row in range(6):
        depth.publish(depth_image(row, "16UC1"))
        here.spin_until(lambda row=row: len(taken) > row)
    kept = here.lifter._cameras[0]._surroundings._depth._images
    assert [stamp for stamp, _ in kept] == [stamp_ns(image.header.stamp) for image in taken[3:]]


def test_an_imu_tells_the_network_where_up_is_and_not_how_high_the_camera_is(
    robot: Callable[..., Robot], monkeypatch: pytest.MonkeyPatch
) -> None:
    poses = []
    push = StreamLifter.push

    def watch(self: StreamLifter, frame: KeypointFrame) -> list[SkeletonFrame]:
        poses.append(frame.pose)
        return push(self, frame)

    monkeypatch.setattr(StreamLifter, "push", watch)
    here = robot(imu_topic="imu")
    imu = here.create_publisher(Imu, "imu", 100)
    turn = CameraPose(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.zeros(3))
    publish_static_frame(here, "imu_link", "camera", turn)
    here.start()
    here.spin_until(lambda: imu.get_subscription_count() == 1)
    here.spin_until(lambda: knows_transform(here.lifter, "camera", "imu_link"))
    felt = 9.81 * turn.rotation @ VIEW.pose.up
    for row in range(10):
        message = Imu(header=Header(stamp=time_message(BASE + row * 40_000_000)))
        message.header.frame_id = "imu_link"
        acceleration = message.linear_acceleration
        acceleration.x, acceleration.y, acceleration.z = felt.tolist()
        imu.publish(message)
        stamp = stamp_ns(message.header.stamp)
        here.spin_until(lambda stamp=stamp: imu_of(here.lifter)._filter.seconds_to(stamp) == 0.0)
        here.show(row)
        here.spin_until(lambda row=row: len(here.skeletons) > row)
    assert poses[-1] is not None and not poses[-1].knows_floor
    np.testing.assert_allclose(poses[-1].up, VIEW.pose.up, atol=1e-6)


def test_feet_are_held_and_hands_measured_where_that_is_asked_for(
    robot: Callable[..., Robot], taken: list[Image]
) -> None:
    here = robot(
        floor_frame="map", depth_topic="depth", hold_feet=True, joint_depths=True, tf_timeout=1.0
    )
    depth = here.create_publisher(Image, "depth", 10)
    publish_static_frame(here, "map", "camera", VIEW.pose)
    here.start_with_depth(depth)
    half = View(640, 360, 500.0, VIEW.position, VIEW.target)
    look, room, true = Look.draw(np.random.default_rng(1)), room_depths(half), []
    for row in range(70):
        body = MovingPeople.shipped(1).joints(row / FPS)[0]
        metres = draw_depth(half, body_parts(body, look), room)
        depth.publish(image_of(np.rint(metres * 1000).astype(np.uint16), "16UC1", row))
        here.spin_until(lambda row=row: len(taken) > row)
        true.append(here.show(row))
        here.spin_until(lambda row=row: len(here.skeletons) > row)
    people = [answer.people[0] for answer in here.skeletons]
    level = VIEW.pose.to_level(np.stack([joints_of(p) + root_of(p) for p in people]))
    wrists = np.linalg.norm(level - np.stack(true), axis=-1)[20:, WRISTS].mean()
    feet, moved = (np.diff(p[:, list(ANKLES), :2], axis=0)[20:] for p in (level, np.stack(true)))
    still = np.linalg.norm(moved, axis=-1) * FPS < 0.15
    slides = np.linalg.norm(feet, axis=-1)[still].mean() * FPS
    print(f"measured: wrists {wrists * 1e3:.0f} mm off, standing feet slide by {slides:.2f} m/s")
    assert wrists < 0.05
    assert slides < 0.15
