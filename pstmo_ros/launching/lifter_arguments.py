"""The arguments of the lifter's launch file, and their checks."""

from __future__ import annotations

import sys
from typing import Any

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument, LogInfo
from launch.logging import get_logger
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

from pstmo_core.errors import ConfigError
from pstmo_ros.launching import node_parameters
from pstmo_ros.launching.cameras import image_topic, is_rectified
from pstmo_ros.launching.context import PACKAGE, get, is_true

_SWITCH = ("true", "false")
_FILE = "lifter.launch.py"


def arguments() -> list[Any]:
    """Return the arguments of this launch file."""
    texts = [
        ("image", "", "Topic of images, in which a detector finds the keypoints; empty: none."),
        (
            "camera",
            "",
            "Camera or video in which people are lifted: number of a connected camera (0), its "
            "file (/dev/video0), a video file, an address (rtsp://..., http://...) or 'sample'; "
            "empty: none.",
        ),
        ("camera_info", "", "Topic of the camera's calibration; empty: camera_info beside image."),
        ("player", "", "Clip of keypoints to play: a path, or 'sample'; empty: none."),
        ("people", "2", "People before the virtual camera."),
        ("namespace", "", "Namespace of the nodes."),
        (
            "params_file",
            config_file("lifter.yaml"),
            "Parameter file of the lifter, for parameters that are not arguments, too.",
        ),
        (
            "detector_params_file",
            config_file("detector.yaml"),
            "Parameter file of the detector.",
        ),
        ("log_level", "info", "Log level of the nodes."),
        ("rviz_config", config_file("lifter.rviz"), "Configuration of RViz."),
        (
            "fixed_frame",
            "",
            "Fixed frame of RViz; empty: with a floor_frame it is target_frame or, without one, "
            "floor_frame; otherwise the camera's.",
        ),
    ]
    switches = [
        ("activate", "true", "Whether lifter and detector are configured and activated."),
        ("composed", "true", "Whether detector, lifter and camera run in one process."),
        ("virtual_camera", "false", "Whether rendered people are shown on the image topic."),
        ("use_sim_time", "false", "Whether time comes from /clock."),
        ("rviz", "false", "Whether RViz is started."),
        ("exit_with_player", "false", "Whether everything ends with the player."),
        (
            "end_on_failure",
            "true",
            "Whether everything ends, with exit code 1, when a node cannot start or fails; false "
            "for a robot's launch file.",
        ),
    ]
    own = [DeclareLaunchArgument(n, default_value=d, description=t) for n, d, t in texts] + [
        DeclareLaunchArgument(n, default_value=d, description=t, choices=_SWITCH)
        for n, d, t in switches
    ]
    return own + [
        DeclareLaunchArgument(name, default_value="", description=text)
        for name, text in node_parameters.descriptions().items()
    ]


def check(context: LaunchContext) -> list[Any]:
    """Check all arguments before anything starts; return hints about likely typing errors.

    Raises:
        ConfigError: if an argument cannot be right, or a name on the command line is misspelt.
    """
    given = context.launch_configurations
    declared = {action.name for action in arguments()}
    misspelt = node_parameters.suggest(given, declared)
    # In a robot's launch file that includes this one, such a name may be its own.
    alone = any(word.endswith(_FILE) for word in sys.argv)
    if misspelt and alone:
        raise ConfigError("; ".join(misspelt))
    for sentence in misspelt:
        get_logger(_FILE).warning(sentence)
    node_parameters.check(given)
    for name in ("params_file", "detector_params_file"):
        node_parameters.check_file(name, get(context, name))
    if is_true(context, "rviz"):
        node_parameters.check_file("rviz_config", get(context, "rviz_config"))
    sources = [name for name in ("camera", "player") if get(context, name)]
    sources += [name for name in ("virtual_camera",) if is_true(context, name)]
    node_parameters.check_sources(
        sources, get(context, "image"), get(context, "input"), get(context, "cameras")
    )
    started = [*sources, *(["detector"] if image_topic(context) else [])]
    for name in node_parameters.without_effect(given, started):
        get_logger(_FILE).warning(f"{name} has no effect: nothing that takes it is started")
    if is_rectified(context) and not get(context, "rectified"):
        told = f"{image_topic(context)} is taken for rectified (rectified:=false: it is not)"
        return [LogInfo(msg=told)]
    return []


def config_file(name: str) -> PathJoinSubstitution:
    """Return the path of an installed configuration file."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), "config", name])
