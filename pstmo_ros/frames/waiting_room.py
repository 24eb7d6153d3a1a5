"""Messages that wait, in order and for a limited time, for what they need."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from pstmo_ros.inputs.arrival import Heard

_PERIOD = 0.005
"""Seconds between two looks while somebody waits."""
_MOST = 64
"""Messages that wait at once; the oldest goes on when another comes."""


class WaitingRoom:
    """Lets messages through when they are ready, or after a time.

    Args:
        node: has the timer that looks after those who wait.
        ready: says of keypoints whether they need not wait.
        handle: takes what was given to `enter`.
        patience: seconds.
    """

    def __init__(
        self,
        node: Node,
        ready: Callable[[Heard], bool],
        handle: Callable[[Heard], None],
        patience: float,
    ) -> None:
        self._node, self._ready, self._handle = node, ready, handle
        self._patience = patience
        self._waiting: deque[tuple[float, Heard]] = deque()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(_PERIOD, self._look, clock=steady)
        self._timer.cancel()

    def enter(self, heard: Heard) -> None:
        """Take in keypoints."""
        if not self._waiting and self._ready(heard):
            self._handle(heard)
            return
        if not self._waiting:
            self._timer.reset()
        self._waiting.append((time.monotonic() + self._patience, heard))
        if len(self._waiting) > _MOST:
            self._handle(self._waiting.popleft()[1])

    def close(self) -> None:
        """Forget who waits."""
        self._waiting.clear()
        self._node.destroy_timer(self._timer)

    def _look(self) -> None:
        while self._waiting:
            deadline, heard = self._waiting[0]
            if time.monotonic() < deadline and not self._ready(heard):
                return
            self._waiting.popleft()
            self._handle(heard)
        self._timer.cancel()
