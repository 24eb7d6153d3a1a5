"""How messages arrived: what the middleware says of them, on every distribution."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rclpy.subscription import Subscription

from pstmo_ros.msg import People2D


class Arrival(NamedTuple):
    """What the middleware says of a message."""

    received: int
    """Nanoseconds on this machine's clock (`time.time_ns`): when the middleware took the message,
    where it and rclpy say so, else when the callback began."""
    sequence: int | None = None
    """The message's number among those of its publisher, where the middleware says so."""


class Heard(NamedTuple):
    """Keypoints of an image, and how they came."""

    message: People2D
    received: int
    """See `Arrival`."""
    lost: int = 0
    """How many frames were lost since the last one."""
    publisher: int = 0
    """Which of the topic's publishers it is of, as `Publishers` says; 0 where not known."""


def with_arrival(callback: Callable[[Any, Arrival], None]) -> Callable[..., None]:
    """Return a subscription's callback that calls one with the message and its arrival."""

    def told(message: Any, info: Mapping[str, Any]) -> None:
        received = info["received_timestamp"] or time.time_ns()
        callback(message, Arrival(received, info.get("publication_sequence_number")))

    def untold(message: Any) -> None:
        callback(message, Arrival(time.time_ns()))

    return told if hasattr(Subscription, "CallbackType") else untold
