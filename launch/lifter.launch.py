"""Starts the lifter, or a detector of keypoints in images and the lifter, and activates them.

On demand also a virtual camera, a player of a clip, and RViz.
"""

import shlex
import shutil

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

PACKAGE = "pstmo_ros"
AS_FILE = "empty: as the parameter file says."
AS_DETECTOR_FILE = "empty: as the detector's parameter file says."
IF_UNSTATED = "of a clip that does not state it."
SWITCH = ("true", "false")
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
        ("params_file", config_file("lifter.yaml"), "Parameter file of the lifter."),
        ("namespace", "", "Namespace of the nodes."),
        ("keypoints_topic", "", f"Topic of the 2D keypoints; {AS_FILE}"),
        ("model", "", f"Path of the ONNX model; {AS_FILE}"),
        ("backend", "", f"auto, tensorrt, onnxruntime, openvino or torch; {AS_FILE}"),
        ("precision", "", f"fp32, bf16 or fp16; {AS_FILE}"),
        ("look_ahead", "", f"Frames of the window after the shown one; {AS_FILE}"),
        ("layout", "", f"Layout of the 2D keypoints, whatever messages say; {AS_FILE}"),
        ("floor_frame", "", f"Frame of TF whose plane z = 0 is the floor; {AS_FILE}"),
        ("target_frame", "", f"Frame of TF in which results are told; {AS_FILE}"),
        ("rotation", "", f"Degrees clockwise that turn images upright; {AS_FILE}"),
        ("image", "", "Topic of images, in which a detector finds the keypoints; empty: none."),
        ("camera_info", "", "Topic of the camera's calibration; empty: camera_info beside image."),
        (
            "detector_params_file",
            config_file("detector.yaml"),
            "Parameter file of the detector.",
        ),
        ("detector", "", f"Kind: movenet, rtm, mediapipe, onnx or simulation; {AS_DETECTOR_FILE}"),
        ("pose_model", "", f"Path of the detector's pose network; {AS_DETECTOR_FILE}"),
        ("person_model", "", f"Path of the network that finds people; {AS_DETECTOR_FILE}"),
        ("download", "", f"Whether the detector rtm may download its files; {AS_DETECTOR_FILE}"),
        ("image_transport", "", f"auto, raw or compressed; {AS_DETECTOR_FILE}"),
        ("people", "2", "People before the virtual camera."),
        ("camera_fps", "30.0", "Images a second of the virtual camera."),
        ("log_level", "info", "Log level of the nodes."),
        ("rviz_config", config_file("lifter.rviz"), "Configuration of RViz."),
        ("player", "", "Clip to play: a path (npz or JSON), or 'sample'; empty: none."),
        ("rate", "1.0", "How many times faster than recorded the clip is played."),
        ("wait_for_subscribers", "1", "Subscribers of the keypoints that the player waits for."),
        ("start_delay", "1.0", "Seconds between the last of these and the first frame."),
        ("fps", "", f"Frame rate {IF_UNSTATED}"),
        ("width", "", f"Image width {IF_UNSTATED}"),
        ("height", "", f"Image height {IF_UNSTATED}"),
        ("clip_layout", "", f"Layout of the points, for example coco17, {IF_UNSTATED}"),
    ]
    switches = [
        ("activate", "true", "Whether lifter and detector are configured and activated."),
        ("composed", "true", "Whether detector, lifter and virtual camera run in one process."),
        ("virtual_camera", "false", "Whether rendered people are shown on the image topic."),
        ("use_sim_time", "false", "Whether time comes from /clock."),
        ("rviz", "false", "Whether RViz is started."),
        ("loop", "false", "Whether the clip is played again and again."),
        ("exit_with_player", "false", "Whether everything ends with the player."),
    ]
    return [DeclareLaunchArgument(n, default_value=d, description=t) for n, d, t in texts] + [
        DeclareLaunchArgument(n, default_value=d, description=t, choices=SWITCH)
        for n, d, t in switches
    ]


def given(context: LaunchContext, **kinds: type) -> dict[str, ParameterValue]:
    """Return those launch arguments that are not empty as parameters of their types."""
    values = {name: LaunchConfiguration(name) for name in kinds}
    return {
        name: ParameterValue(value, value_type=kinds[name])
        for name, value in values.items()
        if value.perform(context)
    }


def is_true(context: LaunchContext, name: str) -> bool:
    """Return the value of a switch."""
    return IfCondition(LaunchConfiguration(name)).evaluate(context)


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
    if is_true(context, "virtual_camera"):
        node["arguments"] = [composed_camera(context), *node["arguments"]]
    return [Node(executable="image_lifter", parameters=[*detecting, *lifting, own], **node)]


def lifter_parameters(context: LaunchContext) -> list:
    """Return the parameters of the lifter."""
    texts = dict.fromkeys(
        (
            "floor_frame",
            "target_frame",
            "keypoints_topic",
            "model",
            "backend",
            "precision",
            "layout",
        ),
        str,
    )
    own = given(context, **texts, look_ahead=int, rotation=int, use_sim_time=bool)
    if image_topic(context):
        own["camera_info_topic"] = text(camera_info_topic(context))
    return [LaunchConfiguration("params_file"), own]


