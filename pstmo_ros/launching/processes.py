"""Processes of this package's nodes, whose failure is the end of all."""

from __future__ import annotations

from typing import Any

from launch import LaunchContext
from launch.actions import OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node

from pstmo_ros.launching.context import PACKAGE, is_true
from pstmo_ros.lifecycle import AWAIT_LAUNCH, END_ON_FAILURE


def common(name: str = "") -> dict[str, Any]:
    """Return what this package's nodes have in common; no name for a process of several nodes."""
    named = {"name": name} if name else {}
    return named | {
        "package": PACKAGE,
        "namespace": LaunchConfiguration("namespace"),
        "output": "screen",
        "emulate_tty": True,
        "arguments": ["--ros-args", "--log-level", LaunchConfiguration("log_level")],
    }


def managed(context: LaunchContext, executable: str, name: str, parameters: list[Any]) -> list[Any]:
    """Return a lifecycle node in a process of its own, which activates itself if it is to.

    Once, when it starts: later transitions are the user's. Who includes the launch file hears of
    all transitions (OnStateTransition).
    """
    options = common(name)
    ends = [END_ON_FAILURE] if is_true(context, "end_on_failure") else []
    options["arguments"] = [AWAIT_LAUNCH, *ends, *options["arguments"]]
    node = LifecycleNode(
        executable=executable, parameters=[*parameters, autostart(context)], **options
    )
    return [*ends_all(context, node, f"the {name}"), node]


def autostart(context: LaunchContext) -> dict[str, bool]:
    """Return the parameter by which a node activates itself if it is to."""
    return {"autostart": is_true(context, "activate")}


def failure(reason: str) -> OpaqueFunction:
    """Return what ends everything so that `ros2 launch` returns 1.

    The action Shutdown ends everything with 0; launch returns 1 after an exception only.
    """

    def fail(_: LaunchContext) -> None:
        raise RuntimeError(reason)

    return OpaqueFunction(function=fail)


def ends_all(context: LaunchContext, node: Node, what: str) -> list[Any]:
    """Return what ends everything if a node's process fails."""

    def ended(event: Any, context: LaunchContext) -> list[Any]:
        if event.returncode == 0 or context.is_shutdown:
            return []
        return [failure(f"{what} has failed, exit code {event.returncode} (see its error above)")]

    if not is_true(context, "end_on_failure"):
        return []
    return [RegisterEventHandler(OnProcessExit(target_action=node, on_exit=ended))]
