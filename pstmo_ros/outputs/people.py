"""People with positions and velocities as people_msgs has them, for Nav2's social layers."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import Point
from rclpy.qos import QoSProfile

from pstmo_core.skeleton import ROOT
from pstmo_ros.optional_messages import messages_of
from pstmo_ros.outputs.bodies import Bodies
from pstmo_ros.outputs.output import Publish, SimpleOutput


class PeopleOutput(SimpleOutput):
    """Publishes `people` (people_msgs/People).

    Args:
        publish: makes publishers.

    Raises:
        PstmoError: if people_msgs is not installed.
    """

    def __init__(self, publish: Publish) -> None:
        self._messages = messages_of("people_msgs", "publish_people")
        self._people = publish(self._messages.People, "people", QoSProfile(depth=10))

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish everybody; a velocity that is not known is 0."""
        del present
        positions = bodies.joints[:, ROOT].tolist()
        velocities = np.nan_to_num(bodies.velocity).tolist()
        people = [
            self._messages.Person(
                name=name, position=_point(position), velocity=_point(velocity), reliability=trust
            )
            for name, position, velocity, trust in zip(
                bodies.ids, positions, velocities, bodies.confidence.mean(-1).tolist(), strict=True
            )
        ]
        self._people.publish(self._messages.People(header=bodies.header, people=people))


def _point(values: list[float]) -> Point:
    return Point(x=values[0], y=values[1], z=values[2])
