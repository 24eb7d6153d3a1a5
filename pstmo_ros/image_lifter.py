"""Detector and lifter in one process, optionally with the camera: images to skeletons.

Messages between these nodes stay inside the process. This matters most for images: large ones that
are sent best-effort from another process are often lost on a busy machine.

Each node has a thread and an executor of its own. rclpy's MultiThreadedExecutor does not wait for
its callbacks when it is shut down, so that nodes would be destroyed under them.
"""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import Sequence

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from pstmo_ros.detector_node import DetectorNode
from pstmo_ros.lifecycle_process import start
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.run_node import CANNOT_START, run_node

CAMERA = "--camera="
VIRTUAL_CAMERA = "--virtual-camera="
"""Arguments, before --ros-args, that say that a camera runs here too, and with which arguments:
those of the process are not for it, whose parameters have names that the others use."""


def _work(detector: DetectorNode, cameras: list[str]) -> int:
    others: list[Node] = [LifterNode(), *map(_camera, cameras)]
    faults: list[BaseException] = []
    idle: list[str] = []
    threads = [threading.Thread(target=_spin, args=(node, faults, idle)) for node in others]
    try:
        for thread in threads:
            thread.start()
        _spin(detector, faults, idle)
    finally:
        rclpy.try_shutdown()  # ends the others' threads
        for thread, node in zip(threads, others, strict=True):
            thread.join()
            node.destroy_node()
    if faults:
        raise faults[0]
    return CANNOT_START if idle else 0


def _camera(argument: str) -> Node:
    """Make the camera that an argument asks for."""
    kind, _, arguments = argument.partition("=")
    options = {
        "use_global_arguments": False,
        "cli_args": ["--ros-args", *shlex.split(arguments)],
    }
    if kind + "=" == CAMERA:
        from pstmo_ros.camera_node import CameraNode

        return CameraNode(**options)
    from pstmo_ros.virtual_camera import VirtualCamera

    return VirtualCamera(**options)


def _spin(node: Node, faults: list[BaseException], idle: list[str]) -> None:
    """Serve a node until the end; a fault in one node, or that it cannot start, is the end of all.

    Half of the chain alone would look healthy and do nothing.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if (
            isinstance(node, (DetectorNode, LifterNode))
            and node.get_parameter("autostart").value
            and not start(node, executor)
        ):
            if rclpy.ok():
                idle.append(node.get_name())
                node.get_logger().fatal("cannot start (see above), so everything here ends")
            return
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception as fault:
        if rclpy.ok():  # else the end came while something was being made
            faults.append(fault)
    finally:
        executor.shutdown()
        rclpy.try_shutdown()


def main(args: Sequence[str] | None = None) -> int:
    """Run the nodes until Ctrl-C."""
    given = sys.argv[1:] if args is None else list(args)
    cameras = [argument for argument in given if argument.startswith((CAMERA, VIRTUAL_CAMERA))]
    rest = [argument for argument in given if argument not in cameras]
    return run_node(lambda: DetectorNode(), rest, lambda detector: _work(detector, cameras))


if __name__ == "__main__":
    sys.exit(main())
