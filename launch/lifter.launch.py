"""Starts the lifter, or a detector of keypoints in images and the lifter, and activates them.

On demand also a camera or a virtual one, a player of a clip, and RViz. Arguments that a node has
as a parameter come from the node's own table (pstmo_ros.launch_arguments); all are checked before
anything is started. `ros2 launch` returns 1 when a node has failed, and 0 after Ctrl-C or when a
player with exit_with_player has ended.
"""

import json
import shlex
import shutil
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit, OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

from pstmo_ros import launch_arguments
from pstmo_ros.launch_arguments import CAMERA, CAMERA_NAMES, DETECTOR, LIFTER, PLAYER, PLAYER_NAMES

PACKAGE = "pstmo_ros"
#: Focal length in pixels of the shipped clip's camera (scripts/make_sample.py).
SAMPLE_FOCAL = 934.4
SWITCH = ("true", "false")
#: What the configurations of RViz show.
RVIZ_TOPICS = ("skeleton_markers", "capsules", "uncertainty")
NO_RVIZ = (
    "rviz:=true was asked for, but rviz2 is not on PATH: install it (apt install "
    "ros-$ROS_DISTRO-rviz2), or look at the markers on another machine. Everything else runs."
)


def config_file(name: str) -> PathJoinSubstitution:
    """Return the path of an installed configuration file."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), "config", name])


def arguments() -> list:
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
            "Parameter file of the lifter, for parameters that are no arguments too.",
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
            "Fixed frame of RViz; empty: floor_frame where there is one, else the camera's.",
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
        DeclareLaunchArgument(n, default_value=d, description=t, choices=SWITCH)
        for n, d, t in switches
    ]
    return own + [
        DeclareLaunchArgument(name, default_value="", description=text)
        for name, text in launch_arguments.descriptions().items()
    ]


def get(context: LaunchContext, name: str) -> str:
    """Return the value of an argument."""
    return LaunchConfiguration(name).perform(context)


def is_true(context: LaunchContext, name: str) -> bool:
    """Return the value of a switch."""
    return IfCondition(LaunchConfiguration(name)).evaluate(context)


def check(context: LaunchContext) -> list:
    """Check all arguments before anything starts, and say what looks like a slip of the pen.

    Raises:
        ConfigError: if one cannot be right.
    """
    given = context.launch_configurations
    declared = {action.name for action in arguments()}
    hints = launch_arguments.suggest(given, declared)
    launch_arguments.check(given)
    for name in ("params_file", "detector_params_file"):
        launch_arguments.check_file(name, get(context, name))
    if is_true(context, "rviz"):
        launch_arguments.check_file("rviz_config", get(context, "rviz_config"))
    sources = [name for name in ("camera", "player") if get(context, name)]
    sources += [name for name in ("virtual_camera",) if is_true(context, name)]
    launch_arguments.check_sources(
        sources, get(context, "image"), get(context, "input"), get(context, "cameras")
    )
    if is_rectified(context) and not get(context, "rectified"):
        hints.append(f"{image_topic(context)} is taken for rectified (rectified:=false: it is not)")
    return [LogInfo(msg=hint) for hint in hints]


def given(context: LaunchContext, groups: tuple, names: dict | None = None) -> dict:
    """Return those arguments that are parameters of some dataclasses, as these parameters."""
    values = launch_arguments.values(context.launch_configurations, groups, names)
    if is_true(context, "use_sim_time"):
        values["use_sim_time"] = True
    return {name: text(v) if isinstance(v, str) else v for name, v in values.items()}


def text(value: str) -> ParameterValue:
    """Return a parameter that is a text, whatever it looks like."""
    return ParameterValue(value, value_type=str)


def common(name: str = "") -> dict:
    """Return what this package's nodes have in common; no name for a process of several nodes."""
    named = {"name": name} if name else {}
    return named | {
        "package": PACKAGE,
        "namespace": LaunchConfiguration("namespace"),
        "output": "screen",
        "emulate_tty": True,
        "arguments": ["--ros-args", "--log-level", LaunchConfiguration("log_level")],
    }


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
    # Events of launch reach one lifecycle node a process, so the two activate themselves.
    own = {"autostart": is_true(context, "activate")}
    node = common()
    node["arguments"] = [*composed_cameras(context), *node["arguments"]]
    process = Node(executable="image_lifter", parameters=[*detecting, *lifting, own], **node)
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
    return [LaunchConfiguration("params_file"), own]


def detector_parameters(context: LaunchContext) -> list:
    """Return the parameters of the detector."""
    own = given(context, DETECTOR)
    own["image_topic"] = text(image_topic(context))
    if is_true(context, "virtual_camera"):
        own.setdefault("detector", text("simulation"))
    return [LaunchConfiguration("detector_params_file"), own]


def has_camera(context: LaunchContext) -> bool:
    """Return whether this launch file starts a camera, real or virtual."""
    return bool(get(context, "camera")) or is_true(context, "virtual_camera")


def image_topic(context: LaunchContext) -> str:
    """Return the topic of the images, empty if there are none."""
    return get(context, "image") or ("image_raw" if has_camera(context) else "")


def is_rectified(context: LaunchContext) -> bool:
    """Return whether images are rectified: as `rectified` says, else as image_proc names them."""
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


def managed(context: LaunchContext, executable: str, name: str, parameters: list) -> list:
    """Return a lifecycle node in a process of its own and what brings it to active."""
    node = LifecycleNode(executable=executable, parameters=parameters, **common(name))
    ends = ends_all(context, node, f"the {name}")
    return [*ends, *(bring_up(context, node) if is_true(context, "activate") else []), node]


