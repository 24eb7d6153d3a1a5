"""Reports that a node waits for simulated time and /clock is silent."""

from __future__ import annotations

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

PATIENCE = 3.0
"""Seconds without /clock after which it is said."""
_PERIOD = 15.0
"""Seconds after which it is said again."""


def waits_for_clock(node: Node) -> bool:
    """Say whether a node takes its time from /clock and has heard none."""
    clock = node.get_clock()
    return bool(clock.ros_time_is_active) and clock.now().nanoseconds == 0


def watch_clock(node: Node) -> None:
    """Warn, now and then, as long as `use_sim_time` is true and nobody publishes /clock."""
    steady = Clock(clock_type=ClockType.STEADY_TIME)
    looks = 0

    def look() -> None:
        nonlocal looks
        if not waits_for_clock(node):
            looks = 0
            return
        if looks % round(_PERIOD / PATIENCE) == 0:
            node.get_logger().warning(
                "use_sim_time is true, but nobody publishes /clock, so there is no time: start the "
                "simulator, play the bag with --clock, or set use_sim_time:=false"
            )
        looks += 1

    node.create_timer(PATIENCE, look, clock=steady)
