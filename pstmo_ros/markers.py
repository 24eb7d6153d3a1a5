"""Skeletons as RViz markers: per person a list of spheres and a list of lines.

RViz ends at one NaN point, and complains about odd numbers of line points, empty lists and zero
scales. So only known joints, and lines between two known joints, become points.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pstmo_core.colours import joint_colours
from pstmo_core.config import ConfigError
from pstmo_core.skeleton import EDGES
from pstmo_ros.conversions import joints_of
from pstmo_ros.msg import Skeleton3D, Skeletons3D
from pstmo_ros.parameters import check_choices, parameter

SPHERES, LINES = 0, 1
SPHERE_DIAMETER = 0.06
"""Metres."""
LINE_WIDTH = 0.03
"""Metres."""
_EDGES = np.array(EDGES)


@dataclass(frozen=True)
class MarkerStyle:
    """How skeletons are drawn."""

    marker_lifetime: float = parameter(
        0.5,
        "Seconds after which RViz removes a marker that was not renewed, so that nobody stays "
        "frozen when the node dies; 0 keeps markers until they are deleted.",
        low=0.0,
        high=60.0,
    )
    marker_min_alpha: float = parameter(
        0.15,
        "A joint is as opaque as its confidence, but never less than this.",
        low=0.01,
        high=1.0,
    )
    marker_root: tuple[float, ...] = parameter(
        (0.0, 0.0, 3.0),
        "Where the pelvis of the first person is drawn, x, y, z in metres in the camera's optical "
        "frame, as long as the person's place is not known.",
    )
    marker_spacing: float = parameter(
        1.0,
        "Metres along x between people whose place is not known.",
        low=0.0,
        high=10.0,
    )

    def __post_init__(self) -> None:
        check_choices(self)
        if len(self.marker_root) != 3 or not np.isfinite(self.marker_root).all():
            raise ConfigError(
                f"marker_root is {list(self.marker_root)}, but must be three numbers in metres, "
                "for example [0.0, 0.0, 3.0]"
            )


class SkeletonMarkers:
    """Draws skeletons, and deletes what it drew of people who left."""

    def __init__(self, style: MarkerStyle) -> None:
        self.style = style
        self._places: dict[str, int] = {}
        self._shown: set[tuple[str, int]] = set()

    def draw(self, message: Skeletons3D, present: Collection[str]) -> MarkerArray:
        """Return the markers of the people in a message.

        Args:
            message: skeletons; its header is that of the markers.
            present: ids of all who have not left. Who is present but not in the message, missed
                in one image, keeps the marker until its lifetime ends; others are deleted.
        """
        ids = {skeleton.id for skeleton in message.people}
        staying = ids.union(present)
        self._places = {name: at for name, at in self._places.items() if name in staying}
        markers = [
            marker
            for skeleton in message.people
            for marker in self._person(skeleton, message.header)
        ]
        kept = {key for key in self._shown if key[0] in staying and key[0] not in ids}
        return self._replace(markers, kept, message.header)

    def clear(self, header: Header) -> MarkerArray:
        """Return the deletion of everything that was drawn."""
        self._places = {}
        return self._replace([], set(), header)

    def _replace(
        self, markers: list[Marker], kept: set[tuple[str, int]], header: Header
    ) -> MarkerArray:
        now_shown = kept | {(marker.ns, marker.id) for marker in markers}
        deletions = [
            Marker(header=header, ns=name, id=kind, action=Marker.DELETE)
            for name, kind in sorted(self._shown - now_shown)
        ]
        self._shown = now_shown
        return MarkerArray(markers=deletions + markers)

    def _person(self, skeleton: Skeleton3D, header: Header) -> list[Marker]:
        joints = joints_of(skeleton) + self._root(skeleton)
        colours = _colours_of(np.asarray(skeleton.confidence), self.style.marker_min_alpha)
        known = np.isfinite(joints).all(-1)
        edges = _EDGES[known[_EDGES].all(-1)]
        # The vertices of a line take the colour of its side and the opacity of their own joint.
        edge_colours = np.repeat(colours[edges[:, 1]], 2, axis=0)
        edge_colours[:, 3] = colours[edges.reshape(-1), 3]
        drawn = (
            (SPHERES, Marker.SPHERE_LIST, joints[known], colours[known]),
            (LINES, Marker.LINE_LIST, joints[edges.reshape(-1)], edge_colours),
        )
        return [
            self._marker(header, skeleton.id, kind, form, points, point_colours)
            for kind, form, points, point_colours in drawn
            if len(points)
        ]

    def _root(self, skeleton: Skeleton3D) -> np.ndarray:
        """Return where the pelvis is drawn: where it is, or a fixed place of the person's own."""
        if skeleton.root_source != Skeleton3D.ROOT_NONE:
            return np.array([skeleton.root.x, skeleton.root.y, skeleton.root.z])
        if skeleton.id not in self._places:
            taken = set(self._places.values())
            free = min(set(range(len(taken) + 1)) - taken)
            self._places[skeleton.id] = free
        shift = self._places[skeleton.id] * self.style.marker_spacing
        return np.array(self.style.marker_root) + (shift, 0.0, 0.0)

    def _marker(
        self,
        header: Header,
        name: str,
        kind: int,
        form: int,
        points: np.ndarray,
        colours: np.ndarray,
    ) -> Marker:
        size = SPHERE_DIAMETER if kind == SPHERES else LINE_WIDTH
        marker = Marker(header=header, ns=name, id=kind, type=form, action=Marker.ADD)
        marker.pose.orientation.w = 1.0
        marker.scale = Vector3(x=size, y=size, z=size)
        marker.color.a = 1.0
        marker.lifetime = _duration(self.style.marker_lifetime)
        marker.points = [Point(x=x, y=y, z=z) for x, y, z in points.tolist()]
        marker.colors = [ColorRGBA(r=r, g=g, b=b, a=a) for r, g, b, a in colours.tolist()]
        return marker


def _colours_of(confidence: np.ndarray, min_alpha: float) -> np.ndarray:
    """Return one colour (J, 4) a joint: its side's, as opaque as its confidence (J,)."""
    alpha = np.clip(np.nan_to_num(confidence, nan=0.0), min_alpha, 1.0)
    return np.column_stack([joint_colours(), alpha])


def _duration(seconds: float) -> Duration:
    nanoseconds = round(seconds * 1e9)
    return Duration(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
