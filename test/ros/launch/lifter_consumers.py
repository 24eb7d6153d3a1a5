"""What reads people on a robot reads ours: `ros2 launch pstmo_ros collision_monitor.launch.py`.

A launch_testing test: `launch_test test/ros/launch/lifter_consumers.py`, or by pytest through
test_launch_lifter.py. Nav2 and libhri are not among the wheels; in their place stand readers that
keep to their rules: nav2_collision_monitor's point cloud source with the parameters of
config/collision_monitor.yaml, and REP-155's ids, topics, frames and axes with the real hri_msgs.
The robot drives; people walk; in the end they leave.
"""

from __future__ import annotations

import re
import sys
import time
import unittest
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import launch_testing
import numpy as np
import rclpy
import tf2_ros
import yaml
from ament_index_python.packages import get_package_share_directory
from geometry_msgs.msg import PointStamped, TransformStamped, TwistStamped
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import assertExitCodes
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, JointState, PointCloud2, PointField
from std_msgs.msg import Header, String
from tf2_msgs.msg import TFMessage

from pstmo_core.camera import Camera
from pstmo_core.robot.body_frames import LINKS, body_axes
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.quaternions import matrix_from_quaternion
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_ros.conversions import camera_info_message, floats, stamp_ns, time_message
from pstmo_ros.frames.static_frame import transform_message
from pstmo_ros.msg import People2D, Person2D, Skeletons3D

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))
from node_world import World

SHARE = Path(get_package_share_directory("pstmo_ros"))
FPS, FRAMES = 25.0, 100
PEOPLE = ("w1", "w2")
SIZE, FOCAL = (1280, 720), 1000.0
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
MONITOR = yaml.safe_load((SHARE / "config" / "collision_monitor.yaml").read_text())["/**"][
    "collision_monitor"
]["ros__parameters"]


def generate_test_description() -> LaunchDescription:
    arguments = {
        "qos_reliability": "reliable", "publish_hri": "true", "publish_tf": "links",
        "monitor": "false", "expire": "2.0", "tf_timeout": "5.0",
    }  # fmt: skip
    source = PythonLaunchDescriptionSource(str(SHARE / "launch" / "collision_monitor.launch.py"))
    started = IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))
    return LaunchDescription([started, ReadyToTest()])


class CollisionMonitor:
    """Reads a cloud as nav2_collision_monitor's PointCloud source does (src/pointcloud.cpp)."""

    def __init__(self, buffer: tf2_ros.Buffer) -> None:
        self._buffer = buffer
        self._own = MONITOR["people"]

    def read(self, cloud: PointCloud2) -> np.ndarray:
        """Return the points (N, 2) that collide in the base frame, those of a usable height."""
        fields = {field.name: field for field in cloud.fields}
        for name in "xyz":  # PointCloud2ConstIterator<float>
            assert fields[name].datatype == PointField.FLOAT32 and fields[name].count == 1
        raw = np.frombuffer(bytes(cloud.data), np.uint8).reshape(-1, cloud.point_step)
        assert len(raw) == cloud.width * cloud.height
        order = ">" if cloud.is_bigendian else "<"
        points = np.stack(
            [raw[:, fields[n].offset :][:, :4].copy().view(f"{order}f4")[:, 0] for n in "xyz"], -1
        ).reshape(-1, 3)
        assert np.isfinite(points).all()
        # With base_shift_correction, from the cloud's frame at its stamp; the robot's pose at that
        # stamp stands for the present one here, so that the figures do not depend on the machine.
        stamp = Time(nanoseconds=stamp_ns(cloud.header.stamp))
        frame = MONITOR["base_frame_id"]
        found = self._buffer.lookup_transform(frame, cloud.header.frame_id, stamp).transform
        q, move = found.rotation, found.translation
        turn = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w]))
        in_base = points @ turn.T + np.array([move.x, move.y, move.z])
        low, high = self._own["min_height"], self._own["max_height"]
        # Most monitors look at heights in the base frame, some in the cloud's: in a level frame on
        # the floor both see the same.
        keep = (points[:, 2] >= low) & (points[:, 2] <= high)
        np.testing.assert_array_equal(keep, (in_base[:, 2] >= low) & (in_base[:, 2] <= high))
        return in_base[keep, :2]


