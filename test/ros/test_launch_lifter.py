"""The launch file, run by launch_testing, and RViz's configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


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


@pytest.mark.parametrize("name", ["lifter_sample", "lifter_images"])
def test_what_is_launched_answers_in_time_and_rightly(ros_domain: None, name: str) -> None:
    pytest.importorskip("launch_testing", reason="launch is not installed here")
    pytest.importorskip("launch_ros", reason="launch is not installed here")
    file = HERE / "launch" / f"{name}.py"
    ended = run(
        sys.executable, "-c", "from launch_testing.launch_test import main; main()", str(file)
    )
    assert ended.returncode == 0, ended.stdout
    print(next(line for line in ended.stdout.splitlines() if "measured:" in line))


def test_every_argument_of_the_launch_file_is_described(ros_domain: None) -> None:
    pytest.importorskip("ros2launch", reason="`ros2 launch` is not installed here")
    shown = run("ros2", "launch", "pstmo_ros", "lifter.launch.py", "--show-args")
    assert shown.returncode == 0, shown.stdout
    for name in ("params_file", "keypoints_topic", "model", "rviz", "player", "loop", "rate"):
        assert f"'{name}':" in shown.stdout
    assert "no description" not in shown.stdout


def test_rviz_shows_the_markers_in_the_players_frame_with_the_right_qos() -> None:
    from pstmo_ros.keypoint_player import PlayerParameters
    from pstmo_ros.lifter_parameters import LifterParameters

    config = yaml.safe_load((ROOT / "config" / "lifter.rviz").read_text())
    manager = config["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == PlayerParameters.frame_id
    topics = {d["Class"].split("/")[1]: d.get("Topic") for d in manager["Displays"]}
    assert topics["MarkerArray"]["Value"] == "/" + LifterParameters.markers_topic
    assert topics["MarkerArray"]["Reliability Policy"] == "Reliable"
    assert {"Grid", "TF"} <= set(topics)
