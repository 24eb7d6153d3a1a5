"""People as a cloud of points, which obstacle layers and Nav2's collision monitor read."""

from __future__ import annotations

import sys
from array import array

from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2, PointField

from pstmo_core.robot.limb_points import limb_points
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput

_FIELDS = [
    PointField(name=name, offset=4 * row, datatype=PointField.FLOAT32, count=1)
    for row, name in enumerate("xyz")
]


class PointOutput(SimpleOutput):
    """Publishes `points`; a cloud without points says that nobody is there.

    Args:
        publish: makes publishers.
        spacing: metres between points along a limb.
        radius: metres by which points stand off the bones.
        frame: that the cloud must be in; empty: any. Heights in a camera's own frame would deceive
            who reads them, so while TF does not know the frame nothing is published.
    """

    def __init__(self, publish: Publish, spacing: float, radius: float, frame: str = "") -> None:
        self._points = publish(PointCloud2, "points", QoSProfile(depth=10))
        self._spacing, self._radius, self._frame = spacing, radius, frame

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish everybody's points."""
        del present
        if self._frame and bodies.header.frame_id != self._frame:
            return
        points = limb_points(bodies.joints, self._spacing, self._radius)
        self._points.publish(
            PointCloud2(
                header=bodies.header,
                height=1,
                width=len(points),
                fields=_FIELDS,
                is_bigendian=sys.byteorder == "big",
                point_step=12,
                row_step=12 * len(points),
                data=array("B", points.tobytes()),
                is_dense=True,
            )
        )
