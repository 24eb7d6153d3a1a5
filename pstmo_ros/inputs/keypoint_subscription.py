"""The subscription to keypoints, which also counts messages that were lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind

from pstmo_ros.conversions import stamp_ns
from pstmo_ros.inputs.arrival import Arrival, Heard, with_arrival
from pstmo_ros.inputs.lost_frames import LostFrames
from pstmo_ros.msg import People2D
from pstmo_ros.publishers import Publishers

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # ROS 2 Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


_PERIOD = 2.0
"""Seconds between two looks at the types of what is published."""


class KeypointSubscription:
    """Hears keypoints until it is destroyed.

    Args:
        node: hears them.
        topic: where they are published.
        reliability: `best_effort` or `reliable`.
        depth: messages that wait while one is lifted; older ones are lost.
        callback: takes keypoints.
        kind: of the messages.
        convert: makes a People2D of such a message, or None of one that cannot be used; None where
            they are People2D.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        reliability: str,
        depth: int,
        callback: Callable[[Heard], None],
        kind: type = People2D,
        convert: Callable[[Any], People2D | None] | None = None,
    ) -> None:
        self._node, self._callback, self._convert = node, callback, convert
        self._type = f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"
        self._incompatible = self._mistyped = ""
        """Why publishers are not heard: by their QoS, and by their type."""
        qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy[reliability.upper()])
        self._subscription = node.create_subscription(
            kind, topic, with_arrival(self._on_message), qos,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
        )  # fmt: skip
        self._lost = LostFrames(self._subscription.get_publisher_count)
        self._publishers = Publishers(self._subscription.get_publisher_count)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_PERIOD, self._look_at_types, clock=steady)

    @property
    def refused(self) -> str:
        """Why a publisher of the topic is not heard; empty while there is no such publisher."""
        return self._incompatible or self._mistyped

    @property
    def topic(self) -> str:
        """The topic's full name."""
        return str(self._subscription.topic_name)

    def destroy(self) -> None:
        """Hear nothing any more."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_subscription(self._subscription)

    def _on_message(self, message: Any, arrival: Arrival) -> None:
        lost = self._lost.add(arrival.sequence, stamp_ns(message.header.stamp))
        publisher = self._publishers.of(arrival.sequence, time.monotonic_ns())
        people = message if self._convert is None else self._convert(message)
        if people is not None:
            self._callback(Heard(people, arrival.received, lost, publisher))

    def _on_incompatible(self, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        self._incompatible = (
            f"a publisher of {self.topic} offers another {policy} than this node asks for, so "
            "nothing of it is received: set qos_reliability to best_effort, which hears both"
        )
        self._node.get_logger().warning(self._incompatible)

    def _look_at_types(self) -> None:
        """Notice publishers of other messages, of which the middleware says nothing."""
        infos = self._node.get_publishers_info_by_topic(self.topic)
        others = sorted({info.topic_type for info in infos})
        said, self._mistyped = self._mistyped, ""
        if others and self._type not in others:
            self._mistyped = (
                f"what is published on {self.topic} is {', '.join(others)}, but this node listens "
                f"to {self._type}: correct keypoints_topic, or set input to the kind of message"
            )
            if not said:
                self._node.get_logger().warning(self._mistyped)
