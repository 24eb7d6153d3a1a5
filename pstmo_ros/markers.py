"""Skeletons as RViz markers: per person a list of spheres and a list of lines.

A single NaN point makes RViz exit, and it complains about odd numbers of line points, empty lists
and zero scales. So only known joints, and lines between two known joints, become points.

A message needs an object for each point and colour, and making them costs more than lifting. So
each person keeps a point a joint and a few colours, which spheres and lines share, and only their
values change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pstmo_core.drawing.colours import joint_colours
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.settings import check_settings, setting
from pstmo_core.skeleton import EDGES, JOINTS
from pstmo_ros.msg import Skeleton3D, Skeletons3D

SPHERES, LINES = 0, 1
SPHERE_DIAMETER = 0.06
"""Metres."""
LINE_WIDTH = 0.03
"""Metres."""
_EDGES = np.array(EDGES)
_JOINT_COLOURS = [tuple(colour) for colour in joint_colours().tolist()]


@dataclass(frozen=True)
class MarkerStyle:
    """How skeletons are drawn."""

    marker_lifetime: float = setting(
        0.5,
        "Seconds after which RViz removes a marker that was not renewed, so that nobody stays "
        "frozen when the node dies; 0 keeps markers until they are deleted.",
        low=0.0,
        high=60.0,
    )
    marker_min_alpha: float = setting(
        0.15,
        "A joint is as opaque as its confidence, but never less than this.",
        low=0.01,
        high=1.0,
    )
    marker_root: tuple[float, ...] = setting(
        (0.0, 0.0, 3.0),
        "Where the pelvis of the first person is drawn, x, y, z in the camera's optical "
        "frame, as long as the root position is not known.",
        unit="metres",
    )
    marker_spacing: float = setting(
        1.0,
        "Metres along x between people whose root position is not known.",
        low=0.0,
        high=10.0,
    )

    def __post_init__(self) -> None:
        check_settings(self)


def _colour_table() -> tuple[list[tuple[int, int]], np.ndarray]:
    """Say which colours a person needs and which of them the vertices of the lines take.

    A line takes the colour of its child joint's side, and each end the opacity of its own joint.

    Returns:
        Colours as (joint that it is the colour of, joint that it is as opaque as), first those of
        the joints themselves, and the index of the colour of each vertex (2 E,).
    """
    colours = [(joint, joint) for joint in range(JOINTS)]
    vertices = []
    for edge in _EDGES.tolist():
        for joint in edge:
            same = _JOINT_COLOURS[joint] == _JOINT_COLOURS[edge[1]]
            colour = (joint if same else edge[1], joint)
            if colour not in colours:
                colours.append(colour)
            vertices.append(colours.index(colour))
    return colours, np.array(vertices)


_COLOURS, _VERTEX_COLOURS = _colour_table()
_OPACITY_OF = np.array([joint for _, joint in _COLOURS])


class SkeletonMarkers:
    """Draws skeletons, and deletes what it drew of people who left."""

    def __init__(self, style: MarkerStyle) -> None:
        self.style = style
        self._people: dict[str, _Person] = {}
        self._places: dict[str, int] = {}
        self._shown: set[tuple[str, int]] = set()
        self._camera: CameraPose | None = None

    def draw(
        self, message: Skeletons3D, present: Collection[str], camera: CameraPose | None = None
    ) -> MarkerArray:
        """Return the markers of the people in a message; they hold until the next call.

        Args:
            message: skeletons; its header is that of the markers.
            present: ids of all who have not left. Who is present but not in the message, missed
                in one image, keeps the marker until its lifetime ends; others are deleted.
            camera: the camera in the message's frame; None: that is the camera's own.
        """
        self._camera = camera
        ids = {skeleton.id for skeleton in message.people}
        staying = ids.union(present)
        self._places = {name: at for name, at in self._places.items() if name in staying}
        self._people = {name: who for name, who in self._people.items() if name in staying}
        markers = self._fill(message) if ids else []
        kept = {key for key in self._shown if key[0] in staying and key[0] not in ids}
        return self._replace(markers, kept, message.header)

    def clear(self, header: Header) -> MarkerArray:
        """Return the deletion of everything that was drawn."""
        self._places, self._people = {}, {}
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

    def _fill(self, message: Skeletons3D) -> list[Marker]:
        """Fill the markers of everybody in a message, at least one person."""
        people = message.people
        roots = np.array([self._root(skeleton) for skeleton in people])
        joints = np.array([skeleton.joints for skeleton in people], np.float32)
        joints = joints.reshape(len(people), JOINTS, 3) + roots[:, None]
        known = np.isfinite(joints).all(-1)
        alpha = np.array([skeleton.confidence for skeleton in people], np.float32)
        alpha = np.minimum(np.fmax(alpha, np.float32(self.style.marker_min_alpha)), np.float32(1))
        lifetime = _duration(self.style.marker_lifetime)
        markers: list[Marker] = []
        for row, (skeleton, points, opacities) in enumerate(
            zip(people, joints.tolist(), alpha[:, _OPACITY_OF].tolist(), strict=True)
        ):
            if skeleton.id not in self._people:
                self._people[skeleton.id] = _Person(skeleton.id)
            person = self._people[skeleton.id]
            person.move(points, opacities)
            person.choose(known[row])
            markers += person.markers(message.header, lifetime)
        return markers

    def _root(self, skeleton: Skeleton3D) -> tuple[float, float, float]:
        """Return where the pelvis is drawn: where it is, or a fixed place of the person's own."""
        if skeleton.root_source != Skeleton3D.ROOT_NONE:
            return skeleton.root.x, skeleton.root.y, skeleton.root.z
        if skeleton.id not in self._places:
            taken = set(self._places.values())
            free = min(set(range(len(taken) + 1)) - taken)
            self._places[skeleton.id] = free
        x, y, z = self.style.marker_root
        x += self._places[skeleton.id] * self.style.marker_spacing
        if self._camera is not None:
            x, y, z = self._camera.to_level(np.array([x, y, z])).tolist()
        return x, y, z


