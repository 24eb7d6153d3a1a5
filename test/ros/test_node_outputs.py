"""What other software hears of people over DDS, checked by that software's own rules."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("tf2_ros", reason="needs tf2")

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PointStamped, PoseArray, TwistStamped
from node_world import overrides, worlds
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from rclpy.validate_full_topic_name import validate_full_topic_name
from sensor_msgs.msg import CameraInfo, JointState, PointCloud2
from std_msgs.msg import String
from visualization_msgs.msg import MarkerArray
from walkers_room import FPS, ID, VIEW, Room

from pstmo_core.errors import PstmoError
from pstmo_core.lift.calibration import pinhole
from pstmo_core.robot.body_frames import body_axes
from pstmo_core.room.quaternions import matrix_from_quaternion
from pstmo_ros.conversions import camera_info_message, stamp_ns
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.optional_messages import messages_of
from pstmo_ros.outputs.bodies import safe_name

TRACKED = "/humans/bodies/tracked"
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)

world = worlds(Room)


def test_frames_poses_points_and_velocities_are_where_people_are(
    world: Callable[..., Room],
) -> None:
    here = world(publish_tf="bodies", publish_poses=True, publish_points=True)
    poses, clouds = here.listen(PoseArray, "poses"), here.listen(PointCloud2, "points")
    here.start()
    truth = here.walk(60)
    last = truth[-1]

    stamp = Time(nanoseconds=stamp_ns(here.heard["skeletons"][-1].header.stamp))
    found = here.buffer.lookup_transform("map", f"body_{ID}", stamp).transform
    place = np.array([found.translation.x, found.translation.y, found.translation.z])
    assert np.linalg.norm(place - last[0]) < 0.2
    q = found.rotation
    axes = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w]))
    off = np.degrees(np.arccos(np.clip((axes * body_axes(last[None])[0]).sum(0), -1, 1)))
    print(f"measured: axes of the body {off.round(1)} degrees off")
    assert off[0] < 20 and off[2] < 20
    assert axes[2, 2] > 0.9  # the head is up

    assert poses[-1].header.frame_id == "map" and len(poses[-1].poses) == 1
    position = poses[-1].poses[0].position
    np.testing.assert_allclose([position.x, position.y, position.z], place, atol=1e-6)

    velocity = here.heard["skeletons"][-1].people[0].velocity
    true_velocity = (truth[-1][0] - truth[-6][0]) * FPS / 5
    assert abs(velocity.x - true_velocity[0]) < 0.3

    # As nav2_collision_monitor's point cloud source reads it: float32 x, y, z, and heights.
    cloud = clouds[-1]
    assert [(f.name, f.datatype) for f in cloud.fields] == [(n, 7) for n in "xyz"]
    assert cloud.height == 1 and cloud.is_dense and not cloud.is_bigendian
    assert len(cloud.data) == cloud.row_step == cloud.width * cloud.point_step
    points = np.frombuffer(bytes(cloud.data), np.float32).reshape(-1, 3)
    assert points[:, 2].min() > -0.2 and points[:, 2].max() < 1.8
    assert np.linalg.norm(points[:, :2] - last[0, :2], axis=-1).max() < 1.2


def test_only_an_image_that_shows_nobody_lets_robots_believe_that_nobody_is_there(
    world: Callable[..., Room],
) -> None:
    """By an empty cloud a collision monitor lets the robot drive; by none it stops it."""
    here = world(
        publish_points=True, publish_joints=True, publish_poses=True, publish_tf="links",
        publish_hri=True,
    )  # fmt: skip
    tracked = here.listen(messages_of("hri_msgs", "a test").IdsList, TRACKED, LATCHED)
    told: dict[str, tuple[list[Any], Callable[[Any], int]]] = {
        "poses": (here.listen(PoseArray, "poses"), lambda message: len(message.poses)),
        "points": (here.listen(PointCloud2, "points"), lambda message: message.width),
        "joints": (here.listen(PointCloud2, "joints"), lambda message: message.width),
    }
    here.start()
    here.walk(10)
    here.spin_until(lambda: not here.heard["skeletons"][-1].people and not tracked[-1].ids)
    here.spin_for(0.2)
    for heard, count in told.values():
        assert len(heard) == 10 and all(map(count, heard))
    for row in range(20, 40):  # the last images with people are bridged
        here.show_nobody(row)
    here.spin_until(lambda: all(count(heard[-1]) == 0 for heard, count in told.values()))


def test_who_is_forgotten_is_no_longer_tracked(world: Callable[..., Room]) -> None:
    here = world(publish_tf="links", publish_hri=True, expire=60.0)
    tracked = here.listen(messages_of("hri_msgs", "a test").IdsList, TRACKED, LATCHED)
    here.start()
    here.walk(10)
    assert tracked[-1].ids == [ID]
    here.lifter.set_parameters([Parameter("flip", value=False)])  # it restarts the stream
    here.spin_until(lambda: not tracked[-1].ids, 5.0)


def test_who_cannot_be_placed_is_drawn_before_the_camera_in_whichever_frame(
    world: Callable[..., Room],
) -> None:
    here = world(focal=0.0)
    arrays = here.listen(MarkerArray, "skeleton_markers")
    here.start()
    here.spin_until(lambda: here.count_publishers("skeleton_markers") == 1)
    first = 0
    while not arrays:  # the publisher has to find who listens first
        assert first < 100
        here.walk(5, first=first)
        first += 5
    spheres = arrays[-1].markers[0]
    assert spheres.header.frame_id == "map"
    pelvis = spheres.points[0]
    ahead = VIEW.pose.to_level(np.array([0.0, 0.0, 3.0]))
    np.testing.assert_allclose([pelvis.x, pelvis.y, pelvis.z], ahead, atol=1e-6)


def test_somebody_who_cannot_be_placed_is_not_nobody(world: Callable[..., Room]) -> None:
    # No calibration: no root positions.
    here = world(publish_points=True, publish_poses=True, focal=0.0)
    poses, clouds = here.listen(PoseArray, "poses"), here.listen(PointCloud2, "points")
    here.start()
    here.show_nobody(0)
    here.spin_until(lambda: len(clouds) == len(poses) == 1)
    here.walk(10, first=1)
    assert all(message.people for message in here.heard["skeletons"][1:])
    assert len(clouds) == len(poses) == 1


def test_a_calibration_that_never_comes_is_said_where_something_needs_it(
    world: Callable[..., Room],
) -> None:
    here = world(focal=0.0, publish_poses=True, expire=60.0)
    said, told = here.listen_to_logs(), here.listen(DiagnosticArray, "/diagnostics")
    here.start()
    here.walk(5)
    words = "nobody publishes a calibration on /camera_info"
    here.spin_until(lambda: any(words in s.message for m in told for s in m.status))
    assert sum(words in line for line in said) == 1
    infos = here.create_publisher(CameraInfo, "camera_info", 1)
    here.spin_until(lambda: infos.get_subscription_count() == 1)
    infos.publish(camera_info_message(pinhole(VIEW.focal, VIEW.width, VIEW.height)))
    here.spin_until(lambda: not any("calibration" in s.message for s in told[-1].status))


def test_a_cloud_is_not_told_in_another_frame_than_was_asked_for(
    world: Callable[..., Room],
) -> None:
    """Its heights would deceive a collision monitor, which stops when the cloud is missing."""
    here = world(target_frame="nowhere", publish_points=True, publish_poses=True)
    poses, clouds = here.listen(PoseArray, "poses"), here.listen(PointCloud2, "points")
    here.start()
    here.walk(10)
    assert here.heard["skeletons"][-1].header.frame_id == "camera"
    assert len(poses) == 10 and not clouds
    here.show_nobody(100)
    here.spin_until(lambda: bool(clouds))  # nobody is nowhere, in every frame
    assert clouds[0].width == 0 and clouds[0].header.frame_id == "nowhere"


def test_libhri_finds_bodies_by_rep_155(world: Callable[..., Room]) -> None:
    m = pytest.importorskip("hri_msgs.msg", reason="needs hri_msgs")
    here = world(publish_tf="links", publish_hri=True)
    bodies = f"/humans/bodies/{ID}"
    tracked = here.listen(m.IdsList, TRACKED)
    rois = here.listen(m.NormalizedRegionOfInterest2D, f"{bodies}/roi")
    skeletons = here.listen(m.Skeleton2D, f"{bodies}/skeleton2d")
    states = here.listen(JointState, f"{bodies}/joint_states")
    positions = here.listen(PointStamped, f"{bodies}/position")
    velocities = here.listen(TwistStamped, f"{bodies}/velocity")
    descriptions = here.listen(String, f"{bodies}/urdf", LATCHED)
    here.start()
    here.walk(40)
    here.spin_until(lambda: bool(descriptions and velocities and states and rois))

    assert tracked[-1].ids == [ID]
    assert re.fullmatch("[A-Za-z][A-Za-z0-9_]*", ID)
    roi, skeleton = rois[-1], skeletons[-1]
    assert 0 <= roi.xmin < roi.xmax <= 1 and 0 <= roi.ymin < roi.ymax <= 1
    ankle, nose = skeleton.skeleton[m.Skeleton2D.LEFT_ANKLE], skeleton.skeleton[0]
    assert ankle.c > 0 and nose.c > 0 and ankle.y > nose.y
    assert skeleton.skeleton[m.Skeleton2D.LEFT_EYE].c == 0
    assert stamp_ns(roi.header.stamp) == stamp_ns(here.heard["skeletons"][-1].header.stamp)

    robot = ElementTree.fromstring(descriptions[-1].data)
    joints = {j.get("name"): j for j in robot.iter("joint")}
    links = {link.get("name") for link in robot.iter("link")}
    moving = {name for name, j in joints.items() if j.get("type") == "revolute"}
    assert set(states[-1].name) == moving
    for joint in joints.values():
        assert joint.find("parent").get("link") in links
        assert joint.find("child").get("link") in links
    children = [j.find("child").get("link") for j in joints.values()]
    assert sorted([*children, f"body_{ID}"]) == sorted(links)  # one tree, body_ID its root

    stamp = Time(nanoseconds=stamp_ns(states[-1].header.stamp))
    for link in ("body", "torso", "head", "l_wrist", "r_ankle"):
        assert here.buffer.can_transform("map", f"{link}_{ID}", stamp)
    feet = here.buffer.lookup_transform(f"body_{ID}", f"l_ankle_{ID}", stamp).transform
    assert feet.translation.z < -0.5  # below the pelvis, in the body's own frame
    assert positions[-1].header.frame_id == "map"

    here.spin_until(lambda: not tracked[-1].ids)
    here.spin_until(lambda: here.count_publishers(f"{bodies}/roi") == 0)


def test_people_of_two_lifters_have_different_frames_and_topics(
    world: Callable[..., Room],
) -> None:
    """TF and /humans are one for the whole robot; an id is only one lifter's."""
    m = pytest.importorskip("hri_msgs.msg", reason="needs hri_msgs")
    here = world(namespace="/left", publish_tf="bodies", publish_hri=True)
    tracked = here.listen(m.IdsList, TRACKED)
    here.start()
    here.walk(10)
    assert here.heard["skeletons"][-1].people[0].id == ID
    here.spin_until(lambda: bool(tracked and tracked[-1].ids))
    assert tracked[-1].ids == [f"left_{ID}"]
    stamp = Time(nanoseconds=stamp_ns(here.heard["skeletons"][-1].header.stamp))
    here.spin_until(lambda: here.buffer.can_transform("map", f"body_left_{ID}", stamp))
    assert not here.buffer.can_transform("map", f"body_{ID}", stamp)
    rois = here.listen(m.NormalizedRegionOfInterest2D, f"/humans/bodies/left_{ID}/roi")
    here.spin_until(lambda: here.count_publishers(f"/humans/bodies/left_{ID}/roi") == 1)
    first = 10
    while not rois:  # the publisher has to find who listens first
        assert first < 500
        here.walk(1, first=first)
        first += 1


