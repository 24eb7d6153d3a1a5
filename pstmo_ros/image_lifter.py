"""Detector and lifter in one process, on demand with the virtual camera: images to skeletons.

What these nodes tell each other crosses no border between processes. That matters most for images:
large ones that are sent with best effort from another process are often lost on a busy machine.

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
from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.run_node import run_node

CAMERA = "--virtual-camera="
"""Argument, before --ros-args, that says that the virtual camera runs here too, and with which
arguments: those of the process are not for it, whose parameters have names that the others use."""


def _work(detector: DetectorNode, camera: str | None) -> int:
    others: list[Node] = [LifterNode()]
    if camera is not None:
        from pstmo_ros.virtual_camera import VirtualCamera

        own = ["--ros-args", *shlex.split(camera)]
        others.append(VirtualCamera(use_global_arguments=False, cli_args=own))
    faults: list[BaseException] = []
    threads = [threading.Thread(target=_spin, args=(node, faults)) for node in others]
    try:
        for thread in threads:
            thread.start()
        _spin(detector, faults)
    finally:
        rclpy.try_shutdown()  # ends the others' threads
        for thread, node in zip(threads, others, strict=True):
            thread.join()
            node.destroy_node()
    if faults:
        raise faults[0]
    return 0


def _spin(node: Node, faults: list[BaseException]) -> None:
    """Serve a node until the end; a fault in one node is the end of all."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        if isinstance(node, (DetectorNode, LifterNode)) and node.get_parameter("autostart").value:
            node.start()
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
    cameras = [argument for argument in given if argument.startswith(CAMERA)]
    camera = cameras[-1].removeprefix(CAMERA) if cameras else None
    rest = [argument for argument in given if argument not in cameras]
    return run_node(DetectorNode, rest, lambda detector: _work(detector, camera))


if __name__ == "__main__":
    sys.exit(main())
