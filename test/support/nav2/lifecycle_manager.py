"""Stands for nav2_lifecycle_manager: configures and activates the nodes that it is given."""

from __future__ import annotations

import contextlib
import sys

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import ExternalShutdownException


def main() -> int:
    """Bring up what node_names names, if autostart says so, and stay until Ctrl-C."""
    rclpy.init()
    node = rclpy.create_node("lifecycle_manager")  # the launch file gives the name
    names = node.declare_parameter("node_names", [""]).value
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        if node.declare_parameter("autostart", False).value:
            for name in names:
                for number in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
                    client = node.create_client(ChangeState, f"{name}/change_state")
                    client.wait_for_service()
                    asked = client.call_async(ChangeState.Request(transition=Transition(id=number)))
                    rclpy.spin_until_future_complete(node, asked)
                    assert asked.result().success, f"{name} refused transition {number}"
                node.get_logger().info(f"{name} is active")
        rclpy.spin(node)
    return 0


if __name__ == "__main__":
    sys.exit(main())
