"""Logs that messages stay away and that they come again: each once, not as long as it lasts."""

from __future__ import annotations

from rclpy.node import Node

from pstmo_ros.faults import Fault
from pstmo_ros.monitor import Report

LOGGED_SILENCE, LOGGED_START = 5.0, 15.0
"""Seconds without a message after which it is logged: after a message, and after the start, when
cameras and detectors start, too."""


class SilenceLog:
    """Remembers whether it was said that messages stay away.

    Args:
        node: logs it.
        what: the messages are, in the plural.
    """

    def __init__(self, node: Node, what: str) -> None:
        self._node, self._what = node, what
        self._silent = False

    def look(self, active: bool, report: Report, topic: str, fault: Fault | None) -> None:
        """Log what has changed.

        Args:
            active: whether the node listens.
            report: of the messages.
            topic: where they are expected.
            fault: says that they stay away and why; None if they do not.
        """
        longest = LOGGED_SILENCE if report.heard else LOGGED_START
        silent = active and report.silence >= longest
        if fault and silent and not self._silent:
            self._node.get_logger().warning(fault[1])
        elif self._silent and active and not silent:
            self._node.get_logger().info(f"{self._what} come on {topic}")
        self._silent = silent
