"""Publishes a fixed transform on /tf_static."""

from __future__ import annotations

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.quaternions import quaternions_from_matrices

_LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


def publish_static_frame(node: Node, parent: str, child: str, pose: CameraPose) -> None:
    """Publish the pose of a camera's optical frame in a level frame for as long as the node lives.

    Where tf2's messages are not installed this is said, and nothing else happens.
    """
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        node.get_logger().warning(
            f"TF does not learn where {child} is in {parent}: tf2_msgs is not installed (apt "
            "install ros-$ROS_DISTRO-tf2-msgs)"
        )
        return
    header = Header(frame_id=parent, stamp=Time())
    publisher = node.create_publisher(TFMessage, "/tf_static", _LATCHED)
    stamped = TransformStamped(
        header=header, child_frame_id=child, transform=transform_message(pose)
    )
    publisher.publish(TFMessage(transforms=[stamped]))


def transform_message(pose: CameraPose) -> Transform:
    """Return a pose as a message."""
    x, y, z = pose.position.tolist()
    qx, qy, qz, qw = quaternions_from_matrices(pose.rotation).tolist()
    return Transform(
        translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)
    )