def test_people_of_two_lifters_in_one_namespace_have_different_frames(
    world: Callable[..., Room],
) -> None:
    """By the lifters' names; ROS wants nodes of one namespace to have different ones."""
    here = world(publish_tf="bodies")
    here.start()
    given = {"skeletons_topic": "left", "focal": 1000.0, "publish_tf": "bodies", "expire": 0.4}
    other = LifterNode(
        cli_args=["--ros-args", "-r", "__node:=lifter_left"], parameter_overrides=overrides(given)
    )
    here.take_in(other)
    assert other.start()
    here.spin_until(lambda: here.keypoints.get_subscription_count() == 2)
    here.walk(10)
    assert here.heard["skeletons"][-1].people[0].id == ID
    for frame in (f"body_{ID}", f"body_lifter_left_{ID}"):
        here.spin_until(lambda frame=frame: here.buffer.can_transform("map", frame, Time()))


def test_the_tracked_bodies_are_those_of_all_lifters(world: Callable[..., Room]) -> None:
    """A list without another lifter's people would end them for libhri, frame by frame."""
    m = pytest.importorskip("hri_msgs.msg", reason="needs hri_msgs")
    left, right = (
        world(namespace=f"/{side}", publish_tf="bodies", publish_hri=True, expire=2.0)
        for side in ("left", "right")
    )
    tracked = left.listen(m.IdsList, TRACKED)
    left.start()
    right.start()
    both = {f"left_{ID}", f"right_{ID}"}
    for row in range(10):
        left.walk(1, first=row)
        right.walk(1, first=row)
    assert all(set(message.ids) == both for message in tracked[-4:])
    left.spin_until(lambda: not left.heard["skeletons"][-1].people)  # its camera has ended
    left.spin_until(lambda: tracked[-1].ids == [f"right_{ID}"])
    right.walk(1, first=10)
    left.spin_for(0.2)
    assert tracked[-1].ids == [f"right_{ID}"]


