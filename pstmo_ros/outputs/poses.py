"""People as poses of their pelvises or of all joints, for nodes that keep a separation."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion
from rclpy.qos import QoSProfile

from pstmo_core.robot.body_frames import LINK_JOINTS
from pstmo_core.room.quaternions import quaternions_from_matrices
from pstmo_core.skeleton import JOINTS, ROOT
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput


class PoseOutput(SimpleOutput):
    """Publishes `poses`; an empty array says that nobody is there.

    Args:
        publish: makes publishers.
        joints: whether all joints are published, person by person; else pelvises only.
    """

    def __init__(self, publish: Publish, joints: bool = False) -> None:
        self._poses = publish(PoseArray, "poses", QoSProfile(depth=10))
        self._joints = joints

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish everybody's pose."""
        del present
        positions, turns = bodies.joints[:, ROOT], bodies.orientations
        if self._joints:
            known = np.isfinite(bodies.joints).all(-1)
            positions, turns = bodies.joints[known], _joint_turns(bodies)[known]
        poses = [
            Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
            for (x, y, z), (qx, qy, qz, qw) in zip(positions.tolist(), turns.tolist(), strict=True)
        ]
        self._poses.publish(PoseArray(header=bodies.header, poses=poses))


def _joint_turns(bodies: Bodies) -> np.ndarray:
    """Return a quaternion (P, 17, 4) for each joint: its link's, else the body's."""
    turns = np.repeat(bodies.orientations[:, None], JOINTS, axis=1)
    links = bodies.links[:, 1:]  # the first is the body itself
    known = np.isfinite(links).all((-1, -2))
    found = quaternions_from_matrices(np.where(known[..., None, None], links, np.eye(3)))
    joints = LINK_JOINTS[1:]
    turns[:, joints] = np.where(known[..., None], found, turns[:, joints])
    return turns