class Robot(World):
    """Drives by people, tells TF, and hears what a robot's software would hear."""

    def __init__(self) -> None:
        super().__init__("robot")
        self.keypoints = self.create_publisher(People2D, "keypoints", 10)
        self.info = self.create_publisher(CameraInfo, "camera_info", 10)
        self._tf = self.create_publisher(TFMessage, "/tf", 10)
        self.buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self.buffer, self)
        self._said = self.listen_to_logs()
        self._moving = MovingPeople.shipped(len(PEOPLE))

    def look(self, row: int, stamp: int) -> np.ndarray:
        """Tell TF and keypoints of a moment; return true joints (P, 17, 3) in odom."""
        world = self._moving.joints(row / FPS)
        place = np.array([-0.5 + 0.01 * row, -3.5, 0.0])
        view = View(*SIZE, FOCAL, (place[0], place[1], 1.2), (0.0, 0.5, 0.6))
        base = CameraPose(np.eye(3), place)
        mount = CameraPose(view.pose.rotation, view.pose.position - place)
        self._tf.publish(
            TFMessage(
                transforms=[
                    _frame("odom", "base_footprint", base, stamp),
                    _frame("base_footprint", "camera_optical", mount, stamp),
                ]
            )
        )
        header = Header(stamp=time_message(stamp), frame_id="camera_optical")
        camera = Camera(*SIZE, (FOCAL, FOCAL), (SIZE[0] / 2, SIZE[1] / 2))
        info = camera_info_message(camera)
        info.header = header
        self.info.publish(info)
        if not row:
            self.spin_until(lambda: any("people get root positions" in line for line in self._said))
        points = view.project(view.to_camera(world))
        people = [Person2D(id=n, points=floats(points[at].ravel())) for at, n in enumerate(PEOPLE)]
        if row >= FRAMES:
            people = []
        self.keypoints.publish(
            People2D(header=header, layout="h36m17", width=SIZE[0], height=SIZE[1], people=people)
        )
        return world


def _frame(parent: str, child: str, pose: CameraPose, stamp: int) -> TransformStamped:
    header = Header(stamp=time_message(stamp), frame_id=parent)
    transform = transform_message(pose)
    return TransformStamped(header=header, child_frame_id=child, transform=transform)


