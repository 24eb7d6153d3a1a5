"""The values of launch arguments, read when everything is launched."""

from __future__ import annotations

from typing import Any

from launch import LaunchContext
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.utilities import make_namespace_absolute, prefix_namespace

from pstmo_core.settings import user_path
from pstmo_ros.launching import node_parameters

PACKAGE = "pstmo_ros"


def get(context: LaunchContext, name: str) -> str:
    """Return the value of an argument."""
    return str(LaunchConfiguration(name).perform(context))


def path(context: LaunchContext, name: str) -> str:
    """Return the value of an argument that names a file; a shell leaves ~ after := as it is."""
    return str(user_path(get(context, name)))


def is_true(context: LaunchContext, name: str) -> bool:
    """Return the value of a switch."""
    return bool(IfCondition(LaunchConfiguration(name)).evaluate(context))


def given(
    context: LaunchContext, groups: tuple[type[Any], ...], names: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return the arguments that are parameters of these dataclasses, as node parameters."""
    values = node_parameters.values(context.launch_configurations, groups, names)
    if is_true(context, "use_sim_time"):
        values["use_sim_time"] = True
    return {name: text(v) if isinstance(v, str) else v for name, v in values.items()}


def namespace(context: LaunchContext) -> str:
    """Return the nodes' full namespace: below that which a launch file around this pushes."""
    pushed = context.launch_configurations.get("ros_namespace")
    full = make_namespace_absolute(prefix_namespace(pushed, get(context, "namespace")))
    return str(full or "/")


def from_around(context: LaunchContext) -> list[str]:
    """Return what a launch file around this sets for all nodes, as arguments after --ros-args.

    launch_ros gives it to each process (SetParameter, SetParametersFromFile, SetRemap).
    """
    found = []
    for given in context.launch_configurations.get("global_params") or ():
        if isinstance(given, tuple):
            found += ["-p", f"{given[0]}:={given[1]}"]
        else:
            found += ["--params-file", str(given)]
    for name, topic in context.launch_configurations.get("ros_remaps") or ():
        found += ["-r", f"{name}:={topic}"]
    return found


def text(value: str) -> ParameterValue:
    """Return a value that stays a string, even if it looks like a number or a boolean."""
    return ParameterValue(value, value_type=str)
