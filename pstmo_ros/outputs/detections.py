"""People as boxes: vision_msgs/Detection3DArray."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.qos import QoSProfile

from pstmo_core.skeleton import ROOT
from pstmo_ros.optional_messages import messages_of
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput

#: Flesh round the outermost joints, metres.
_FLESH = 0.12


class DetectionOutput(SimpleOutput):
    """Publishes `detections`: boxes along the axes of the message's frame, of class person.

    Args:
        publish: makes publishers.

    Raises:
        PstmoError: if vision_msgs is not installed.
    """

    def __init__(self, publish: Publish) -> None:
        self._m = messages_of("vision_msgs", "publish_detections")
        self._detections = publish(self._m.Detection3DArray, "detections", QoSProfile(depth=10))

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish everybody's box."""
        del present
        low = np.nanmin(bodies.joints, axis=1, initial=np.inf) - _FLESH
        high = np.nanmax(bodies.joints, axis=1, initial=-np.inf) + _FLESH
        covariance = np.zeros((len(bodies.ids), 6, 6))
        covariance[:, :3, :3] = bodies.covariance
        turns = bodies.orientations
        found = [
            self._detection(bodies, row, turns[row], low[row], high[row], covariance[row])
            for row in range(len(bodies.ids))
        ]
        self._detections.publish(self._m.Detection3DArray(header=bodies.header, detections=found))

    def _detection(
        self,
        bodies: Bodies,
        row: int,
        turn: np.ndarray,
        low: np.ndarray,
        high: np.ndarray,
        covariance: np.ndarray,
    ) -> object:
        middle, size = ((low + high) / 2).tolist(), (high - low).tolist()
        hypothesis = self._m.ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id = "person"
        hypothesis.hypothesis.score = float(bodies.confidence[row].mean())
        x, y, z, w = turn.tolist()
        hypothesis.pose.pose = Pose(
            position=_point(bodies.joints[row, ROOT].tolist()),
            orientation=Quaternion(x=x, y=y, z=z, w=w),
        )
        hypothesis.pose.covariance = covariance.ravel()
        box = self._m.BoundingBox3D(
            center=Pose(position=_point(middle)), size=Vector3(x=size[0], y=size[1], z=size[2])
        )
        return self._m.Detection3D(
            header=bodies.header, id=bodies.ids[row], results=[hypothesis], bbox=box
        )


def _point(values: list[float]) -> Point:
    return Point(x=values[0], y=values[1], z=values[2])
