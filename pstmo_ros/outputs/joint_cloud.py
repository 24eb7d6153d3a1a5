"""All joints of all people as one cloud: positions, velocities and uncertainties."""

from __future__ import annotations

import sys
from array import array

import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2, PointField

from pstmo_core.robot.velocity import Velocities
from pstmo_core.skeleton import JOINTS
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput

_ORDER = "<" if sys.byteorder == "little" else ">"
ROW = np.dtype(
    [(name, f"{_ORDER}f4") for name in ("x", "y", "z", "vx", "vy", "vz", "confidence", "sigma")]
    + [(name, f"{_ORDER}u2") for name in ("person", "joint")]
)
"""A joint in the cloud: metres and metres per second in the message's frame, NaN where not known;
the person's place in the frame's skeletons; and the joint's number in SkeletonLayout."""
_FIELDS = [
    PointField(
        name=name,
        offset=ROW.fields[name][1],  # type: ignore[index]
        datatype=PointField.FLOAT32 if ROW[name].kind == "f" else PointField.UINT16,
        count=1,
    )
    for name in ROW.names or ()
]


class JointCloudOutput(SimpleOutput):
    """Publishes `joints` (sensor_msgs/PointCloud2); without points it says that nobody is there.

    Args:
        publish: makes publishers.
    """

    def __init__(self, publish: Publish) -> None:
        self._joints = publish(PointCloud2, "joints", QoSProfile(depth=10))
        self._velocities = Velocities()

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish everybody's joints."""
        del present
        rows = np.zeros((len(bodies.ids), JOINTS), ROW)
        velocities = self._velocities.update(
            bodies.ids, stamp_ns(bodies.header.stamp), bodies.joints, bodies.header.frame_id
        )
        for axis, name in enumerate("xyz"):
            rows[name], rows[f"v{name}"] = bodies.joints[..., axis], velocities[..., axis]
        rows["confidence"], rows["sigma"] = bodies.confidence, bodies.sigma
        rows["person"], rows["joint"] = np.arange(len(rows))[:, None], np.arange(JOINTS)
        self._joints.publish(
            PointCloud2(
                header=bodies.header,
                height=1,
                width=rows.size,
                fields=_FIELDS,
                is_bigendian=sys.byteorder == "big",
                point_step=ROW.itemsize,
                row_step=ROW.itemsize * rows.size,
                data=array("B", rows.tobytes()),
                is_dense=bool(np.isfinite(bodies.joints).all()),
            )
        )