class _Person:
    """The two markers of a person, and the points and colours that they are made of."""

    def __init__(self, name: str) -> None:
        self._points = [Point() for _ in range(JOINTS)]
        self._colours = [
            ColorRGBA(**dict(zip("rgb", _JOINT_COLOURS[joint], strict=True)))
            for joint, _ in _COLOURS
        ]
        self._spheres = _marker(name, SPHERES, Marker.SPHERE_LIST, SPHERE_DIAMETER)
        self._lines = _marker(name, LINES, Marker.LINE_LIST, LINE_WIDTH)
        self._known = b""

    def move(self, points: list[list[float]], opacities: list[float]) -> None:
        """Take over places (17, 3) in metres and the opacities of the colours."""
        for point, (x, y, z) in zip(self._points, points, strict=True):
            point.x, point.y, point.z = x, y, z
        for colour, opacity in zip(self._colours, opacities, strict=True):
            colour.a = opacity

    def choose(self, known: np.ndarray) -> None:
        """Leave out what is not known, (17,) bool."""
        if known.tobytes() == self._known:
            return
        self._known = known.tobytes()
        drawn = known[_EDGES].all(-1)
        joints = np.flatnonzero(known).tolist()
        self._spheres.points = [self._points[joint] for joint in joints]
        self._spheres.colors = [self._colours[joint] for joint in joints]
        self._lines.points = [self._points[joint] for joint in _EDGES[drawn].flat]
        vertices = _VERTEX_COLOURS.reshape(-1, 2)[drawn]
        self._lines.colors = [self._colours[index] for index in vertices.flat]

    def markers(self, header: Header, lifetime: Duration) -> list[Marker]:
        """Return those of the markers that show anything."""
        shown = [marker for marker in (self._spheres, self._lines) if marker.points]
        for marker in shown:
            marker.header, marker.lifetime = header, lifetime
        return shown


def _marker(name: str, kind: int, form: int, size: float) -> Marker:
    marker = Marker(ns=name, id=kind, type=form, action=Marker.ADD)
    marker.pose.orientation.w = 1.0
    marker.scale = Vector3(x=size, y=size, z=size)
    marker.color.a = 1.0
    return marker


def _duration(seconds: float) -> Duration:
    nanoseconds = round(seconds * 1e9)
    return Duration(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
