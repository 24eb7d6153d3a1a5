"""The launch file, run by launch_testing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

import rclpy
from launch_log import without_ignored_interrupts
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_world import World, ask, worlds
from rcl_interfaces.msg import Log
from rcl_interfaces.srv import GetParameters
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from pstmo_ros.msg import Skeletons3D

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

world = worlds(World)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    # Not from the repository, whose pstmo_ros and launch would hide the installed ones.
    return subprocess.run(
        command,
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("lifter_sample", marks=pytest.mark.alone),
        "lifter_images",
        "lifter_robot",
        "lifter_consumers",
    ],
)
def test_what_is_launched_answers_in_time_and_rightly(ros_domain: None, name: str) -> None:
    pytest.importorskip("launch_testing", reason="launch is not installed here")
    pytest.importorskip("launch_ros", reason="launch is not installed here")
    file = HERE / "launch" / f"{name}.py"
    ended = run(
        sys.executable, "-c", "from launch_testing.launch_test import main; main()", str(file)
    )
    assert ended.returncode == 0, ended.stdout
    print(next(line for line in ended.stdout.splitlines() if "measured:" in line))


def test_a_wrong_value_and_a_misspelt_name_are_refused_before_anything_starts(
    ros_domain: None,
) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    for given, said in {
        "height:=abc": "height:=abc cannot be: it must be a number between 0.4 and 2.5",
        "focl:=900.0": "there is no argument focl: did you mean focal?",
    }.items():
        ended = run("ros2", "launch", "pstmo_ros", "lifter.launch.py", given)
        assert ended.returncode == 1
        assert said in ended.stdout and "process started" not in ended.stdout


def test_a_launch_file_that_includes_this_one_may_have_names_like_its_own(
    ros_domain: None, tmp_path: Path
) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    robot = tmp_path / "robot.launch.py"
    robot.write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import IncludeLaunchDescription\n"
        "from launch.launch_description_sources import PythonLaunchDescriptionSource\n"
        "from launch.substitutions import PathJoinSubstitution\n"
        "from launch_ros.substitutions import FindPackageShare\n"
        "ours = [FindPackageShare('pstmo_ros'), 'launch', 'lifter.launch.py']\n"
        "source = PythonLaunchDescriptionSource(PathJoinSubstitution(ours))\n"
        "def generate_launch_description():\n"
        "    given = {'height': 'abc'}.items()\n"
        "    return LaunchDescription([IncludeLaunchDescription(source, launch_arguments=given)])\n"
    )
    ended = run("ros2", "launch", str(robot), "focl:=900.0")
    warning = "[WARNING] [lifter.launch.py]: there is no argument focl: did you mean focal?"
    assert warning in ended.stdout and "height:=abc cannot be" in ended.stdout


ROBOT = """
from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import PushRosNamespace, SetParameter, SetRemap
from launch_ros.substitutions import FindPackageShare

def generate_launch_description():
    ours = [FindPackageShare("pstmo_ros"), "launch", "lifter.launch.py"]
    source = PythonLaunchDescriptionSource(PathJoinSubstitution(ours))
    given = {"virtual_camera": "true", "namespace": "head", "composed": "%s", "fps": "5.0"}
    include = IncludeLaunchDescription(source, launch_arguments=given.items())
    own = [SetParameter("frame_id", "robot_optical_frame"), SetRemap("skeletons", "bodies")]
    return LaunchDescription([GroupAction([PushRosNamespace("robot"), *own, include])])
