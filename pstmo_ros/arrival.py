"""Callbacks that are told when their message arrived, on every distribution."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import rclpy.subscription


def with_arrival(callback: Callable[[Any, int], None]) -> Callable[..., None]:
    """Return a subscription's callback that calls one with the message and its arrival.

    The arrival is nanoseconds on this machine's clock (`time.time_ns`): when the middleware took
    the message, where it and rclpy say so, else when the callback began.
    """

    def told(message: Any, info: Mapping[str, Any]) -> None:
        callback(message, info["received_timestamp"] or time.time_ns())

    def untold(message: Any) -> None:
        callback(message, time.time_ns())

    return told if hasattr(rclpy.subscription, "MessageInfo") else untold
