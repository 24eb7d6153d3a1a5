"""Starts the lifter, or a detector of keypoints in images and the lifter, and activates them.

On demand also a camera or a virtual one, a player of a clip, and RViz. Arguments that are
parameters of nodes are declared from the nodes' own tables (pstmo_ros.launching.node_parameters);
all are checked before anything is started. `ros2 launch` returns 1 when a node has failed, and 0
after Ctrl-C or when a player with exit_with_player has ended.
"""

from launch import LaunchContext, LaunchDescription
from launch.actions import OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessExit
from launch_ros.actions import Node

from pstmo_ros.launching.cameras import (
    camera_info_topic,
    camera_processes,
    composed_cameras,
    image_topic,
    is_rectified,
)
from pstmo_ros.launching.context import get, given, is_true, path, text
from pstmo_ros.launching.lifter_arguments import arguments, check
from pstmo_ros.launching.node_parameters import DETECTOR, LIFTER, PLAYER, PLAYER_NAMES
from pstmo_ros.launching.processes import autostart, common, ends_all, managed
from pstmo_ros.launching.rviz import level_frame, rviz

#: Focal length in pixels of the shipped clip's camera (scripts/make_sample.py).
SAMPLE_FOCAL = 934.4


def nodes(context: LaunchContext) -> list:
    """Return the lifter, with a detector if there are images, and what brings them to active."""
    lifting = lifter_parameters(context)
    if not image_topic(context):
        return managed(context, "lifter_node", "lifter", lifting)
    detecting = detector_parameters(context)
    if not is_true(context, "composed"):
        return [
            *managed(context, "lifter_node", "lifter", lifting),
            *managed(context, "detector_node", "detector", detecting),
        ]
    node = common()
    node["arguments"] = [*composed_cameras(context), *node["arguments"]]
    parameters = [*detecting, *lifting, autostart(context)]
    process = Node(executable="image_lifter", parameters=parameters, **node)
    return [*ends_all(context, process, "the process of detector and lifter"), process]


def lifter_parameters(context: LaunchContext) -> list:
    """Return the parameters of the lifter."""
    own = given(context, LIFTER)
    if image_topic(context) or get(context, "camera_info"):
        own["camera_info_topic"] = text(camera_info_topic(context))
    if is_rectified(context):
        own["rectified"] = True
    if frame := level_frame(context):
        own.setdefault("floor_frame", text(frame))
    if get(context, "player") == "sample":
        own.setdefault("focal", SAMPLE_FOCAL)
    return [path(context, "params_file"), own]


def detector_parameters(context: LaunchContext) -> list:
    """Return the parameters of the detector."""
    own = given(context, DETECTOR)
    own["image_topic"] = text(image_topic(context))
    if is_true(context, "virtual_camera"):
        own.setdefault("detector", text("simulation"))
    return [path(context, "detector_params_file"), own]


def player(context: LaunchContext) -> list:
    """Return the player, if a clip is asked for."""
    clip = get(context, "player")
    if not clip:
        return []
    parameters = given(context, PLAYER, PLAYER_NAMES)
    parameters["clip"] = text("" if clip == "sample" else path(context, "player"))
    node = Node(executable="keypoint_player", parameters=[parameters], **common("keypoint_player"))
    handlers = ends_all(context, node, "the player")
    if is_true(context, "exit_with_player"):
        end = Shutdown(reason="the player has ended")
        handlers.append(RegisterEventHandler(OnProcessExit(target_action=node, on_exit=[end])))
    return [*handlers, node]


def generate_launch_description() -> LaunchDescription:
    """Return everything to launch."""
    parts = (check, nodes, camera_processes, player, rviz)
    return LaunchDescription([*arguments(), *(OpaqueFunction(function=part) for part in parts)])
