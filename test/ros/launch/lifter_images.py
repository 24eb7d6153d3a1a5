"""`ros2 launch pstmo_ros lifter.launch.py virtual_camera:=true`: images to skeletons, measured.

A launch_testing test: `launch_test test/ros/launch/lifter_images.py`, or by pytest through
test_launch_lifter.py. The camera is faster than the detector, so that images must be dropped.
"""

from __future__ import annotations

import time
import unittest
from collections import Counter, defaultdict

import launch_testing
import numpy as np
import rclpy
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import assertExitCodes
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from scipy.optimize import linear_sum_assignment
from sensor_msgs.msg import CameraInfo

from pstmo_ros.conversions import joints_of, stamp_ns
from pstmo_ros.msg import People2D, Skeleton3D, Skeletons3D

FILE = PathJoinSubstitution([FindPackageShare("pstmo_ros"), "launch", "lifter.launch.py"])
SECONDS = 12.0
"""In which the two people cross once."""
NEAR = 40.0
"""Mean pixels between joints of the same person, at most."""
FOCAL, CENTRE = 560.0, np.array([320.0, 240.0])


def generate_test_description() -> LaunchDescription:
    arguments = {"virtual_camera": "true", "people": "2", "camera_fps": "60.0"}
    source = PythonLaunchDescriptionSource(FILE)
    lifter = IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))
    return LaunchDescription([lifter, ReadyToTest()])


class Audience(Node):
    """Hears what the camera knows and what was made of its images, by stamp."""

    def __init__(self) -> None:
        super().__init__("audience")
        self.truth: dict[int, Skeletons3D] = {}
        self.true_keypoints: dict[int, People2D] = {}
        self.keypoints: dict[int, People2D] = {}
        self.skeletons: dict[int, Skeletons3D] = {}
        self.latency: list[float] = []
        self.calibrations = 0
        for kind, topic, heard in (
            (Skeletons3D, "truth", self.truth),
            (People2D, "truth_keypoints", self.true_keypoints),
            (People2D, "keypoints", self.keypoints),
        ):
            self.create_subscription(kind, topic, self._keep_in(heard), 1000)
        self.create_subscription(Skeletons3D, "skeletons", self._on_skeletons, 1000)
        info = self._on_camera_info
        self.create_subscription(CameraInfo, "camera_info", info, qos_profile_sensor_data)

    def _keep_in(self, heard: dict) -> object:
        def keep(message: object) -> None:
            heard[stamp_ns(message.header.stamp)] = message

        return keep

    def _on_skeletons(self, message: Skeletons3D) -> None:
        stamp = stamp_ns(message.header.stamp)
        self.skeletons[stamp] = message
        self.latency.append((self.get_clock().now().nanoseconds - stamp) / 1e9)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self.calibrations += 1


def points_of(message: People2D) -> np.ndarray:
    """Return the keypoints (P, 17, 2) of a message."""
    return np.array([p.points for p in message.people], np.float32).reshape(-1, 17, 2)


def root_of(skeleton: Skeleton3D) -> np.ndarray:
    """Return where the pelvis stands."""
    return np.array([skeleton.root.x, skeleton.root.y, skeleton.root.z])


def has_root(skeleton: Skeleton3D) -> bool:
    """Return whether the root position of a skeleton is known."""
    return skeleton.root_source != Skeleton3D.ROOT_NONE


def projected(people: list[Skeleton3D]) -> np.ndarray:
    """Return where the camera sees lifted skeletons, (P, 17, 2) pixels."""
    joints = np.array([joints_of(p) + root_of(p) for p in people]).reshape(-1, 17, 3)
    return joints[..., :2] / joints[..., 2:] * FOCAL + CENTRE


def pairs(true: np.ndarray, others: np.ndarray) -> list[tuple[int, int, float]]:
    """Match people by their points (P, 17, 2): true one, other one, mean pixels between them."""
    distance = np.linalg.norm(true[:, None] - others[None], axis=-1).mean(-1)
    return [(a, b, distance[a, b]) for a, b in zip(*linear_sum_assignment(distance), strict=True)]


