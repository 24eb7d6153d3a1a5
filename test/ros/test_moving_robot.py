"""TF of a robot that drives, of time that starts again, and of frames that do not come."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("tf2_ros", reason="needs tf2")

import tf2_ros
from geometry_msgs.msg import TransformStamped
from lifter_knows import knows_transform
from lifter_world import LifterWorld
from node_world import World, worlds
from std_msgs.msg import Header

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_ros.conversions import floats, time_message
from pstmo_ros.frames.parameters import FrameParameters
from pstmo_ros.frames.static_frame import publish_static_frame, transform_message
from pstmo_ros.frames.steady_frame import find_steady_frame
from pstmo_ros.frames.transforms import Transforms
from pstmo_ros.msg import People2D, Person2D, Skeleton3D

FPS, SPEED = 25.0, 1.0
BASE, SECOND = 1_700_000_000_000_000_000, 1_000_000_000
FOCAL = 800.0


class Robot(LifterWorld):
    """Drives by people at a metre a second; its camera is fixed to its base."""

    def __init__(self, **parameters: Any) -> None:
        given = {"focal": FOCAL, "tf_timeout": 2.0, "floor_frame": "base_footprint", "expire": 5.0}
        super().__init__("robot", **(given | parameters))
        self._tf = tf2_ros.TransformBroadcaster(self)
        self._people = MovingPeople.shipped(2)
        self._noise = np.random.default_rng(3)
        mounted = View(1280, 720, FOCAL, (0.0, 0.0, 1.2), (0.0, 4.0, 0.9)).pose
        publish_static_frame(self, "base_footprint", "camera", mounted)

    def start(self) -> None:
        super().start()
        self.spin_until(lambda: self.count_subscribers("/tf") == 1)
        self.spin_until(lambda: knows_transform(self.lifter, "base_footprint", "camera"))

    def step(self, row: int, start: int = BASE) -> float:
        """Tell TF and keypoints of a moment; return by how much of its distance a root is off."""
        stamp = time_message(start + round(row / FPS * 1e9))
        place = np.array([-2.0 + SPEED * row / FPS, -4.2, 0.0])
        drives = TransformStamped(header=Header(stamp=stamp, frame_id="odom"))
        drives.child_frame_id = "base_footprint"
        drives.transform = transform_message(CameraPose(np.eye(3), place))
        self._tf.sendTransform(drives)
        view = View(1280, 720, FOCAL, (place[0], place[1], 1.2), (place[0], place[1] + 4, 0.9))
        world = self._people.joints(row / FPS)[1]
        in_camera = view.to_camera(world)
        points = view.project(in_camera) + self._noise.normal(0, 1.5, (17, 2))
        person = Person2D(id="w", points=floats(points.ravel()))
        header = Header(stamp=stamp, frame_id="camera")
        before = len(self.skeletons)
        self.keypoints.publish(
            People2D(header=header, layout="h36m17", width=1280, height=720, people=[person])
        )
        self.spin_until(lambda: len(self.skeletons) > before)
        answer = self.skeletons[-1]
        true = {"camera": in_camera, "odom": world}[answer.header.frame_id][0]
        root = answer.people[0].root
        off = np.linalg.norm(np.array([root.x, root.y, root.z]) - true)
        return float(off / np.linalg.norm(in_camera[0]))


robot = worlds(Robot)


@pytest.mark.parametrize("target_frame", ["odom", ""])
def test_a_floor_that_drives_with_the_robot_places_people_as_a_fixed_one(
    robot: Callable[..., Robot], target_frame: str
) -> None:
    """In base_footprint a foot that stands moves as fast as the robot; in odom it stands."""
    here = robot(target_frame=target_frame)
    here.start()
    off = [here.step(row) for row in range(100)]
    assert here.skeletons[-1].header.frame_id == (target_frame or "camera")
    told = [answer.people[0].root_source for answer in here.skeletons[40:]]
    assert np.mean(np.array(told) == Skeleton3D.ROOT_FLOOR) > 0.95
    assert np.median(off[40:]) < 0.02  # in base_footprint alone 0.11


def test_tf_that_starts_again_with_the_time_of_a_looped_bag_is_used(
    robot: Callable[..., Robot],
) -> None:
    """tf2 ignores what is more than ten seconds older than the newest it has heard."""
    here = robot(target_frame="odom", tf_timeout=0.5)
    here.start()
    for start in (BASE + 60 * SECOND, BASE):
        for row in range(30):
            here.step(row, start)
        assert here.skeletons[-1].header.frame_id == "odom"
        assert here.skeletons[-1].people[0].root_source == Skeleton3D.ROOT_FLOOR
    assert here.lifter.drops.counts["tf"] < 10


def test_a_frame_that_never_comes_is_not_waited_for_though_another_is_there(ros: None) -> None:
    world = World("tf")
    told: list[str] = []
    own = FrameParameters(floor_frame="base_footprint", target_frame="map")
    transforms = Transforms(world, own, lambda reason, sentence: told.append(sentence))
    try:
        publish_static_frame(world, "base_footprint", "camera", CameraPose.of_tilt(1.2, 5.0))
        world.spin_until(lambda: transforms.camera_pose("camera", BASE) is not None)
        waited = []
        for row in range(20):
            stamp = BASE + row * SECOND
            waited.append(not transforms.ready("camera", stamp))
            assert transforms.camera_pose("camera", stamp) is not None
            transforms.rotation("map", "camera", stamp)
        assert waited == [True] * 5 + [False] * 15
        assert "where up is remains unknown: TF has no 'camera' in 'map'" in told[-1]
        assert "docs/robots.md" in told[-1]
        for row in range(100):  # a source that names another frame in each message
            transforms.rotation(f"camera{row}", "imu", BASE)
        assert set(transforms._patience) <= {"base_footprint", "map"}
    finally:
        transforms.close()
        world.close()


@pytest.mark.parametrize(
    ("floor", "target", "steady"),
    [
        ("base_footprint", "map", "map"),
        ("base_footprint", "r1/odom", "r1/odom"),
        ("base_footprint", "", "r1/odom"),
        ("base_footprint", "base_link", "r1/odom"),
        ("base_link", "base_footprint", "r1/odom"),
        ("map", "base_link", ""),
        ("map", "map", ""),
        ("lost", "map", ""),
    ],
)
def test_the_frame_that_does_not_move_is_above_the_floors(
    floor: str, target: str, steady: str
) -> None:
    buffer = tf2_ros.Buffer()
    links = ("map", "r1/odom", "base_footprint", "base_link", "cam: era")
    for parent, child in itertools.pairwise(links):
        link = TransformStamped(header=Header(frame_id=parent), child_frame_id=child)
        link.transform.rotation.w = 1.0
        buffer.set_transform(link, "test")
    assert find_steady_frame(buffer.all_frames_as_yaml(), floor, target) == steady
