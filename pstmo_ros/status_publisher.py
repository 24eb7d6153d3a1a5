"""Publishes what a node says of its health on /diagnostics, once a second.

Published directly: diagnostic_updater for Python is not available wherever the nodes run.
"""

from __future__ import annotations

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Header

from pstmo_ros.conversions import time_message

PERIOD = 1.0
"""Seconds between two messages."""


class StatusPublisher:
    """Says on /diagnostics how a node is, in every state of its life.

    The publisher is no lifecycle publisher and the timer is not on the node's clock: it speaks
    while the node is inactive, and while a simulation stands still.

    Args:
        node: whose health it is.
        status: takes the node's full name and returns how it is now.
    """

    def __init__(self, node: Node, status: Callable[[str], DiagnosticStatus]) -> None:
        self._node, self._status = node, status
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        node.create_timer(PERIOD, self._publish, clock=steady)

    def _publish(self) -> None:
        status = self._status(self._node.get_fully_qualified_name().lstrip("/"))
        header = Header(stamp=time_message(self._node.get_clock().now().nanoseconds))
        self._publisher.publish(DiagnosticArray(header=header, status=[status]))