def detector_parameters(context: LaunchContext) -> list:
    """Return the parameters of the detector."""
    own = given(
        context,
        detector=str,
        pose_model=str,
        person_model=str,
        download=bool,
        rotation=int,
        image_transport=str,
        keypoints_topic=str,
        use_sim_time=bool,
    )
    own["image_topic"] = text(image_topic(context))
    if is_true(context, "virtual_camera"):
        own.setdefault("detector", text("simulation"))
    return [LaunchConfiguration("detector_params_file"), own]


def text(value: str) -> ParameterValue:
    """Return a parameter that is a text, whatever it looks like."""
    return ParameterValue(value, value_type=str)


def image_topic(context: LaunchContext) -> str:
    """Return the topic of the images, empty if there are none."""
    topic = LaunchConfiguration("image").perform(context)
    return topic or ("image_raw" if is_true(context, "virtual_camera") else "")


def camera_info_topic(context: LaunchContext) -> str:
    """Return the topic of the calibration, by custom beside that of the images."""
    if topic := LaunchConfiguration("camera_info").perform(context):
        return topic
    raw = image_topic(context).removesuffix("/compressed")
    return "/".join([*raw.split("/")[:-1], "camera_info"])


def managed(context: LaunchContext, executable: str, name: str, parameters: list) -> list:
    """Return a lifecycle node in a process of its own and what brings it to active."""
    node = LifecycleNode(executable=executable, parameters=parameters, **common(name))
    return [*(bring_up(node) if is_true(context, "activate") else []), node]


def virtual_camera(context: LaunchContext) -> list:
    """Return the virtual camera, if it is asked for and not in the process of the others."""
    if not is_true(context, "virtual_camera") or is_true(context, "composed"):
        return []
    camera_fps = ParameterValue(LaunchConfiguration("camera_fps"), value_type=float)
    return [
        Node(
            executable="virtual_camera",
            parameters=[given(context, people=int, use_sim_time=bool) | {"fps": camera_fps}],
            remappings=camera_remappings(context),
            **common("virtual_camera"),
        )
    ]


def composed_camera(context: LaunchContext) -> str:
    """Return the argument with which the virtual camera runs in the process of the others."""
    own = ["-r", f"__ns:=/{LaunchConfiguration('namespace').perform(context).strip('/')}"]
    fps = float(LaunchConfiguration("camera_fps").perform(context))
    own += ["-p", f"fps:={fps}"]
    for name in ("people", "use_sim_time"):
        own += ["-p", f"{name}:={LaunchConfiguration(name).perform(context)}"]
    for name, topic in camera_remappings(context):
        own += ["-r", f"{name}:={topic}"]
    return "--virtual-camera=" + shlex.join(own)


def camera_remappings(context: LaunchContext) -> list:
    """Return what puts the virtual camera's topics where the others listen."""
    topics = {"image_raw": image_topic(context), "camera_info": camera_info_topic(context)}
    return [(name, topic) for name, topic in topics.items() if name != topic]


def bring_up(node: LifecycleNode) -> list:
    """Return what configures a node when it has started and activates it when configured."""

    def request(transition: int) -> EmitEvent:
        event = ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
        return EmitEvent(event=event)

    started = OnProcessStart(
        target_action=node, on_start=[request(Transition.TRANSITION_CONFIGURE)]
    )
    configured = OnStateTransition(
        target_lifecycle_node=node,
        start_state="configuring",
        goal_state="inactive",
        entities=[request(Transition.TRANSITION_ACTIVATE)],
    )
    return [RegisterEventHandler(started), RegisterEventHandler(configured)]


def player(context: LaunchContext) -> list:
    """Return the player, if a clip is asked for."""
    clip = LaunchConfiguration("player").perform(context)
    if not clip:
        return []
    parameters = given(
        context,
        keypoints_topic=str,
        rate=float,
        loop=bool,
        wait_for_subscribers=int,
        start_delay=float,
        fps=float,
        width=int,
        height=int,
        use_sim_time=bool,
    )
    parameters["clip"] = ParameterValue("" if clip == "sample" else clip, value_type=str)
    parameters["layout"] = ParameterValue(LaunchConfiguration("clip_layout"), value_type=str)
    node = Node(executable="keypoint_player", parameters=[parameters], **common("keypoint_player"))
    if not is_true(context, "exit_with_player"):
        return [node]
    end = OnProcessExit(target_action=node, on_exit=[Shutdown(reason="the player has ended")])
    return [RegisterEventHandler(end), node]


def rviz(context: LaunchContext) -> list:
    """Return RViz, if it is asked for and there."""
    if not is_true(context, "rviz"):
        return []
    if shutil.which("rviz2") is None:
        return [LogInfo(msg=NO_RVIZ)]
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            name="rviz",
            arguments=["-d", LaunchConfiguration("rviz_config")],
            parameters=[given(context, use_sim_time=bool)],
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Return everything to launch."""
    made_by = [OpaqueFunction(function=make) for make in (nodes, virtual_camera, player, rviz)]
    return LaunchDescription([*arguments(), *made_by])
