"""A robot drives by people on a floor: `ros2 launch pstmo_ros lifter.launch.py floor_frame:=odom`.

A launch_testing test: `launch_test test/ros/launch/lifter_robot.py`, or by pytest through
test_launch_lifter.py. The camera is tilted and rolled, drives and turns; keypoints are off by 1 %
of a person's height. TF is silent at first, then tells, then is silent again. Ten short drives
follow, in which TF is as wrong as the parameter tilt_error says: they judge the covariance. Every
frame waits for the answer to the one before, so that the figures do not depend on the machine's
speed.
"""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

import launch_testing
import numpy as np
import rclpy
from geometry_msgs.msg import TransformStamped
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare
from launch_testing.actions import ReadyToTest
from launch_testing.asserts import assertExitCodes
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from pstmo_core.camera import Camera
from pstmo_core.robot.body_frames import body_axes
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.floor import ANKLE_HEIGHT, ANKLES
from pstmo_core.room.quaternions import matrix_from_quaternion
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.root import stature
from pstmo_ros.conversions import camera_info_message, floats, joints_of, time_message
from pstmo_ros.frames.static_frame import transform_message
from pstmo_ros.msg import People2D, Person2D, Skeleton3D, Skeletons3D

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))
from node_world import World
from tilt_errors import CHI_SQUARE, ERRORS, TILT_ERROR, lasting_errors, wrong

FILE = PathJoinSubstitution([FindPackageShare("pstmo_ros"), "launch", "lifter.launch.py"])
FPS = 25.0
BASE = 1_700_000_000_000_000_000
PEOPLE = ("w1", "w2", "s1", "s2")
#: Everybody is as tall as adults are on average, for whom a size may be assumed.
STATURE = 1.67
#: Frames in which TF is silent, then tells, then is silent again.
SILENT, TOLD, LOST = range(75), range(75, 275), range(275, 325)
SIZE, FOCAL = (1280, 720), 1000.0
#: Frames of a short drive, of which the first do not count, and seconds between two drives.
DRIVE, SETTLED, PAUSE = 60, 35, 20.0


def generate_test_description() -> LaunchDescription:
    # Where the machine is busy TF takes its time, and the first images without it wait for it long.
    arguments = {
        "floor_frame": "odom", "publish_tf": "bodies", "qos_reliability": "reliable",
        "tf_timeout": "0.5", "expire": "5.0", "tilt_error": str(TILT_ERROR),
    }  # fmt: skip
    source = PythonLaunchDescriptionSource(FILE)
    lifter = IncludeLaunchDescription(source, launch_arguments=list(arguments.items()))
    return LaunchDescription([lifter, ReadyToTest()])


