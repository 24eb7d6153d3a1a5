"""A lifter in one executor with who publishes keypoints to it and hears its skeletons."""

from __future__ import annotations

from typing import Any

from node_world import World, overrides

from pstmo_ros.lifter_node import LifterNode
from pstmo_ros.msg import People2D, Skeletons3D


class LifterWorld(World):
    """A lifter of which no message is lost, a source of keypoints, and who listens.

    Args:
        name: of the world's node.
        namespace: of both nodes.
        parameters: of the lifter.
    """

    def __init__(self, name: str = "world", namespace: str = "", **parameters: Any) -> None:
        super().__init__(name, namespace)
        given = {"qos_reliability": "reliable", "qos_depth": 100, **parameters}
        self.lifter: LifterNode = self.take_in(
            LifterNode(parameter_overrides=overrides(given), namespace=namespace)
        )
        self.keypoints = self.create_publisher(People2D, "keypoints", 100)
        self.skeletons: list[Skeletons3D] = self.listen(Skeletons3D, "skeletons")

    def start(self) -> None:
        """Activate the lifter, and wait until both hear each other."""
        assert self.lifter.start()
        self.spin_until(
            lambda: (
                self.keypoints.get_subscription_count() == 1
                and self.count_publishers("skeletons") == 1
            )
        )
