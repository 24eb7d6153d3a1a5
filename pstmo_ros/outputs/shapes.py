"""Shapes of people as RViz markers, which are deleted when what they show is gone."""

from __future__ import annotations

from typing import Any

from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from rclpy.qos import QoSProfile
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from pstmo_ros.outputs.output import Publish

_LIFETIME = Duration(nanosec=500_000_000)
"""After which RViz removes what is not renewed, so that nobody stays when the node dies."""


class Shapes:
    """The markers on one topic.

    Args:
        publish: makes publishers.
        topic: of the MarkerArray.
    """

    def __init__(self, publish: Publish, topic: str) -> None:
        self._publisher = publish(MarkerArray, topic, QoSProfile(depth=10))
        self._shown: set[tuple[str, int]] = set()

    @property
    def wanted(self) -> bool:
        """Whether somebody looks."""
        return bool(self._publisher.get_subscription_count())

    def show(self, header: Header, markers: list[Marker]) -> None:
        """Publish markers, and the deletion of those that are no more."""
        shown = {(marker.ns, marker.id) for marker in markers}
        gone = [
            Marker(header=header, ns=name, id=number, action=Marker.DELETE)
            for name, number in sorted(self._shown - shown)
        ]
        self._shown = shown
        for marker in markers:
            marker.header = header
        if gone or markers:
            self._publisher.publish(MarkerArray(markers=[*gone, *markers]))


def shape(name: str, number: int, kind: int, size: Any, colour: tuple[float, ...]) -> Marker:
    """Return a marker at the origin.

    Args:
        name: whose it is.
        number: which of that person's.
        kind: Marker.SPHERE and so on.
        size: metres along x, y and z.
        colour: red, green, blue and opacity.
    """
    x, y, z = (float(value) for value in size)
    red, green, blue, alpha = colour
    marker = Marker(ns=name, id=number, type=kind, action=Marker.ADD, lifetime=_LIFETIME)
    marker.pose.orientation.w = 1.0
    marker.scale = Vector3(x=x, y=y, z=z)
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=alpha)
    return marker


def pose(place: Any, turn: Any = (0.0, 0.0, 0.0, 1.0)) -> Pose:
    """Return a position (3,) and a quaternion x, y, z, w as a message."""
    x, y, z, w = (float(value) for value in turn)
    return Pose(position=point(place), orientation=Quaternion(x=x, y=y, z=z, w=w))


def point(place: Any) -> Point:
    """Return a position (3,) as a message."""
    x, y, z = (float(value) for value in place)
    return Point(x=x, y=y, z=z)
