"""People as capsules for RViz: the space that they occupy."""

from __future__ import annotations

import numpy as np
from visualization_msgs.msg import Marker

from pstmo_core.drawing.colours import joint_colours
from pstmo_core.robot.capsules import RADII, Capsules, capsules
from pstmo_core.skeleton import EDGES
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput
from pstmo_ros.outputs.shapes import Shapes, point, pose, shape

_OPACITY = 0.5
_COLOURS = [(*joint_colours()[end].tolist(), _OPACITY) for _, end in EDGES]
_MIDDLE = (*joint_colours()[0].tolist(), _OPACITY)
#: The round ends of all capsules of one radius are one marker; their numbers follow the bones'.
_WIDTHS = np.unique(RADII)


class CapsuleOutput(SimpleOutput):
    """Publishes `capsules` (visualization_msgs/MarkerArray).

    Args:
        publish: makes publishers.
    """

    def __init__(self, publish: Publish) -> None:
        self._shapes = Shapes(publish, "capsules")

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish everybody's capsules, if somebody looks."""
        del present
        if self._shapes.wanted:
            found = capsules(bodies.joints)
            markers = [m for row, name in enumerate(bodies.ids) for m in _markers(name, found, row)]
            self._shapes.show(bodies.header, markers)


def _markers(name: str, found: Capsules, row: int) -> list[Marker]:
    known = np.flatnonzero(found.known[row])
    middle, length, turn = found.middle[row], found.length[row], found.orientation[row]
    markers = []
    for bone in known.tolist():
        width = 2 * RADII[bone]
        size = (width, width, max(length[bone], 1e-3))  # RViz complains of a scale of 0
        markers.append(shape(name, bone, Marker.CYLINDER, size, _COLOURS[bone]))
        markers[-1].pose = pose(middle[bone], turn[bone])
    for number, radius in enumerate(_WIDTHS.tolist()):
        bones = known[RADII[known] == radius]
        ends = np.concatenate([found.begin[row, bones], found.end[row, bones]])
        if len(ends):
            caps = shape(name, len(EDGES) + number, Marker.SPHERE_LIST, [2 * radius] * 3, _MIDDLE)
            caps.points = [point(each) for each in np.unique(ends, axis=0)]
            markers.append(caps)
    return markers
