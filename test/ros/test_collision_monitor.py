"""`ros2 launch pstmo_ros collision_monitor.launch.py` with the monitor that it starts.

Nav2 is no wheel. Nodes that keep to its rules stand for its packages (test/support/nav2), so that
the launch file, its parameters and its topics are run as on a robot.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("tf2_ros", reason="needs tf2")
pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")

from geometry_msgs.msg import Twist
from launch_log import without_ignored_interrupts
from node_world import World
from std_msgs.msg import Header

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_ros.conversions import floats, time_message
from pstmo_ros.frames.static_frame import publish_static_frame
from pstmo_ros.msg import People2D, Person2D

STAND_INS = Path(__file__).parents[1] / "support" / "nav2"
FOCAL, WANTED = 600.0, 0.5


@pytest.fixture
def nav2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install what stands for Nav2's packages, for processes that are started from now on."""
    for name in ("collision_monitor", "lifecycle_manager"):
        package = f"nav2_{name}"
        index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
        index.mkdir(parents=True, exist_ok=True)
        (index / package).touch()
        (tmp_path / "share" / package).mkdir()
        program = tmp_path / "lib" / package / name
        program.parent.mkdir(parents=True)
        program.write_text(f"#!{sys.executable}\n{(STAND_INS / f'{name}.py').read_text()}")
        program.chmod(0o755)
    paths = os.pathsep.join([str(tmp_path), os.environ["AMENT_PREFIX_PATH"]])
    monkeypatch.setenv("AMENT_PREFIX_PATH", paths)


class Robot(World):
    """Wants to drive, and sees somebody, or nobody."""

    def __init__(self) -> None:
        super().__init__("robot", namespace="r1")
        self._keypoints = self.create_publisher(People2D, "keypoints", 10)
        self._wanted = self.create_publisher(Twist, "cmd_vel_smoothed", 1)
        self.driven: list[Twist] = self.listen(Twist, "cmd_vel")
        view = View(1280, 720, FOCAL, (0.0, 0.0, 1.2), (1.0, 0.0, 1.1))
        publish_static_frame(self, "odom", "base_footprint", CameraPose(np.eye(3), np.zeros(3)))
        publish_static_frame(self, "base_footprint", "camera", view.pose)
        self._view = view
        body = MovingPeople.shipped(1).joints(0.0)[0]
        self._body = body - [*body[0, :2], 0.0]

    def drive_until(self, speed: float, away: float | None, seconds: float = 60.0) -> None:
        """See somebody so far ahead, or nobody, until the robot may drive at a speed."""
        deadline = time.monotonic() + seconds
        self.driven.clear()
        while not self.driven or abs(self.driven[-1].linear.x - speed) > 1e-6:
            assert time.monotonic() < deadline, [each.linear.x for each in self.driven[-3:]]
            self.see(away)
            self.want()

    def see(self, away: float | None) -> None:
        stamp = time_message(time.time_ns())
        people = []
        if away is not None:
            points = self._view.project(self._view.to_camera(self._body + [away, 0.0, 0.0]))
            people = [Person2D(id="w", points=floats(points.ravel()))]
        header = Header(stamp=stamp, frame_id="camera")
        self._keypoints.publish(
            People2D(header=header, layout="h36m17", width=1280, height=720, people=people)
        )

    def want_for(self, seconds: float) -> None:
        self.driven.clear()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.want()

    def want(self) -> None:
        wanted = Twist()
        wanted.linear.x = WANTED
        self._wanted.publish(wanted)
        self.spin_for(0.05)


@pytest.fixture
def robot(ros: None, nav2: None) -> Iterator[Robot]:
    world = Robot()
    yield world
    world.close()


def test_a_robot_slows_down_and_stops_before_people_and_when_the_lifter_is_silent(
    robot: Robot,
) -> None:
    arguments = ["namespace:=r1", f"focal:={FOCAL}", "expire:=0.3", "height:=1.49"]
    launch = subprocess.Popen(
        ["ros2", "launch", "pstmo_ros", "collision_monitor.launch.py", *arguments],
        cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        robot.drive_until(WANTED, away=None, seconds=60.0)
        robot.drive_until(WANTED, away=3.5)
        robot.drive_until(0.4 * WANTED, away=1.6)
        robot.drive_until(0.0, away=0.8)
        robot.want_for(3.0)  # nobody tells anything: that does not mean that nobody is there
        assert not any(each.linear.x for each in robot.driven)
        robot.drive_until(WANTED, away=None)
        deadline = time.monotonic() + 30.0
        while robot.driven[-1].linear.x:  # the source times out
            assert time.monotonic() < deadline
            robot.want()
    finally:
        launch.send_signal(signal.SIGINT)
        log = without_ignored_interrupts(launch.communicate(timeout=60)[0])
        print(log)
    assert launch.returncode == 0, log
    assert "collision_monitor is active" in log and "Traceback" not in log, log