class TestWhileItRuns(unittest.TestCase):
    def setUp(self) -> None:
        rclpy.init(args=[])
        self.audience = Audience()
        self.spinner = SingleThreadedExecutor()
        self.spinner.add_node(self.audience)

    def tearDown(self) -> None:
        self.audience.destroy_node()
        rclpy.shutdown()

    def listen(self) -> None:
        deadline = time.monotonic() + 60
        while not any(message.people for message in self.audience.skeletons.values()):
            self.assertLess(time.monotonic(), deadline, "no skeletons came")
            self.spinner.spin_once(timeout_sec=0.1)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.spinner.spin_once(timeout_sec=0.05)

    def test_people_before_the_camera_are_found_named_lifted_and_rooted(self) -> None:
        self.listen()
        heard = self.audience
        pixels, poses, offsets, names = [], [], [], defaultdict(Counter)
        seen = found = 0
        # Whoever was lifted before the calibration came has no root position.
        answers = heard.skeletons
        rooted = {stamp for stamp in answers if all(map(has_root, answers[stamp].people))}
        calibrated = [stamp for stamp in answers if stamp >= min(rooted, default=0)]
        self.assertGreater(len(rooted), 0.9 * len(calibrated))
        sources = {person.root_source for stamp in rooted for person in answers[stamp].people}
        self.assertIn(Skeleton3D.ROOT_FLOOR, sources)  # of which the virtual camera tells TF
        for stamp in sorted(rooted & heard.truth.keys() & heard.keypoints.keys()):
            whole = [np.mean(p.scores) > 0.9 for p in heard.true_keypoints[stamp].people]
            seen += sum(whole)
            true_points = points_of(heard.true_keypoints[stamp])
            for person, _, off in pairs(true_points, points_of(heard.keypoints[stamp])):
                if whole[person] and off < NEAR:
                    found += 1
                    pixels.append(off)
            truth, answer = heard.truth[stamp].people, heard.skeletons[stamp].people
            for person, other, off in pairs(true_points, projected(answer)):
                if whole[person] and off < NEAR:
                    true, lifted = truth[person], answer[other]
                    names[person][lifted.id] += 1
                    error = np.linalg.norm(joints_of(lifted) - joints_of(true), axis=-1)
                    poses.append(error.mean())
                    away = np.linalg.norm(root_of(true))
                    offsets.append(np.linalg.norm(root_of(lifted) - root_of(true)) / away)

        latency, late = np.percentile(heard.latency, [50, 99])
        print(
            f"measured: {found / seen:.1%} of {seen} people found, 2D {np.median(pixels):.1f} "
            f"px, MPJPE {np.mean(poses) * 1e3:.0f} mm, root off by {np.median(offsets):.1%} of "
            f"the distance, {len(heard.keypoints)} of {len(heard.truth)} images taken, latency "
            f"{latency * 1e3:.0f} ms, 99 % {late * 1e3:.0f} ms, ids "
            f"{[dict(counter) for counter in names.values()]}"
        )
        self.assertGreater(len(heard.keypoints), 20)
        self.assertGreater(found / seen, 0.9)
        self.assertLess(np.median(pixels), 6.0)
        self.assertLess(np.mean(poses), 0.12)
        # The two are 1.5 m tall; without their height they seem farther away.
        self.assertLess(np.median(offsets), 0.25)
        self.assertTrue(all(name[0].isalpha() for counter in names.values() for name in counter))
        first, second = (counter.most_common(1)[0] for counter in names.values())
        self.assertNotEqual(first[0], second[0])
        for (_, count), counter in ((first, names[0]), (second, names[1])):
            self.assertGreater(count / counter.total(), 0.9)
        # An image that finds the detector busy is dropped, not queued: no answer comes late.
        self.assertLess(late, 2.0)
        self.assertGreater(heard.calibrations, 0)


@launch_testing.post_shutdown_test()
class TestAfterwards(unittest.TestCase):
    def test_the_process_ended_cleanly(self, proc_info: launch_testing.ProcInfoHandler) -> None:
        assertExitCodes(proc_info)
