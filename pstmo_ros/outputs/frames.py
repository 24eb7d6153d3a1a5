"""People as TF frames: body_ID at the pelvis, optionally all links of REP-155's human model."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
from rclpy.qos import QoSProfile, ReliabilityPolicy

from pstmo_core.robot.body_frames import LINK_JOINTS, LINKS
from pstmo_core.room.quaternions import quaternions_from_matrices
from pstmo_ros.optional_messages import messages_of
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput

_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)


class FrameOutput(SimpleOutput):
    """Publishes /tf; frames are children of the message's frame and named LINK_ID.

    Args:
        publish: makes publishers.
        links: whether all links are published, or bodies only.

    Raises:
        PstmoError: if tf2_msgs is not installed.
    """

    def __init__(self, publish: Publish, links: bool) -> None:
        self._type = messages_of("tf2_msgs", "publish_tf").TFMessage
        self._tf = publish(self._type, "/tf", _QOS)
        self._count = len(LINKS) if links else 1

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish a message with the frames of everybody; what is not known is left out."""
        del present
        positions = bodies.joints[:, LINK_JOINTS[: self._count]]
        axes = bodies.links[:, : self._count]
        known = np.isfinite(positions).all(-1) & np.isfinite(axes).all((-1, -2))
        if not known.any():
            return
        quaternions = quaternions_from_matrices(np.where(known[..., None, None], axes, np.eye(3)))
        names = list(LINKS)
        self._tf.publish(
            self._type(
                transforms=[
                    _frame(bodies, f"{names[link]}_{bodies.ids[person]}", position, quaternion)
                    for person, link, position, quaternion in zip(
                        *(rows.tolist() for rows in known.nonzero()),
                        positions[known].tolist(),
                        quaternions[known].tolist(),
                        strict=True,
                    )
                ]
            )
        )


def _frame(
    bodies: Bodies, name: str, position: list[float], quaternion: list[float]
) -> TransformStamped:
    x, y, z, w = quaternion
    return TransformStamped(
        header=bodies.header,
        child_frame_id=name,
        transform=Transform(
            translation=Vector3(x=position[0], y=position[1], z=position[2]),
            rotation=Quaternion(x=x, y=y, z=z, w=w),
        ),
    )
