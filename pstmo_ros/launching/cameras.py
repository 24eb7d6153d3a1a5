"""The camera that is launched, real or virtual, and the topics of its images."""

from __future__ import annotations

import json
import shlex
from typing import Any

from launch import LaunchContext
from launch_ros.actions import Node

from pstmo_ros.launching import node_parameters
from pstmo_ros.launching.context import from_around, get, is_true, namespace, text
from pstmo_ros.launching.node_parameters import CAMERA, CAMERA_NAMES
from pstmo_ros.launching.processes import common, ends_all


def camera_processes(context: LaunchContext) -> list[Any]:
    """Return the cameras that are asked for, unless they run inside the composed process."""
    if is_true(context, "composed"):
        return []
    made = []
    for executable, name, parameters in cameras(context):
        values = {n: text(v) if isinstance(v, str) else v for n, v in parameters.items()}
        node = Node(
            executable=executable,
            parameters=[values],
            remappings=camera_remappings(context),
            **common(name),
        )
        made += [*ends_all(context, node, f"the {name}"), node]
    return made


def composed_cameras(context: LaunchContext) -> list[Any]:
    """Return the arguments that make the composed process run the cameras, too."""
    options = {"camera_node": "--camera=", "virtual_camera": "--virtual-camera="}
    found = []
    for executable, _, parameters in cameras(context):
        own = ["-r", f"__ns:={namespace(context)}", *from_around(context)]
        for name, value in parameters.items():
            own += ["-p", f"{name}:={json.dumps(value)}"]
        for name, topic in camera_remappings(context):
            own += ["-r", f"{name}:={topic}"]
        found.append(options[executable] + shlex.join(own))
    return found


def cameras(context: LaunchContext) -> list[Any]:
    """Return executable, name and parameters of the cameras that are asked for."""
    sim = {"use_sim_time": is_true(context, "use_sim_time")}
    given = context.launch_configurations
    found = []
    if source := get(context, "camera"):
        values = node_parameters.values(given, CAMERA, CAMERA_NAMES)
        found.append(("camera_node", "camera", values | sim | {"source": source}))
    if is_true(context, "virtual_camera"):
        values = node_parameters.virtual_camera_values(given)
        found.append(("virtual_camera", "virtual_camera", values | sim))
    return found


def camera_remappings(context: LaunchContext) -> list[Any]:
    """Return the remappings of a camera's topics to those that the other nodes use."""
    image = image_topic(context)
    topics = {
        "image_raw": image,
        "image_raw/compressed": f"{image}/compressed",
        "camera_info": camera_info_topic(context),
    }
    return [(name, topic) for name, topic in topics.items() if name != topic]


def has_camera(context: LaunchContext) -> bool:
    """Return whether this launch file starts a camera, real or virtual."""
    return bool(get(context, "camera")) or is_true(context, "virtual_camera")


def image_topic(context: LaunchContext) -> str:
    """Return the topic of the images, empty if there are none."""
    return get(context, "image") or ("image_raw" if has_camera(context) else "")


def is_rectified(context: LaunchContext) -> bool:
    """Return whether images are rectified: `rectified` says so, or image_proc's topic name."""
    if stated := get(context, "rectified"):
        return stated.lower() == "true"
    name = image_topic(context).removesuffix("/compressed").rpartition("/")[2]
    return name.startswith("image_rect")


def camera_info_topic(context: LaunchContext) -> str:
    """Return the topic of the calibration, by convention beside that of the images."""
    if topic := get(context, "camera_info"):
        return topic
    raw = image_topic(context).removesuffix("/compressed")
    return "/".join([*raw.split("/")[:-1], "camera_info"])
