"""Starts the lifter and brings it to active; on demand also a player of a clip, and RViz."""

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
        ("look_ahead", "", f"Frames of the window after the shown one; {AS_FILE}"),
        ("layout", "", f"Layout of the 2D keypoints, whatever messages say; {AS_FILE}"),
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
        ("activate", "true", "Whether the lifter is configured and activated."),
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


def common(name: str) -> dict:
    """Return what this package's nodes have in common."""
    return {
        "package": PACKAGE,
        "name": name,
        "namespace": LaunchConfiguration("namespace"),
        "output": "screen",
        "emulate_tty": True,
        "arguments": ["--ros-args", "--log-level", LaunchConfiguration("log_level")],
    }


def lifter(context: LaunchContext) -> list:
    """Return the lifter and what brings it to active."""
    own = given(context, keypoints_topic=str, model=str, look_ahead=int, layout=str)
    node = LifecycleNode(
        executable="lifter_node",
        parameters=[
            LaunchConfiguration("params_file"),
            own | given(context, use_sim_time=bool),
        ],
        **common("lifter"),
    )
    return [*(bring_up(node) if is_true(context, "activate") else []), node]


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
    made_by = [OpaqueFunction(function=make) for make in (lifter, player, rviz)]
    return LaunchDescription([*arguments(), *made_by])
