"""The uncertainty of joints and root positions, as spheres and ellipsoids for RViz."""

from __future__ import annotations

import numpy as np
from visualization_msgs.msg import Marker

from pstmo_core.room.quaternions import quaternions_from_matrices
from pstmo_core.skeleton import JOINTS, ROOT
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput
from pstmo_ros.outputs.shapes import Shapes, pose, shape

#: Deviations within which nine of ten lie, in three directions.
_DEVIATIONS = 2.5
_JOINT, _ROOT = (1.0, 0.85, 0.2, 0.25), (1.0, 0.3, 0.3, 0.2)
_SMALLEST = 0.002
"""Metres; RViz complains of a scale of 0."""


class UncertaintyOutput(SimpleOutput):
    """Publishes `uncertainty` (visualization_msgs/MarkerArray): where nine of ten joints lie.

    A sphere for each joint, relative to the pelvis, and an ellipsoid for the pelvis.

    Args:
        publish: makes publishers.
    """

    def __init__(self, publish: Publish) -> None:
        self._shapes = Shapes(publish, "uncertainty")

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish everybody's, if somebody looks."""
        del present
        if self._shapes.wanted:
            markers = [m for row in range(len(bodies.ids)) for m in _markers(bodies, row)]
            self._shapes.show(bodies.header, markers)


def _markers(bodies: Bodies, row: int) -> list[Marker]:
    name, joints, sigma = bodies.ids[row], bodies.joints[row], bodies.sigma[row]
    markers = []
    known = np.isfinite(joints).all(-1) & np.isfinite(sigma)
    known[ROOT] = False
    for joint in np.flatnonzero(known).tolist():
        width = max(2 * _DEVIATIONS * float(sigma[joint]), _SMALLEST)
        markers.append(shape(name, joint, Marker.SPHERE, [width] * 3, _JOINT))
        markers[-1].pose = pose(joints[joint])
    covariance = bodies.covariance[row]
    if np.isfinite(covariance).all() and np.isfinite(joints[ROOT]).all():
        values, vectors = np.linalg.eigh(covariance)
        if np.linalg.det(vectors) < 0:
            vectors = vectors * [1.0, 1.0, -1.0]
        size = np.maximum(2 * _DEVIATIONS * np.sqrt(np.maximum(values, 0)), _SMALLEST)
        markers.append(shape(name, JOINTS, Marker.SPHERE, size, _ROOT))
        markers[-1].pose = pose(joints[ROOT], quaternions_from_matrices(vectors))
    return markers