"""


@pytest.mark.parametrize("composed", ["true", "false"])
def test_all_nodes_follow_the_namespace_parameters_and_remaps_of_a_launch_file_around_this(
    world: Callable[..., World], tmp_path: Path, composed: str
) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    robot = tmp_path / "robot.launch.py"
    robot.write_text(ROBOT % composed)
    here = world()
    heard = here.listen(Skeletons3D, "/robot/head/bodies")
    log = tmp_path / "log"
    with (
        log.open("w") as said,
        subprocess.Popen(
            ["ros2", "launch", str(robot)], cwd="/", stdout=said, stderr=subprocess.STDOUT
        ) as launch,
    ):
        try:
            here.spin_until(lambda: any(message.people for message in heard))
            assert {message.header.frame_id for message in heard} == {"robot_optical_frame"}
        finally:
            launch.send_signal(signal.SIGINT)
            launch.wait(60)
    said = without_ignored_interrupts(log.read_text())
    assert "Traceback" not in said and "did you mean" not in said


@pytest.mark.parametrize("composed", ["true", "false"])
def test_a_detector_that_cannot_start_ends_everything_with_its_reason(
    ros_domain: None, tmp_path: Path, composed: str
) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    model = tmp_path / "pose.onnx"
    model.write_bytes(b"no network")
    arguments = ("camera:=sample", "detector:=onnx", f"pose_model:={model}")
    ended = run(
        "ros2", "launch", "pstmo_ros", "lifter.launch.py", *arguments, f"composed:={composed}"
    )
    assert f"cannot configure: {model}" in ended.stdout
    reason = {
        "true": "the process of detector and lifter has failed, exit code 3 (see its error above)",
        "false": "the detector has failed, exit code 3 (see its error above)",
    }
    assert reason[composed] in ended.stdout
    assert "Traceback" not in ended.stdout
    assert ended.returncode == 1, ended.stdout


def test_a_node_that_is_killed_ends_everything_with_an_exit_code(ros_domain: None) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    with subprocess.Popen(
        ["ros2", "launch", "pstmo_ros", "lifter.launch.py", "player:=sample", "loop:=true"],
        cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as launch:  # fmt: skip
        assert launch.stdout is not None
        log, pids = "", {}
        for line in launch.stdout:
            log += line
            if started := re.search(r"\[(\w+)-\d\]: process started with pid \[(\d+)\]", line):
                pids[started[1]] = int(started[2])
            if len(pids) == 2:
                break
        os.kill(pids["lifter_node"], signal.SIGKILL)
        log += launch.communicate(timeout=60)[0]
    assert "the lifter has failed, exit code -9" in log
    assert launch.returncode == 1, log
    with pytest.raises(ProcessLookupError):
        os.kill(pids["keypoint_player"], 0)


def test_a_player_that_fails_is_not_a_player_that_has_ended(
    ros_domain: None, tmp_path: Path
) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    clip = tmp_path / "clip.npz"
    clip.write_bytes(b"no clip")
    arguments = (f"player:={clip}", "exit_with_player:=true")
    ended = run("ros2", "launch", "pstmo_ros", "lifter.launch.py", *arguments)
    assert "the player has failed, exit code 2" in ended.stdout, ended.stdout
    assert ended.returncode == 1


def test_a_lifter_becomes_active_beside_a_namesake_that_never_answers(ros: None) -> None:
    """As after a restart, while the one before is just going away, or still hangs."""
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    namesake = LifecycleNode("lifter")  # nobody spins it
    launch = subprocess.Popen(
        ["ros2", "launch", "pstmo_ros", "lifter.launch.py"],
        cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert launch.stdout is not None
    late = threading.Timer(60.0, launch.send_signal, [signal.SIGINT])
    late.start()
    log = ""
    for line in launch.stdout:
        log += line
        if "lifter]: active:" in line:
            break
    late.cancel()
    launch.send_signal(signal.SIGINT)
    log += launch.communicate(timeout=60)[0]
    namesake.destroy_node()
    del namesake._state_machine  # which would keep it on the network
    assert "lifter]: active:" in log
    assert launch.returncode == 0, log


def test_who_includes_the_launch_file_hears_of_transitions(
    ros_domain: None, tmp_path: Path
) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    file = tmp_path / "robot.launch.py"
    file.write_text(
        """
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, LogInfo, RegisterEventHandler, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution
from launch_ros.event_handlers import OnStateTransition
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    path = [FindPackageShare("pstmo_ros"), "launch", "lifter.launch.py"]
    source = PythonLaunchDescriptionSource(PathJoinSubstitution(path))
    then = [LogInfo(msg="the lifter is active"), Shutdown()]
    heard = RegisterEventHandler(OnStateTransition(goal_state="active", entities=then))
    return LaunchDescription([heard, IncludeLaunchDescription(source)])
"""
    )
    ended = run("ros2", "launch", str(file))
    assert "the lifter is active" in ended.stdout
    assert ended.returncode == 0, ended.stdout


def test_parameters_arrive_and_after_the_start_transitions_are_the_users(ros: None) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    arguments = ["height:=1.8", "focal:=500", "expire:=2", "use_sim_time:=true"]
    launch = subprocess.Popen(
        ["ros2", "launch", "pstmo_ros", "lifter.launch.py", *arguments],
        cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    user = User()
    try:
        user.wait_for("active")
        assert user.values("height", "focal", "expire") == [1.8, 500.0, 2.0]
        for transition, state in (
            (Transition.TRANSITION_DEACTIVATE, "inactive"),
            (Transition.TRANSITION_CLEANUP, "unconfigured"),
            (Transition.TRANSITION_CONFIGURE, "inactive"),
        ):
            assert user.change(transition)
            assert user.state() == state
        time.sleep(2.0)
        assert user.state() == "inactive"
        assert user.change(Transition.TRANSITION_ACTIVATE)
        user.wait_to_hear("nobody publishes /clock")
    finally:
        user.destroy_node()
        launch.send_signal(signal.SIGINT)
        log, _ = launch.communicate(timeout=60)
    assert "nobody publishes /clock" in log
    assert "Unknown transition" not in log
    assert launch.returncode == 0, "Ctrl-C is not a failure"


class User(Node):
    """Asks the lifter for its state and parameters, and changes its state."""

    def __init__(self) -> None:
        super().__init__("user")
        self._said: list[str] = []
        latched = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(Log, "/rosout", lambda log: self._said.append(log.msg), latched)
        self._state = self.create_client(GetState, "lifter/get_state")
        self._change = self.create_client(ChangeState, "lifter/change_state")
        self._parameters = self.create_client(GetParameters, "lifter/get_parameters")

    def state(self) -> str:
        return str(self._ask(self._state, GetState.Request()).current_state.label)

    def change(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        future = self._change.call_async(request)  # once: it changes something
        rclpy.spin_until_future_complete(self, future, timeout_sec=20.0)
        return bool(future.result().success)

    def values(self, *names: str) -> list[float]:
        answer = self._ask(self._parameters, GetParameters.Request(names=list(names)))
        return [value.double_value for value in answer.values]

    def wait_for(self, state: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while self.state() != state:
            assert time.monotonic() < deadline, f"it did not become {state}"

    def wait_to_hear(self, what: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not any(what in line for line in self._said):
            assert time.monotonic() < deadline, f"nobody said {what}"
            rclpy.spin_once(self, timeout_sec=0.1)

    def _ask(self, client: Any, request: Any) -> Any:
        return ask(client, request, lambda: rclpy.spin_once(self, timeout_sec=0.1), 60.0)


def test_every_argument_of_the_launch_file_is_described(ros_domain: None) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    shown = run("ros2", "launch", "pstmo_ros", "lifter.launch.py", "--show-args")
    assert shown.returncode == 0, shown.stdout
    for name in (
        "params_file",
        "camera",
        "height",
        "keypoints_topic",
        "model",
        "rviz",
        "player",
        "loop",
        "rate",
    ):
        assert f"'{name}':" in shown.stdout
    assert "no description" not in shown.stdout
