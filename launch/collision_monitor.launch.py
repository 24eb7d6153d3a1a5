"""People for Nav2's collision monitor: starts the lifter with a cloud of people, and the monitor.

    ros2 launch pstmo_ros collision_monitor.launch.py image:=/camera/camera/color/image_raw

All arguments of lifter.launch.py hold here, too. The monitor takes velocities from
`cmd_vel_smoothed` and gives them on to `cmd_vel`, slower or not at all while somebody is near
(config/collision_monitor.yaml). It is no safety device, see docs/robots.md.
"""

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from pstmo_ros.launching.context import path
from pstmo_ros.launching.node_parameters import check_file

SHARE = FindPackageShare("pstmo_ros")
#: What makes the lifter tell what the monitor reads. The cloud must come in a level frame: some
#: releases of the monitor look at the heights in its own frame, most at those in the base frame.
LIFTER = {
    "publish_points": ("true", "Whether the lifter publishes the cloud that the monitor reads."),
    "floor_frame": ("base_footprint", "Frame whose plane z = 0 is the floor."),
    "target_frame": ("odom", "Frame of people; level, or heights mean nothing."),
}
PACKAGES = ("nav2_collision_monitor", "nav2_lifecycle_manager")


def arguments() -> list:
    """Return the arguments besides those of lifter.launch.py."""
    params = PathJoinSubstitution([SHARE, "config", "collision_monitor.yaml"])
    return [
        *(
            DeclareLaunchArgument(name, default_value=value, description=text)
            for name, (value, text) in LIFTER.items()
        ),
        DeclareLaunchArgument(
            "collision_monitor_config",
            default_value=params,
            description="Parameter file of the collision monitor.",
        ),
        DeclareLaunchArgument(
            "monitor",
            default_value="true",
            description="Whether the monitor is started; false where your Nav2 launch does it.",
            choices=("true", "false"),
        ),
    ]


def monitor(context: LaunchContext) -> list:
    """Return the monitor and what activates it, if it is asked for and installed."""
    if not IfCondition(LaunchConfiguration("monitor")).evaluate(context):
        return []
    config = path(context, "collision_monitor_config")
    check_file("collision_monitor_config", config)
    missing = [package for package in PACKAGES if not is_installed(package)]
    if missing:
        debian = " ".join(f"ros-$ROS_DISTRO-{name.replace('_', '-')}" for name in missing)
        return [LogInfo(msg=f"no collision monitor: apt install {debian}; the lifter runs")]
    sim = {"use_sim_time": IfCondition(LaunchConfiguration("use_sim_time")).evaluate(context)}
    common = {"namespace": LaunchConfiguration("namespace"), "output": "screen"}
    return [
        Node(
            package="nav2_collision_monitor",
            executable="collision_monitor",
            parameters=[config, sim],
            **common,
        ),
        Node(
            package="nav2_lifecycle_manager",
            executable="lifecycle_manager",
            name="lifecycle_manager_collision_monitor",
            parameters=[{"autostart": True, "node_names": ["collision_monitor"]}, sim],
            **common,
        ),
    ]


def is_installed(package: str) -> bool:
    """Return whether a package is installed."""
    try:
        get_package_prefix(package)
    except PackageNotFoundError:
        return False
    return True


def generate_launch_description() -> LaunchDescription:
    """Return everything to launch."""
    lifter = PathJoinSubstitution([SHARE, "launch", "lifter.launch.py"])
    included = IncludeLaunchDescription(PythonLaunchDescriptionSource(lifter))
    return LaunchDescription([*arguments(), included, OpaqueFunction(function=monitor)])