class TestWhileItRuns(unittest.TestCase):
    def setUp(self) -> None:
        rclpy.init(args=[])
        self.robot = Robot()
        self.hri = __import__("hri_msgs.msg", fromlist=["msg"])

    def tearDown(self) -> None:
        self.robot.close()
        rclpy.shutdown()

    def drive(self, on_cloud: Callable[[int, PointCloud2], None]) -> list[np.ndarray]:
        """Drive by people; every frame waits for its answer. Return the true joints in odom."""
        robot = self.robot
        clouds = robot.heard["points"]
        start, truth = time.time_ns(), []
        for row in range(FRAMES):
            truth.append(robot.look(row, start + round(row / FPS * 1e9)))
            robot.spin_until(lambda row=row: len(clouds) > row, seconds=60)
            self.wait_for_tf(clouds[row].header)
            on_cloud(row, clouds[row])
        robot.spin_for(0.3)
        return truth

    def wait_for_tf(self, header: Header) -> None:
        """Hear what was said on TF before a cloud."""
        base, when = MONITOR["base_frame_id"], Time(nanoseconds=stamp_ns(header.stamp))
        buffer = self.robot.buffer
        self.robot.spin_until(lambda: buffer.can_transform(base, header.frame_id, when))

    def test_a_collision_monitor_and_libhri_read_people_where_they_are(self) -> None:
        robot, m = self.robot, self.hri
        robot.listen(Skeletons3D, "skeletons")
        robot.listen(PointCloud2, MONITOR["people"]["topic"], qos_profile_sensor_data)
        tracked = robot.listen(m.IdsList, "/humans/bodies/tracked")
        bodies = {name: self.listen_to(name) for name in PEOPLE}
        robot.spin_until(lambda: robot.keypoints.get_subscription_count() == 1, seconds=120)
        robot.spin_until(lambda: robot.info.get_subscription_count() == 1)
        robot.spin_until(lambda: robot.count_publishers("points") == 1)
        monitor = CollisionMonitor(robot.buffer)
        seen: list[tuple[int, np.ndarray]] = []
        truth = self.drive(lambda row, cloud: seen.append((row, monitor.read(cloud))))
        self.check_collisions(seen, truth)
        self.assertEqual(set(tracked[-1].ids), set(PEOPLE))
        for at, name in enumerate(PEOPLE):
            self.check_body(name, bodies[name], [world[at] for world in truth])

        clouds, row = robot.heard["points"], FRAMES
        deadline = time.monotonic() + 20
        while clouds[-1].width or tracked[-1].ids:  # they have left
            self.assertLess(time.monotonic(), deadline)
            robot.look(row, stamp_ns(clouds[-1].header.stamp) + 40_000_000)
            row += 1
            robot.spin_for(0.1)
        self.wait_for_tf(clouds[-1].header)
        self.assertEqual(len(monitor.read(clouds[-1])), 0)

    def check_collisions(self, seen: list[tuple[int, np.ndarray]], truth: list[np.ndarray]) -> None:
        """The monitor sees people where they are, and nothing where nobody is."""
        nearest, astray = [], []
        for row, points in seen[30:]:
            base = np.array([-0.5 + 0.01 * row, -3.5])
            true = truth[row][..., :2].reshape(-1, 2) - base
            nearest.append(
                np.linalg.norm(points, axis=-1).min() - np.linalg.norm(true, axis=-1).min()
            )
            apart = np.linalg.norm(points[:, None] - true[None], axis=-1).min(-1)
            astray.append(apart.max())
            person = true[:17].mean(0)  # a stop zone round somebody is triggered
            inside = np.linalg.norm(points - person, axis=-1) < MONITOR["person_stop"]["radius"]
            self.assertGreaterEqual(inside.sum(), MONITOR["person_stop"]["min_points"])
        print(
            f"measured: the nearest point is {np.median(nearest):+.2f} m off the nearest joint "
            f"({np.min(nearest):+.2f} to {np.max(nearest):+.2f}), and no point farther than "
            f"{np.max(astray):.2f} m from all joints"
        )
        self.assertLess(np.max(np.abs(nearest)), 0.3)
        self.assertLess(np.max(astray), 0.6)

    def listen_to(self, name: str) -> dict[str, list[Any]]:
        """Listen to the topics of a body, as libhri does."""
        kinds = {
            "roi": self.hri.NormalizedRegionOfInterest2D, "skeleton2d": self.hri.Skeleton2D,
            "joint_states": JointState, "position": PointStamped, "velocity": TwistStamped,
        }  # fmt: skip
        of = f"/humans/bodies/{name}"
        heard = {t: self.robot.listen(kind, f"{of}/{t}") for t, kind in kinds.items()}
        return heard | {"urdf": self.robot.listen(String, f"{of}/urdf", LATCHED)}

    def check_body(self, name: str, heard: dict[str, list[Any]], truth: list[np.ndarray]) -> None:
        """REP-155: an id that topics may have, a frame with its axes, and topics that agree."""
        self.assertRegex(name, re.compile("^[A-Za-z][A-Za-z0-9_]*$"))
        for topic, messages in heard.items():
            self.assertTrue(messages, f"nothing on {topic} of {name}")
        stamp = heard["position"][-1].header.stamp
        when = Time(nanoseconds=stamp_ns(stamp))
        self.assertEqual(heard["position"][-1].header.frame_id, "odom")
        found = self.robot.buffer.lookup_transform("odom", f"body_{name}", when).transform
        q, at = found.rotation, found.translation
        axes = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w]))
        true = body_axes(truth[-1][None])[0]
        self.assertGreater(axes[2, 2], 0.9)  # z to the head
        self.assertGreater(axes[:, 0] @ true[:, 0], 0.9)  # x forward
        self.assertGreater(axes[:, 1] @ true[:, 1], 0.9)  # y to the left
        point = heard["position"][-1].point
        np.testing.assert_allclose([point.x, point.y, point.z], [at.x, at.y, at.z], atol=1e-6)
        off = np.linalg.norm([at.x - truth[-1][0, 0], at.y - truth[-1][0, 1]])
        self.assertLess(off, 0.25)
        roi, skeleton = heard["roi"][-1], heard["skeleton2d"][-1]
        self.assertTrue(0 <= roi.xmin < roi.xmax <= 1 and 0 <= roi.ymin < roi.ymax <= 1)
        self.assertEqual(roi.header.stamp, stamp)
        self.assertTrue(all(0 <= p.c <= 1 for p in skeleton.skeleton))
        robot = ElementTree.fromstring(heard["urdf"][-1].data)
        moving = {j.get("name") for j in robot.iter("joint") if j.get("type") == "revolute"}
        self.assertEqual(set(heard["joint_states"][-1].name), moving)
        links = {link.get("name") for link in robot.iter("link")}
        self.assertTrue(all(link.endswith(f"_{name}") for link in links))
        # Those between the parts of a joint are robot_state_publisher's, from angles and URDF.
        for link in (f"{part}_{name}" for part in LINKS):
            self.assertIn(link, links)
            self.assertTrue(self.robot.buffer.can_transform("odom", link, when), link)


@launch_testing.post_shutdown_test()
class TestAfterwards(unittest.TestCase):
    def test_the_node_ended_cleanly(self, proc_info: launch_testing.ProcInfoHandler) -> None:
        assertExitCodes(proc_info)
