"""Runs a node as a process: a wrong parameter ends in one sentence, Ctrl-C ends it cleanly."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from pstmo_core.errors import PstmoError

AnyNode = TypeVar("AnyNode", bound=Node)
REFUSED = 2
"""Exit status of a node that cannot start with its parameters."""
CANNOT_START = 3
"""Exit status of a process whose node refused to be configured or activated."""


def run_node(
    make: Callable[[], AnyNode], args: Sequence[str] | None, work: Callable[[AnyNode], int]
) -> int:
    """Start ROS and a node, let it work, and end both, also on Ctrl-C and SIGTERM.

    With `--help`, say instead how it is called.

    Args:
        make: makes the node.
        args: the command line after the program's name; None for that of the process.
        work: returns the exit status.
    """
    if {"-h", "--help"} & set(sys.argv[1:] if args is None else args):
        print(_help(make))
        return 0
    started = False
    try:
        _make_room_for_logs()
        rclpy.init(args=None if args is None else [sys.argv[0], *args])
        started = True
        # If `spin` made it after a Ctrl-C, rclpy would print a traceback.
        rclpy.get_global_executor()
        node = make()
        try:
            with library_logs(node):
                return work(node)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C: it is ending already
            node.destroy_node()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except RuntimeError as error:
        if os.environ.get("ROS_SECURITY_ENABLE") == "true" and "security" in str(error):
            _say(
                f"the node is not started, because it could not be secured ({error}). Use a ROS 2 "
                "whose middleware was built with security, and a keystore with this enclave; nodes "
                "run without security where ROS_SECURITY_ENABLE is not true"
            )
            return CANNOT_START
        if not started:
            _say(f"{error} (parameters are given as --ros-args -p NAME:=VALUE)")
            return REFUSED
        if not rclpy.ok():  # rclpy's RCLError: the signal came while something was being made
            return 0
        raise
    except PstmoError as error:
        _say(str(error))
        return REFUSED
    finally:
        rclpy.try_shutdown()


def spin(node: Node) -> int:
    """Let a node do nothing but answer; return the exit status."""
    rclpy.spin(node)
    return 0


def _help(make: Callable[[], Node]) -> str:
    return f"""{inspect.getdoc(inspect.getmodule(make))}

    ros2 run pstmo_ros {Path(sys.argv[0]).name} --ros-args -p PARAMETER:=VALUE -r TOPIC:=OTHER

docs/parameters.md lists its parameters; while it runs, `ros2 param list` and `ros2 param describe`
do. `ros2 launch pstmo_ros lifter.launch.py` starts all nodes that belong together and takes their
parameters as arguments (--show-args)."""


def _say(sentence: str) -> None:
    print(f"{sys.argv[0].rsplit('/', 1)[-1]}: {sentence}", file=sys.stderr)


def _make_room_for_logs() -> None:
    """Let ROS log to a temporary folder where its own cannot be made: it would refuse to start."""
    home = os.environ.get("HOME")
    usual = os.environ.get("ROS_HOME") or (f"{home}/.ros" if home else "")
    folder = os.environ.get("ROS_LOG_DIR") or (f"{usual}/log" if usual else "")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        if folder and os.access(folder, os.W_OK):
            return
    except OSError:
        pass
    os.environ["ROS_LOG_DIR"] = tempfile.mkdtemp(prefix="ros_log_")
    print(
        f"{folder or 'HOME is not set: ~/.ros/log'} cannot be written, so this process logs to "
        f"{os.environ['ROS_LOG_DIR']}; set ROS_LOG_DIR to choose a folder",
        file=sys.stderr,
    )


@contextlib.contextmanager
def library_logs(node: Node) -> Iterator[None]:
    """Let a node say meanwhile what the library logs, from whatever thread."""
    library, handler = logging.getLogger("pstmo_core"), _ToNode(node)
    level = library.level
    library.addHandler(handler)
    library.setLevel(logging.INFO)
    try:
        yield
    finally:
        library.removeHandler(handler)
        library.setLevel(level)


class _ToNode(logging.Handler):
    """Hands records to a node's logger."""

    def __init__(self, node: Node) -> None:
        super().__init__()
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        # rclpy insists that one line of code always logs at the same level.
        if record.levelno >= logging.ERROR:
            self._logger.error(self.format(record))
        elif record.levelno >= logging.WARNING:
            self._logger.warning(self.format(record))
        else:
            self._logger.info(self.format(record))