class Robot(World):
    """Drives by people and hears what the lifter makes of what its camera sees."""

    def __init__(self) -> None:
        super().__init__("robot")
        self.answers: list[Skeletons3D] = self.listen(Skeletons3D, "skeletons")
        self.bodies: list[TransformStamped] = []
        self.keypoints = self.create_publisher(People2D, "keypoints", 10)
        self.info = self.create_publisher(CameraInfo, "camera_info", 10)
        self.tf = self.create_publisher(TFMessage, "/tf", 10)
        self.create_subscription(TFMessage, "/tf", self._on_tf, 100)
        self._said = self.listen_to_logs()
        self._noise = np.random.default_rng(5)
        moving = MovingPeople.shipped(len(PEOPLE))
        first = moving.joints(0.0)
        self._scale = STATURE / stature(first - first[:, :1])[:, None, None]
        self._moving = moving

    def _on_tf(self, message: TFMessage) -> None:
        self.bodies += [t for t in message.transforms if t.child_frame_id.startswith("body_")]

    def view(self, row: int) -> tuple[View, CameraPose]:
        """Return the camera at a frame: 1.2 m high, 6 to 12 degrees down, rolled by 3."""
        along = row / FPS * 0.25
        place = (-1.5 + along, -4.0, 1.2)
        return View(*SIZE, FOCAL, place, (along - 1.2, 1.0, 0.5)), np.radians(3.0)

    def look(self, row: int) -> tuple[np.ndarray, CameraPose]:
        """Return true joints (P, 17, 3) in the camera's frame, and the camera's pose."""
        world = self._moving.joints(row / FPS) * self._scale
        view, roll = self.view(row)
        cos, sin = np.cos(roll), np.sin(roll)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        return view.to_camera(world) @ turn.T, view.pose.turned(turn)

    def step(self, row: int, tell: bool) -> tuple[np.ndarray, CameraPose]:
        """Publish a frame and wait for its answer."""
        in_camera, pose = self.look(row)
        noise = self._noise.normal(0, 1, (*in_camera.shape[:2], 2))
        self.show(row / FPS, in_camera, noise, pose if tell else None, PEOPLE)
        return in_camera, pose

    def drive(self, number: int) -> list[bool]:
        """Drive for some seconds with a tilt that TF tells wrongly; say whose covariance covers."""
        rng = np.random.default_rng(number)
        yaw, away = rng.uniform(0, 2 * np.pi), rng.uniform(2.5, 5.5)
        start = np.array([away * np.cos(yaw), 1.3 + away * np.sin(yaw), rng.uniform(0.8, 2.0)])
        ahead = np.array([-np.sin(yaw), np.cos(yaw), 0.0]) * 0.25
        noise = lasting_errors(rng, DRIVE, (len(PEOPLE), 17, 2))
        names, inside = tuple(f"{name}_{number}" for name in PEOPLE), []
        for row in range(DRIVE):
            world = self._moving.joints(3.0 * number + row / FPS) * self._scale
            place = start + ahead * row / FPS
            view = View(*SIZE, FOCAL, tuple(place), (0.0, 1.3, 0.9))
            in_camera = view.to_camera(world)
            seconds = PAUSE * (number + 1) + row / FPS
            told = wrong(view.pose, ERRORS[number])
            whole = self.show(seconds, in_camera, noise[row], told, names)
            for skeleton in self.answers[-1].people if row >= SETTLED else []:
                at = names.index(skeleton.id)
                if whole[at]:
                    off = root_of(skeleton) - in_camera[at, 0]
                    covariance = np.reshape(skeleton.root_covariance, (3, 3))
                    inside.append(bool(off @ np.linalg.solve(covariance, off) < CHI_SQUARE))
        return inside

    def show(
        self,
        seconds: float,
        in_camera: np.ndarray,
        noise: np.ndarray,
        pose: CameraPose | None,
        names: tuple[str, ...],
    ) -> np.ndarray:
        """Publish a frame, let TF tell the pose, and wait for the answer.

        Args:
            seconds: since the first frame.
            in_camera: true joints (P, 17, 3).
            noise: (P, 17, 2) in hundredths of a person's height.
            pose: told of the camera; None: TF is silent.
            names: of the people.

        Returns:
            Who (P,) is wholly in the image.
        """
        stamp = time_message(BASE + round(seconds * 1e9))
        header = Header(stamp=stamp, frame_id="camera_optical")
        if pose is not None:
            moved = TransformStamped(
                header=Header(stamp=stamp, frame_id="odom"),
                child_frame_id="camera_optical",
                transform=transform_message(pose),
            )
            self.tf.publish(TFMessage(transforms=[moved]))
        camera = Camera(*SIZE, (FOCAL, FOCAL), (SIZE[0] / 2, SIZE[1] / 2))
        info = camera_info_message(camera)
        info.header = header
        self.info.publish(info)
        if not seconds:
            self.spin_until(lambda: any("people get root positions" in line for line in self._said))
        points = in_camera[..., :2] / in_camera[..., 2:] * FOCAL + np.array(SIZE) / 2
        points = points + noise * (0.01 * STATURE * FOCAL / in_camera[:, :1, 2:])
        inside = ((points >= 0) & (points < SIZE)).all(-1) & (in_camera[..., 2] > 0.5)
        people = [
            Person2D(id=name, points=floats(points[at].ravel()), scores=floats(inside[at]))
            for at, name in enumerate(names)
            if inside[at].sum() >= 12
        ]
        before = len(self.answers)
        self.keypoints.publish(
            People2D(header=header, layout="h36m17", width=SIZE[0], height=SIZE[1], people=people)
        )
        self.spin_until(lambda: len(self.answers) > before)
        whole: np.ndarray = inside.all(-1)
        return whole


def root_of(skeleton: Skeleton3D) -> np.ndarray:
    return np.array([skeleton.root.x, skeleton.root.y, skeleton.root.z])


