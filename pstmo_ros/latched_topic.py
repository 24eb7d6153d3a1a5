"""A topic whose messages some publishers repeat and others latch, saying them only once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

_PERIOD = 0.5
"""Seconds between two looks at who publishes."""
_LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class LatchedTopic:
    """Hears publishers of every QoS, and of those that latch what they said before, too.

    A subscription to latched messages (transient local) is not compatible with a publisher that
    does not latch: it would hear nothing, and both nodes would log a warning. So one subscription
    hears whoever publishes, and a second one asks for what is latched: only while everybody on the
    topic latches, and only until it has been told.

    Args:
        node: hears.
        kind: of the messages.
        topic: where they are published.
        callback: takes them; a message that equals the one before is left out.
        qos: of the first subscription.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        qos: QoSProfile = qos_profile_sensor_data,
    ) -> None:
        self._node, self._kind, self._topic, self._callback = node, kind, topic, callback
        self._last: Any = None
        self._present: set[bytes] = set()
        """Who latched at the last look."""
        self._heard: set[bytes] = set()
        """Those of them who need not be asked any more."""
        self._told = False
        """Whether the second subscription has heard something since the last look."""
        self._all = node.create_subscription(kind, topic, self._hear, qos)
        self._latched: Any = None
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_PERIOD, self._look, clock=steady)
        self._look()

    def close(self) -> None:
        """Hear nothing any more."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._all)
        self._ask(False)

    def _look(self) -> None:
        """Ask those who latch, and have not been asked yet, for what they have said."""
        publishers = self._node.get_publishers_info_by_topic(self._all.topic_name)
        latching = {bytes(p.endpoint_gid) for p in publishers if _latches(p.qos_profile)}
        if self._told:
            self._heard, self._told = self._present, False
        self._present = latching
        self._ask(len(latching) == len(publishers) and bool(latching - self._heard))

    def _ask(self, wanted: bool) -> None:
        if wanted and self._latched is None:
            self._latched = self._node.create_subscription(
                self._kind, self._topic, self._hear_latched, _LATCHED
            )
        elif not wanted and self._latched is not None:
            self._node.destroy_subscription(self._latched)
            self._latched = None

    def _hear_latched(self, message: Any) -> None:
        self._told = True
        self._hear(message)

    def _hear(self, message: Any) -> None:
        if message != self._last:
            self._last = message
            self._callback(message)


def _latches(qos: QoSProfile) -> bool:
    """Say whether a publisher sends what it has said to who comes later: best effort never does."""
    return (
        qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
        and qos.reliability == ReliabilityPolicy.RELIABLE
    )