def bring_up(context: LaunchContext, node: LifecycleNode) -> list:
    """Return what configures a node when it has started and activates it when configured.

    Once only: later transitions are the user's.
    """

    def request(transition: int) -> EmitEvent:
        event = ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
        return EmitEvent(event=event)

    def reaches(state: str, action: object) -> OnStateTransition:
        return OnStateTransition(
            target_lifecycle_node=node,
            start_state="configuring",
            goal_state=state,
            entities=[action],
            handle_once=True,
        )

    started = OnProcessStart(
        target_action=node, on_start=[request(Transition.TRANSITION_CONFIGURE)]
    )
    handlers = [started, reaches("inactive", request(Transition.TRANSITION_ACTIVATE))]
    if is_true(context, "end_on_failure"):
        failed = failure("a node cannot be configured (see its error above)")
        handlers.append(reaches("unconfigured", failed))
    return [RegisterEventHandler(handler) for handler in handlers]


def failure(reason: str) -> OpaqueFunction:
    """Return what ends everything so that `ros2 launch` returns 1.

    The action Shutdown ends everything with 0; launch returns 1 after an exception only.
    """

    def fail(_: LaunchContext) -> None:
        raise RuntimeError(reason)

    return OpaqueFunction(function=fail)


def ends_all(context: LaunchContext, node: Node, what: str) -> list:
    """Return what ends everything if a node's process fails."""

    def ended(event: object, context: LaunchContext) -> list:
        if event.returncode == 0 or context.is_shutdown:
            return []
        return [failure(f"{what} has failed, exit code {event.returncode} (see its error above)")]

    if not is_true(context, "end_on_failure"):
        return []
    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))]


def camera_processes(context: LaunchContext) -> list:
    """Return the cameras that are asked for, if they are not in the process of the others."""
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


def composed_cameras(context: LaunchContext) -> list:
    """Return the arguments with which cameras run in the process of the others."""
    options = {"camera_node": "--camera=", "virtual_camera": "--virtual-camera="}
    found = []
    for executable, _, parameters in cameras(context):
        own = ["-r", f"__ns:=/{get(context, 'namespace').strip('/')}"]
        for name, value in parameters.items():
            own += ["-p", f"{name}:={json.dumps(value)}"]
        for name, topic in camera_remappings(context):
            own += ["-r", f"{name}:={topic}"]
        found.append(options[executable] + shlex.join(own))
    return found


def cameras(context: LaunchContext) -> list:
    """Return executable, name and parameters of the cameras that are asked for."""
    sim = {"use_sim_time": is_true(context, "use_sim_time")}
    given = context.launch_configurations
    found = []
    if source := get(context, "camera"):
        values = launch_arguments.values(given, CAMERA, CAMERA_NAMES)
        found.append(("camera_node", "camera", values | sim | {"source": source}))
    if is_true(context, "virtual_camera"):
        values = launch_arguments.virtual_camera_values(given)
        found.append(("virtual_camera", "virtual_camera", values | sim))
    return found


def camera_remappings(context: LaunchContext) -> list:
    """Return what puts a camera's topics where the others listen."""
    image = image_topic(context)
    topics = {
        "image_raw": image,
        "image_raw/compressed": f"{image}/compressed",
        "camera_info": camera_info_topic(context),
    }
    return [(name, topic) for name, topic in topics.items() if name != topic]


def player(context: LaunchContext) -> list:
    """Return the player, if a clip is asked for."""
    clip = get(context, "player")
    if not clip:
        return []
    parameters = given(context, PLAYER, PLAYER_NAMES)
    parameters["clip"] = text("" if clip == "sample" else str(Path(clip).expanduser()))
    node = Node(executable="keypoint_player", parameters=[parameters], **common("keypoint_player"))
    handlers = ends_all(context, node, "the player")
    if is_true(context, "exit_with_player"):
        end = Shutdown(reason="the player has ended")
        handlers.append(RegisterEventHandler(OnProcessExit(target_action=node, on_exit=[end])))
    return [*handlers, node]


def level_frame(context: LaunchContext) -> str:
    """Return the frame whose plane z = 0 is the floor, if TF is known to have one."""
    if frame := get(context, "floor_frame"):
        return frame
    tells_tf = is_true(context, "virtual_camera") or get(context, "player") == "sample"
    return (get(context, "world_frame") or "map") if tells_tf else ""


def rviz(context: LaunchContext) -> list:
    """Return RViz, if it is asked for and there: it shows the namespace's markers and frame."""
    if not is_true(context, "rviz"):
        return []
    if shutil.which("rviz2") is None:
        return [LogInfo(msg=NO_RVIZ)]
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


def rviz_options(context: LaunchContext) -> tuple[list, list]:
    """Return RViz's arguments and remappings: its configuration, fixed frame and topics."""
    config, level = get(context, "rviz_config"), level_frame(context)
    fixed = get(context, "fixed_frame")
    if level and fixed in ("", level) and Path(config).name == "lifter.rviz":
        config = str(Path(config).with_name("room.rviz"))
    options = ["-d", config]
    if frame := fixed or level or get(context, "frame_id"):
        options += ["-f", frame]
    topics = {topic: topic for topic in RVIZ_TOPICS}
    if markers := get(context, "markers_topic"):
        topics["skeleton_markers"] = markers
    namespace = get(context, "namespace").strip("/")
    names = {
        topic: name if name.startswith("/") else f"/{namespace}/{name}".replace("//", "/")
        for topic, name in topics.items()
    }
    return options, [(f"/{topic}", name) for topic, name in names.items() if name != f"/{topic}"]


def generate_launch_description() -> LaunchDescription:
    """Return everything to launch."""
    parts = (check, nodes, camera_processes, player, rviz)
    return LaunchDescription([*arguments(), *(OpaqueFunction(function=part) for part in parts)])
