"""Notices what only one may have, but several do: a camera's frame, a topic, a node's name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from rclpy.node import Node

from pstmo_core.errors import quoted
from pstmo_ros.camera_pipeline import CameraPipeline

PATIENCE = 30.0
"""Seconds for which another node is borne: a process that was killed is seen for as long."""


class SharedNames:
    """Looks for names that are shared, and says once what is wrong.

    Args:
        node: publishes and logs.
    """

    def __init__(self, node: Node) -> None:
        self.doubt = ""
        """What is wrong and what to do; empty if nothing is."""
        self._node = node
        self._alone = time.monotonic()
        """When no other node had a topic or the name of this one last."""

    def look(self, cameras: Sequence[CameraPipeline]) -> None:
        """Look again."""
        said = self.doubt
        self.doubt = "; ".join([*_shared_frames(cameras), *self._other_lifters(cameras)])
        if self.doubt and self.doubt != said:
            self._node.get_logger().warning(self.doubt)

    def _other_lifters(self, cameras: Sequence[CameraPipeline]) -> Iterator[str]:
        topics = [camera.skeletons_topic for camera in cameras]
        shared = [topic for topic in topics if self._node.count_publishers(topic) > 1]
        own = self._node.get_name(), self._node.get_namespace()
        namesake = self._node.get_node_names_and_namespaces().count(own) > 1
        now = time.monotonic()
        if not (shared or namesake):
            self._alone = now
        elif now - self._alone <= PATIENCE:
            return
        elif shared:
            yield (
                f"other nodes publish on {', '.join(shared)}, too, and who listens hears them all: "
                "end a lifter that was left running, or give each a namespace of its own"
            )
        else:
            yield (
                f"another node is called {self._node.get_fully_qualified_name()}, too, by which "
                "TF frames and topics below /humans of its people are those of this node's: give "
                "each a name (-r __node:=lifter_left) or a namespace of its own"
            )


def _shared_frames(cameras: Sequence[CameraPipeline]) -> Iterator[str]:
    names: dict[str, list[str]] = {}
    for camera in cameras:
        if frame := camera.current.frame_id:
            names.setdefault(frame, []).append(camera.name)
    for frame, sharing in names.items():
        if len(sharing) > 1:
            yield (
                f"the cameras {' and '.join(sharing)} have one frame_id, {quoted(frame)}, by which "
                "all are at one place: give the images of each a frame_id of their own"
            )
