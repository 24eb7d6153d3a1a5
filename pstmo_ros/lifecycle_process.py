"""Runs a lifecycle node as a process, which starts by itself and answers while it prepares."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from rclpy.executors import Executor, SingleThreadedExecutor

from pstmo_ros.lifecycle import GuardedNode
from pstmo_ros.run_node import CANNOT_START, run_node

END_ON_FAILURE = "--end-on-failure"
"""Argument of a node's process, before --ros-args: it ends if the node cannot start by itself."""
AWAIT_LAUNCH = "--await-launch"
"""Argument of a node's process, before --ros-args: the node starts by itself when the launch file
listens to its transitions, or after `_LAUNCH_PATIENCE`."""
_LAUNCH_PATIENCE = 5.0
"""Seconds."""
_TURN = 0.02
"""Longest time in seconds between two looks whether the node can start."""


def run_lifecycle_node(make: Callable[[], GuardedNode], args: Sequence[str] | None) -> int:
    """Run a node as a process until the end; return the exit status.

    The node becomes active at once if its parameter `autostart` says so. If that fails, the process
    ends if `END_ON_FAILURE` is given; otherwise the node waits, unconfigured, until somebody
    corrects its parameters and configures it.

    Args:
        make: makes the node.
        args: the command line after the program's name; None for that of the process.
    """
    given = sys.argv[1:] if args is None else args
    return run_node(make, args, lambda node: _serve(node, given))


def _serve(node: GuardedNode, given: Sequence[str]) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        started = not node.get_parameter("autostart").value or start(
            node, executor, AWAIT_LAUNCH in given
        )
        if not started and END_ON_FAILURE in given and node.context.ok():
            node.get_logger().fatal("cannot start (see above), so it ends")
            return CANNOT_START
        executor.spin()
    finally:
        executor.shutdown()
    return 0


def start(node: GuardedNode, executor: Executor, await_launch: bool = False) -> bool:
    """Let a node start by itself; return whether it did, or somebody else has seen to its state.

    Nobody has to ask it over the network. A request of the launch file may reach a namesake that is
    just going away, or nobody; it is never repeated.

    Args:
        node: is unconfigured.
        executor: serves it, and does so meanwhile: on a busy machine, and where an engine is built
            of a network, it would else be deaf to questions for seconds or minutes.
        await_launch: whether a launch file is to hear of it.
    """
    give_up = time.monotonic() + _LAUNCH_PATIENCE
    with ThreadPoolExecutor(1) as worker:
        # What fails here fails in the transition again, which says so.
        prepared = worker.submit(node.prepare)
        while node.context.ok() and (
            not prepared.done()
            or (
                await_launch
                and not node.count_subscribers("~/transition_event")
                and time.monotonic() < give_up
            )
        ):
            executor.spin_once(timeout_sec=_TURN)
    return node.context.ok() and (not node.is_unconfigured or node.start())
