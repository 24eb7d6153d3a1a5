"""Parameters of nodes: declared from dataclasses of settings, checked, and read back as these.

A field is a parameter, declared by `pstmo_core.settings.setting`; `StreamConfig` of the core is
such a dataclass, so the node's streaming parameters are declared there. The parameter files and the
reference are written from the same declarations by scripts/write_parameters.py.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    InvalidTopicNameException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.validate_topic_name import validate_topic_name

from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.layouts import LayoutError, layout_name
from pstmo_core.settings import KINDS, rule, setting

Group = TypeVar("Group")

RUNNING = "Can be changed while the node runs."
UNCONFIGURED = "Can be changed while the node is unconfigured."
NEVER = "Is read once, at the start."


#: What a value has to be, by the type of the default, as ROS wants it written.
_KINDS = KINDS | {float: "a number with a decimal point (1.0, not 1)"}


def autostart() -> Any:
    """Declare the parameter of lifecycle nodes that makes them start by themselves."""
    return setting(
        False,
        "Whether the node configures and activates itself when it starts. The launch file sets it "
        "from its argument activate.",
        change=NEVER,
    )


def check_topic(group: Any, name: str) -> None:
    """Check that a field is the name of a topic.

    Raises:
        ConfigError: if it is none; says what is wrong with it.
    """
    topic = getattr(group, name)
    try:
        validate_topic_name(topic)
    except (InvalidTopicNameException, ValueError) as error:
        rule = "a topic's name: letters, digits, _ and / (keypoints, /camera/keypoints)"
        raise ConfigError(f"{name} is {topic!r}, but must be {rule}. ({error})") from error


def check_layout(layout: str) -> str:
    """Return the name of a layout that a parameter gives by name or file; empty if it is empty.

    Raises:
        ConfigError: if there is no such layout, or its file is missing or wrong.
    """
    try:
        return layout_name(layout) if layout else ""
    except LayoutError as error:
        raise ConfigError(f"layout: {error}") from error


class Parameters:
    """The parameters of a node.

    ROS ignores values for names that the node has not; the log says so of those that look misspelt.

    Args:
        node: declares them.
        groups: dataclasses whose fields are the parameters; no name twice.
        beside: those of nodes in the same process, which is given values for all of them.

    Raises:
        ConfigError: if a value that the node was started with is wrong.
    """

    def __init__(self, node: Node, *groups: type[Any], beside: Sequence[type[Any]] = ()) -> None:
        self._node = node
        self._groups = groups
        self._change: dict[str, str] = {}
        for group in groups:
            for field in dataclasses.fields(group):
                self._change[field.name] = field.metadata["change"] or RUNNING
                _declare(node, field)
        for group in groups:
            self.read(group)
        known = {field.name for group in beside for field in dataclasses.fields(group)}
        for sentence in self._misspelt(known):
            node.get_logger().warning(sentence)

    def _misspelt(self, known: set[str]) -> Iterator[str]:
        """Say of given names that no node here has what they may mean."""
        given = getattr(self._node, "_parameter_overrides", {})  # rclpy has no public way
        for name in sorted(set(given) - set(self._change) - known):
            if self._node.has_parameter(name):  # of rclpy: use_sim_time and others
                continue
            for near in difflib.get_close_matches(name, self._change, n=1, cutoff=0.8):
                yield f"there is no parameter {name}, and it is not used: did you mean {near}?"

    def read(self, group: type[Group], changes: Iterable[Parameter] = ()) -> Group:
        """Return the values of one group, with changes that are only proposed.

        Raises:
            ConfigError: if they do not fit together.
        """
        proposed = {change.name: change.value for change in changes}
        values = {
            field.name: proposed.get(field.name, self._node.get_parameter(field.name).value)
            for field in dataclasses.fields(group)  # type: ignore[arg-type]
        }
        return group(**{name: _plain(value) for name, value in values.items()})

    def check(self, changes: Sequence[Parameter], *, configured: bool) -> None:
        """Check changes before they are made.

        What sets a parameter to the value that it has, as `ros2 param load` does, is no change.

        Raises:
            ConfigError: if a value is wrong, or cannot be changed now.
        """
        for change in changes:
            late = configured and self._change.get(change.name) == UNCONFIGURED
            if late and change.value != self._node.get_parameter(change.name).value:
                raise ConfigError(
                    f"{change.name} can be changed only while the node is unconfigured: run `ros2 "
                    f"lifecycle set {self._node.get_fully_qualified_name()} deactivate`, then the "
                    "same with cleanup, set it, then configure and activate"
                )
        for group in self._groups:
            self.read(group, changes)


def _declare(node: Node, field: dataclasses.Field[Any]) -> None:
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    try:
        node.declare_parameter(field.name, default, _descriptor(field))
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise ConfigError(f"parameter {field.name} must be {_rule(field)}. ({error})") from error


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    meta = field.metadata
    low, high, change = meta["low"], meta["high"], meta["change"] or RUNNING
    if meta["special"] is not None:  # ROS knows one range; `check_settings` refuses what is between
        low, high = min(low, meta["special"]), max(high, meta["special"])
    descriptor = ParameterDescriptor(
        name=field.name,
        description=f"{meta['description']} {change}",
        additional_constraints=f"must be {_rule(field)}",
        read_only=change == NEVER,
    )
    if None in (low, high):
        return descriptor
    if isinstance(field.default, int):
        descriptor.integer_range = [IntegerRange(from_value=low, to_value=high)]
    else:
        limits = FloatingPointRange(from_value=float(low), to_value=float(high))
        descriptor.floating_point_range = [limits]
    return descriptor


def _rule(field: dataclasses.Field[Any]) -> str:
    """Say what is right for a parameter, as ROS wants it written."""
    if isinstance(field.default, tuple):
        example = [float(value) for value in field.default]
        return f"a list of {len(example)} numbers with a decimal point ({example})"
    return rule(field, _KINDS)


def _plain(value: Any) -> Any:
    """Turn the lists and arrays of ROS parameters into tuples."""
    return value if isinstance(value, (bool, int, float, str)) else tuple(value)
