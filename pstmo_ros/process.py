"""Runs a node as a process: a refused parameter is a sentence, Ctrl-C is a clean end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from pstmo_core.errors import PstmoError

AnyNode = TypeVar("AnyNode", bound=Node)
REFUSED = 2
"""Exit status of a node that cannot start with its parameters."""


def run_node(
    make: Callable[[], AnyNode], args: Sequence[str] | None, work: Callable[[AnyNode], int]
) -> int:
    """Start ROS and a node, let it work, and end both, also on Ctrl-C and SIGTERM.

    Args:
        make: makes the node.
        args: the command line after the program's name; None for that of the process.
        work: returns the exit status.
    """
    rclpy.init(args=None if args is None else [sys.argv[0], *args])
    try:
        node = make()
        try:
            return work(node)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C: it is ending already
            node.destroy_node()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except RuntimeError:  # rclpy's RCLError: the signal came while something was being made
        if rclpy.ok():
            raise
        return 0
    except PstmoError as error:
        print(f"{sys.argv[0].rsplit('/', 1)[-1]}: {error}", file=sys.stderr)
        return REFUSED
    finally:
        rclpy.try_shutdown()
