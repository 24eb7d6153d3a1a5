"""RViz, showing the skeletons of what is launched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from launch import LaunchContext
from launch.actions import LogInfo
from launch_ros.actions import Node

from pstmo_ros.launching.cameras import image_topic
from pstmo_ros.launching.context import get, is_true, namespace, path

RVIZ_TOPICS = ("skeleton_markers", "capsules", "uncertainty", "image_raw")
"""What the configurations of RViz show."""
#: How names of frames end in which y, not z, is vertical (REP-103).
_OPTICAL = "_optical_frame"
_NO_RVIZ = (
    "rviz:=true was asked for, but rviz2 is not on PATH: install it (apt install "
    "ros-$ROS_DISTRO-rviz2), or look at the markers on another machine. Everything else runs."
)


def rviz(context: LaunchContext) -> list[Any]:
    """Return RViz if it is asked for and installed; it shows the namespace's markers."""
    if not is_true(context, "rviz"):
        return []
    if shutil.which("rviz2") is None:
        return [LogInfo(msg=_NO_RVIZ)]
    options, remappings = rviz_options(context)
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            name="rviz",
            arguments=options,
            remappings=remappings,
            parameters=[{"use_sim_time": is_true(context, "use_sim_time")}],
        )
    ]


def rviz_options(context: LaunchContext) -> tuple[list[Any], list[Any]]:
    """Return RViz's arguments and remappings: its configuration, fixed frame and topics."""
    config, camera = path(context, "rviz_config"), get(context, "frame_id")
    level, target = level_frame(context), get(context, "target_frame")
    # The frame of the results stays where it is on a robot that drives; the floor's may not.
    fixed = get(context, "fixed_frame") or (target if level else "") or level
    optical = not fixed or fixed == camera or fixed.endswith(_OPTICAL)
    if not optical and Path(config).name == "lifter.rviz":
        config = str(Path(config).with_name("room.rviz"))
    options = ["-d", config]
    if frame := fixed or camera:
        options += ["-f", frame]
    topics = {topic: topic for topic in RVIZ_TOPICS}
    if markers := get(context, "markers_topic"):
        topics["skeleton_markers"] = markers
    topics["image_raw"] = image_topic(context) or "image_raw"
    below = namespace(context).rstrip("/")
    names = {
        topic: name if name.startswith("/") else f"{below}/{name}" for topic, name in topics.items()
    }
    return options, [(f"/{topic}", name) for topic, name in names.items() if name != f"/{topic}"]


def level_frame(context: LaunchContext) -> str:
    """Return the frame whose plane z = 0 is the floor, if TF is known to have such a frame."""
    if frame := get(context, "floor_frame"):
        return frame
    tells_tf = is_true(context, "virtual_camera") or get(context, "player") == "sample"
    return (get(context, "world_frame") or "map") if tells_tf else ""