class TestWhileItRuns(unittest.TestCase):
    def setUp(self) -> None:
        rclpy.init(args=[])
        self.robot = Robot()

    def tearDown(self) -> None:
        self.robot.close()
        rclpy.shutdown()

    def test_people_are_placed_by_the_floor_that_tf_tells_of(self) -> None:
        robot = self.robot
        robot.spin_until(lambda: robot.keypoints.get_subscription_count() == 1)
        robot.spin_until(lambda: robot.info.get_subscription_count() == 1)
        truth = [robot.step(row, tell=row in TOLD) for row in range(LOST.stop)]
        self.assertEqual(len(robot.answers), LOST.stop)
        share = np.full((LOST.stop, len(PEOPLE)), np.nan)
        offset = np.full((LOST.stop, len(PEOPLE), 3), np.nan)
        feet, sources = [], {}
        for row, (answer, (in_camera, pose)) in enumerate(zip(robot.answers, truth, strict=True)):
            for skeleton in answer.people:
                at = PEOPLE.index(skeleton.id)
                sources[row, at] = skeleton.root_source
                offset[row, at] = off = root_of(skeleton) - in_camera[at, 0]
                share[row, at] = np.linalg.norm(off) / np.linalg.norm(in_camera[at, 0])
                if row in TOLD and row > TOLD.start + 50:
                    feet += self.heights(skeleton, in_camera[at], pose)
        by_person = self.axes_off(truth)
        inside = [hit for number in range(len(ERRORS)) for hit in robot.drive(number)]
        axes = np.concatenate(by_person)
        blind = np.nanmedian(share[: SILENT.stop])
        with_floor = np.nanmedian(share[TOLD.start + 50 : TOLD.stop])
        kept = np.nanmedian(share[LOST.start :])
        jumps = np.linalg.norm(np.diff(offset, axis=0), axis=-1)
        largest = np.nanmax(jumps)
        print(
            f"measured: root off by {blind:.1%} of the distance without the floor, "
            f"{with_floor:.1%} with it, {kept:.1%} after TF is lost; covariance "
            f"covers {np.mean(inside):.1%} of {len(inside)} with tilts as wrong as stated; "
            f"largest step {largest:.2f} m, as the floor comes and goes; body frame "
            f"{np.median(axes):.1f} degrees off, by person "
            f"{', '.join(f'{np.median(off):.1f}' for off in by_person)}; "
            f"standing feet {np.median(feet) * 1e3:.0f} mm off"
        )
        self.assertLess(blind, 0.05)
        self.assertLess(with_floor, 0.02)
        self.assertLess(kept, 0.03)
        self.assertGreater(np.mean(inside), 0.90)
        self.assertLess(np.mean(inside), 0.97)
        self.assertLess(largest, 0.1)
        self.assertLess(np.median(axes), 5.0)
        self.assertLess(np.median(feet), 0.03)
        told = [kind for (row, _), kind in sources.items() if TOLD.start + 50 < row < TOLD.stop]
        self.assertGreater(np.mean(np.array(told) == Skeleton3D.ROOT_FLOOR), 0.95)
        lost = [kind for (row, _), kind in sources.items() if row == LOST.stop - 1]
        self.assertLessEqual(set(lost), {Skeleton3D.ROOT_FLOOR, Skeleton3D.ROOT_LEARNED})

    def heights(self, skeleton: Skeleton3D, true: np.ndarray, pose: CameraPose) -> list[float]:
        """Return how far off the floor lifted ankles are that truly stand on it."""
        lifted = pose.to_level(joints_of(skeleton) + root_of(skeleton))
        standing = pose.to_level(true)[list(ANKLES), 2] < ANKLE_HEIGHT + 0.02
        return np.abs(lifted[list(ANKLES), 2] - ANKLE_HEIGHT)[standing].tolist()

    def axes_off(self, truth: list[tuple[np.ndarray, CameraPose]]) -> list[list[float]]:
        """Return by how many degrees the frames of bodies are turned wrongly, person by person."""
        off: list[list[float]] = [[] for _ in PEOPLE]
        for frame in self.robot.bodies:
            stamp = frame.header.stamp
            row = round((stamp.sec * 10**9 + stamp.nanosec - BASE) / 1e9 * FPS)
            at = PEOPLE.index(frame.child_frame_id.removeprefix("body_"))
            q = frame.transform.rotation
            told = matrix_from_quaternion(np.array([q.x, q.y, q.z, q.w]))
            true = body_axes(truth[row][0][at : at + 1])[0]
            cosine = (np.trace(told.T @ true) - 1) / 2
            off[at].append(float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))))
        return off


@launch_testing.post_shutdown_test()
class TestAfterwards(unittest.TestCase):
    def test_the_node_ended_cleanly(self, proc_info: launch_testing.ProcInfoHandler) -> None:
        assertExitCodes(proc_info)
