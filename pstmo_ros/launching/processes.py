"""Processes of this package's nodes; if one of them fails, everything ends."""

from __future__ import annotations

from typing import Any

from launch import LaunchContext
from launch.actions import OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from pstmo_ros.launching.context import PACKAGE, is_true
from pstmo_ros.lifecycle_process import AWAIT_LAUNCH, END_ON_FAILURE


def common(name: str = "") -> dict[str, Any]:
    """Return options that all nodes share; a process of several nodes gets no name."""
    named = {"name": name} if name else {}
    return named | {
        "package": PACKAGE,
        "namespace": LaunchConfiguration("namespace"),
        "output": "screen",
        "emulate_tty": True,
        "arguments": ["--ros-args", "--log-level", LaunchConfiguration("log_level")],
    }


def managed(context: LaunchContext, executable: str, name: str, parameters: list[Any]) -> list[Any]:
    """Return a lifecycle node in a process of its own, which activates itself if so asked.

    It does so once, when it starts; later transitions are the user's. A launch file that includes
    this one can react to all transitions (OnStateTransition).
    """
    options = common(name)
    ends = [END_ON_FAILURE] if is_true(context, "end_on_failure") else []
    options["arguments"] = [AWAIT_LAUNCH, *ends, *options["arguments"]]
    node = LifecycleNode(
        executable=executable, parameters=[*parameters, autostart(context)], **options
    )
    return [*ends_all(context, node, f"the {name}"), node]


def autostart(context: LaunchContext) -> dict[str, bool]:
    """Return the parameter that tells a node whether to activate itself."""
    return {"autostart": is_true(context, "activate")}


def failure(reason: str) -> OpaqueFunction:
    """Return an action that ends everything and makes `ros2 launch` return 1.

    The action Shutdown would make it return 0; launch returns 1 only after an exception.
    """

    def fail(_: LaunchContext) -> None:
        raise RuntimeError(reason)

    return OpaqueFunction(function=fail)


def ends_all(context: LaunchContext, node: Node, what: str) -> list[Any]:
    """Return the handlers that end everything if a node's process fails."""

    def ended(event: Any, context: LaunchContext) -> list[Any]:
        if event.returncode == 0 or context.is_shutdown:
            return []
        return [failure(f"{what} has failed, exit code {event.returncode} (see its error above)")]

    if not is_true(context, "end_on_failure"):
        return []
    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))]
