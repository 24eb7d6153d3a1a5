"""One of the cameras that are merged: its subscription, and how its messages come."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile

from pstmo_ros.conversions import stamp_ns
from pstmo_ros.guarded_callback import guarded
from pstmo_ros.inputs.arrival import Arrival, with_arrival
from pstmo_ros.inputs.lost_frames import LostFrames
from pstmo_ros.merger_diagnostics import CameraHealth
from pstmo_ros.monitor import Monitor
from pstmo_ros.msg import Skeletons3D


class MergedCamera:
    """Hears a lifter's skeletons, and remembers how many came, when, and what came of them.

    Args:
        node: hears them.
        topic: where they are published.
        qos: of the subscription.
        take: takes the topic and a message, and says whether the message was merged.
        report: takes the reason and a sentence of what goes wrong.
    """

    def __init__(
        self,
        node: Node,
        topic: str,
        qos: QoSProfile,
        take: Callable[[str, Skeletons3D], bool],
        report: Callable[[str, str], None],
    ) -> None:
        self.topic = topic
        self._node, self._take = node, take
        self._monitor = Monitor(time.monotonic_ns())
        callback = guarded(node, with_arrival(self._on_message), report)
        self._subscription = node.create_subscription(Skeletons3D, topic, callback, qos)
        self._lost = LostFrames(self._subscription.get_publisher_count)

    @property
    def name(self) -> str:
        """The topic's full name."""
        return str(self._subscription.topic_name)

    @property
    def sources(self) -> bool:
        """Whether somebody publishes there."""
        return bool(self._node.count_publishers(self.name))

    def health(self, people: int) -> CameraHealth:
        """Return how its messages came up to now.

        Args:
            people: of the newest answer whom this camera sees.
        """
        report = self._monitor.report(time.monotonic_ns())
        return CameraHealth(self.name, report, self.sources, people)

    def _on_message(self, message: Skeletons3D, arrival: Arrival) -> None:
        stamp = stamp_ns(message.header.stamp)
        lost, merged = self._lost.add(arrival.sequence, stamp), False
        try:
            merged = self._take(self.topic, message)
        finally:
            took = self._node.get_clock().now().nanoseconds - stamp if merged else np.nan
            self._monitor.add(time.monotonic_ns(), int(merged), from_stamp=took, lost=lost)
