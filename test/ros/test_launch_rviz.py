"""RViz's configurations, and how the launch file starts RViz with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")

ROOT = Path(__file__).parents[2]


def test_rviz_shows_the_markers_in_the_players_frame_with_the_right_qos() -> None:
    from pstmo_ros.keypoint_player import PlayerParameters
    from pstmo_ros.lifter_parameters import LifterParameters

    config = yaml.safe_load((ROOT / "config" / "lifter.rviz").read_text())
    manager = config["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == PlayerParameters.frame_id
    topics = {d["Name"]: d.get("Topic") for d in manager["Displays"]}
    assert topics["Skeletons"]["Value"] == "/" + LifterParameters.markers_topic
    assert topics["Skeletons"]["Reliability Policy"] == "Reliable"
    assert {"Floor", "TF", "Capsules", "Uncertainty", "Image"} <= set(topics)


def test_rviz_shows_the_floor_of_the_room_that_tf_tells_of() -> None:
    from pstmo_ros.keypoint_player import PlayerParameters

    config = yaml.safe_load((ROOT / "config" / "room.rviz").read_text())
    manager = config["Visualization Manager"]
    assert manager["Global Options"]["Fixed Frame"] == PlayerParameters.world_frame
    grid = next(d for d in manager["Displays"] if d["Class"].endswith("/Grid"))
    assert grid["Plane"] == "XY" and set(grid["Offset"].values()) == {0}


@pytest.mark.parametrize(
    ("given", "config", "frame", "markers"),
    [
        ({}, "lifter.rviz", None, None),
        ({"namespace": "/robot/"}, "lifter.rviz", None, "/robot/skeleton_markers"),
        ({"floor_frame": "base"}, "room.rviz", "base", None),
        ({"floor_frame": "base", "fixed_frame": "odom"}, "room.rviz", "odom", None),
        ({"floor_frame": "base", "target_frame": "odom"}, "room.rviz", "odom", None),
        (
            {"floor_frame": "base", "fixed_frame": "a_optical_frame"},
            "lifter.rviz",
            "a_optical_frame",
            None,
        ),
        ({"frame_id": "eye", "markers_topic": "people"}, "lifter.rviz", "eye", "/people"),
        ({"namespace": "a", "markers_topic": "/people"}, "lifter.rviz", None, "/people"),
        ({"image": "/camera/image_raw"}, "lifter.rviz", None, None),
    ],
)
def test_rviz_follows_the_namespace_and_the_fixed_frame(
    given: dict[str, str], config: str, frame: str | None, markers: str | None
) -> None:
    launch = pytest.importorskip("launch", reason="launch is not installed here")
    pytest.importorskip("launch_ros", reason="launch is not installed here")
    from pstmo_ros.launching.lifter_arguments import arguments
    from pstmo_ros.launching.rviz import RVIZ_TOPICS, rviz_options

    context = launch.LaunchContext()
    context.launch_configurations.update(given)
    for action in arguments():
        action.execute(context)
    options, remappings = rviz_options(context)
    assert Path(options[1]).name == config
    assert (options[3] if "-f" in options else None) == frame
    topics = dict(remappings)
    assert topics.get("/skeleton_markers") == markers
    assert topics.get("/image_raw", "/image_raw").endswith(given.get("image", "image_raw"))
    shown = yaml.safe_load((ROOT / "config" / config).read_text())["Visualization Manager"]
    subscribed = {d["Topic"]["Value"] for d in shown["Displays"] if "Topic" in d}
    assert subscribed == {f"/{topic}" for topic in RVIZ_TOPICS}
    assert not given.get("namespace") or set(topics) == subscribed
