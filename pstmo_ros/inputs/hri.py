"""Collects the hri_msgs/Skeleton2D of all bodies below /humans/bodies (REP-155) per image."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from pstmo_ros.conversions import stamp_ns
from pstmo_ros.inputs.arrival import Heard
from pstmo_ros.inputs.people import Size, UnusableInput, people_message
from pstmo_ros.latched_topic import LatchedTopic

BODIES = "/humans/bodies"
_LAYOUT = "openpose18"
#: hri_msgs has the points of OpenPose with left eye and ear before the right ones.
_ORDER = np.array([*range(14), 15, 14, 17, 16])
#: What names of topics may hold, which end at 247 characters.
_ID = re.compile("[A-Za-z_][A-Za-z0-9_]{0,127}")
_MOST_BODIES = 64
_PATIENCE = 0.05
"""Seconds for which an image waits for the skeletons of further bodies."""
_SILENCE = 1.0
"""Seconds after which a body without skeletons is not waited for."""


class HriBodies:
    """Hears the skeletons of all tracked bodies until it is destroyed.

    Skeletons of one image have one stamp. An image is complete when all bodies have told theirs;
    it does not wait longer than for a later image.

    Args:
        node: hears them.
        messages: hri_msgs' messages.
        qos: of the subscriptions.
        size: returns the image's size, None while it is not known (and nothing is given on).
        callback: takes people; how many frames were lost is not known.
        drop: takes a sentence on what cannot be used.
    """

    def __init__(
        self,
        node: Node,
        messages: Any,
        qos: QoSProfile,
        size: Callable[[], Size | None],
        callback: Callable[[Heard], None],
        drop: Callable[[str], object],
    ) -> None:
        self.refused = ""  # what is not heard is not noticed here
        self.topic = f"{BODIES}/*/skeleton2d"
        self._node, self._messages, self._qos = node, messages, qos
        self._size, self._callback, self._drop = size, callback, drop
        self._bodies: dict[str, Any] = {}
        self._spoke: dict[str, float] = {}
        self._image: dict[str, Any] = {}
        """The skeletons of the newest image, by body."""
        self._stamp, self._received = 0, 0
        self._tracked = LatchedTopic(
            node, messages.IdsList, f"{BODIES}/tracked", self._on_tracked, qos
        )
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_PATIENCE / 2, self._look, clock=steady)

    def destroy(self) -> None:
        """Hear nothing any more."""
        self._node.destroy_timer(self._timer)
        self._tracked.close()
        for subscription in self._bodies.values():
            self._node.destroy_subscription(subscription)
        self._bodies, self._image = {}, {}

    def _on_tracked(self, message: Any) -> None:
        ids = [name for name in message.ids[:_MOST_BODIES] if _ID.fullmatch(name)]
        if len(ids) < len(message.ids):
            self._drop(
                f"{len(message.ids) - len(ids)} of {len(message.ids)} bodies are not heard: at "
                f"most {_MOST_BODIES} are, and ids must be letters, digits and underscores, at "
                "most 128, and not begin with a digit"
            )
        for name in set(self._bodies) - set(ids):
            self._node.destroy_subscription(self._bodies.pop(name))
            self._spoke.pop(name, None)
        for name in ids:
            if name not in self._bodies:
                self._bodies[name] = self._node.create_subscription(
                    self._messages.Skeleton2D,
                    f"{BODIES}/{name}/skeleton2d",
                    partial(self._on_skeleton, name),
                    self._qos,
                )
        if not ids:
            self._give(message.header, time.time_ns(), {})

    def _on_skeleton(self, name: str, message: Any) -> None:
        stamp = stamp_ns(message.header.stamp)
        if self._image and stamp != self._stamp:
            self._give_image()
        if not self._image:
            self._stamp, self._received = stamp, time.time_ns()
        now = time.monotonic()
        self._image[name] = message
        self._spoke[name] = now
        awaited = {name for name, at in self._spoke.items() if now - at < _SILENCE}
        if awaited <= set(self._image):
            self._give_image()

    def _look(self) -> None:
        if self._image and time.time_ns() - self._received > _PATIENCE * 1e9:
            self._give_image()

    def _give_image(self) -> None:
        image, self._image = self._image, {}
        self._give(next(iter(image.values())).header, self._received, image)

    def _give(self, header: Header, received: int, image: dict[str, Any]) -> None:
        size = self._size()
        if size is None:
            return

        def read(image: dict[str, Any]) -> Any:
            return header, _LAYOUT, [(name, *_points(each)) for name, each in image.items()]

        try:
            people = people_message(read, image, size, normalized=True)
        except UnusableInput:
            self._drop(
                f"dropped: coordinates on {self.topic} are no shares of the image, 0 to 1, as "
                "REP-155 has them"
            )
        else:
            self._callback(Heard(people, received))


def _points(skeleton: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return points (18, 2) as shares of the image and scores (18,) in OpenPose's order."""
    rows = [(point.x, point.y, point.c) for point in skeleton.skeleton]
    values = np.array(rows, np.float32)[_ORDER]
    return values[:, :2], values[:, 2]
