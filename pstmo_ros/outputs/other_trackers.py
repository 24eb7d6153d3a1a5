"""Bodies below /humans that other nodes track: the list of tracked ones is one for all."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from rclpy.node import Node

from pstmo_ros.latched_topic import LatchedTopic

#: What names of topics may hold, which end at 247 characters.
_ID = re.compile("[A-Za-z][A-Za-z0-9_]{0,127}")
_MOST = 64
"""Ids of a list that are read."""


class OtherTrackers:
    """Hears who is tracked, so that a node's own list does not leave out the others' people.

    Nodes repeat each other's ids. A body is there as long as somebody publishes its position; a
    repeated id of somebody who has left would otherwise never go away.

    Args:
        node: hears.
        kind: hri_msgs' IdsList.
        bodies: the namespace of bodies.
    """

    def __init__(self, node: Node, kind: Any, bodies: str) -> None:
        self._node, self._bodies = node, bodies
        self._heard: list[str] = []
        self._list = LatchedTopic(node, kind, f"{bodies}/tracked", self._hear)

    def ids(self, own: Collection[str]) -> list[str]:
        """Return the ids of those whom others track, and the node itself does not."""
        return [
            name
            for name in self._heard
            if name not in own and self._node.count_publishers(f"{self._bodies}/{name}/position")
        ]

    def close(self) -> None:
        """Hear nothing any more."""
        self._list.close()

    def _hear(self, message: Any) -> None:
        self._heard = [name for name in message.ids[:_MOST] if _ID.fullmatch(name)]
