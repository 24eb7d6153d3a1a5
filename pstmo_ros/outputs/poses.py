"""People as poses of their pelvises, which nodes for speed and separation read."""

from __future__ import annotations

from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion
from rclpy.qos import QoSProfile

from pstmo_core.skeleton import ROOT
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput


class PoseOutput(SimpleOutput):
    """Publishes `poses`; an empty array says that nobody is there.

    Args:
        publish: makes publishers.
    """

    def __init__(self, publish: Publish) -> None:
        self._poses = publish(PoseArray, "poses", QoSProfile(depth=10))

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish everybody's pose."""
        del present
        places, turns = bodies.joints[:, ROOT].tolist(), bodies.orientations.tolist()
        poses = [
            Pose(position=Point(x=x, y=y, z=z), orientation=Quaternion(x=qx, y=qy, z=qz, w=qw))
            for (x, y, z), (qx, qy, qz, qw) in zip(places, turns, strict=True)
        ]
        self._poses.publish(PoseArray(header=bodies.header, poses=poses))