def test_a_missing_message_package_is_named_with_the_package_that_brings_it() -> None:
    with pytest.raises(PstmoError, match=r"apt install ros-\$ROS_DISTRO-no-such-msgs"):
        messages_of("no_such_msgs", "publish_people")


def test_hri_without_frames_is_refused_with_a_sentence(
    world: Callable[..., Room], capfd: pytest.CaptureFixture[str]
) -> None:
    here = world(publish_hri=True)
    assert not here.lifter.start()
    assert "set publish_tf to links" in capfd.readouterr().err


def test_ids_become_names_that_topics_may_have_and_stay_apart() -> None:
    ids = ["p1", "7", "a-b", "a_b", "a b", "é", "x_1", "Anna", "_", "a_2d_b", "x_a_2d_b"]
    names = [safe_name(name) for name in ids]
    assert len(set(names)) == len(ids)
    assert all(re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) for name in names)
    assert names[0] == "p1" and names[7] == "Anna"


def test_long_ids_stay_apart_and_fit_into_the_names_of_topics() -> None:
    ids = ["-" * 127 + "a", "-" * 127 + "b", "\u4eba" * 128, "\u4eba" * 127]
    names = [safe_name(name) for name in ids]
    assert len(set(names)) == len(ids)
    for name in names:
        validate_full_topic_name(f"/humans/bodies/a_namespace_{name}/joint_states")
        assert len(f"rt/humans/bodies/a_namespace_{name}/joint_states") <= 255
