"""All outputs that the parameters turn on, behind one interface."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from pstmo_core.errors import ConfigError, PstmoError
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_ros.msg import Skeletons3D
from pstmo_ros.outputs.bodies import Bodies, safe_name
from pstmo_ros.outputs.capsules import CapsuleOutput
from pstmo_ros.outputs.detections import DetectionOutput
from pstmo_ros.outputs.frames import FrameOutput
from pstmo_ros.outputs.hri import HriOutput
from pstmo_ros.outputs.joint_cloud import JointCloudOutput
from pstmo_ros.outputs.joint_states import JointStateOutput
from pstmo_ros.outputs.output import Output
from pstmo_ros.outputs.parameters import OutputParameters
from pstmo_ros.outputs.people import PeopleOutput
from pstmo_ros.outputs.points import PointOutput
from pstmo_ros.outputs.poses import PoseOutput
from pstmo_ros.outputs.uncertainty import UncertaintyOutput

_USUAL = "lifter"
"""What a lifter is called that nobody has named otherwise."""


class AllOutputs:
    """Tells about people in every form that is asked for.

    Args:
        node: publishes.
        own: what is asked for.
        camera: the namespace of relative topics, where the node has several cameras.
        frame: that results are asked for in; empty: the camera's.

    Raises:
        ConfigError: if what is asked for does not fit together.
        PstmoError: if messages are asked for that are not installed.
    """

    def __init__(
        self, node: Node, own: OutputParameters, camera: str = "", frame: str = ""
    ) -> None:
        if own.publish_hri and camera:
            raise ConfigError(
                "publish_hri does not work with several cameras in one node: give each camera a "
                "lifter of its own, or leave publish_hri off"
            )
        if own.publish_hri and own.publish_tf == "off":
            raise ConfigError(
                "publish_hri needs frames on TF, where REP-155 has the 3D skeletons: set "
                "publish_tf to links"
            )
        self._node, self._camera, self._frame = node, camera, frame
        self._publishers: list[Any] = []
        self._outputs: list[Output] = []
        self._drawn: list[Output] = []
        self._for_all: list[Output] = []
        """Those whose names every node shares: frames on TF and topics below /humans. They say who
        is tracked, which nobody is any more when no more images come."""
        self._prefix = _prefix(node)
        """Of ids there, so that the people of two lifters stay apart."""
        try:
            self._make(own)
        except PstmoError:
            self.close()
            raise

    def _make(self, own: OutputParameters) -> None:
        publish = self._publish
        if own.publish_tf != "off":
            self._for_all.append(FrameOutput(publish, own.publish_tf == "links"))
        if own.publish_poses:
            self._outputs.append(PoseOutput(publish, own.poses_of == "joints"))
        if own.publish_joints:
            self._outputs.append(JointCloudOutput(publish))
        if own.publish_joint_states:
            self._outputs.append(JointStateOutput(publish))
        if own.publish_points:
            spacing, radius = own.points_spacing, own.points_radius
            self._outputs.append(PointOutput(publish, spacing, radius, self._frame))
        if own.publish_people:
            self._outputs.append(PeopleOutput(publish))
        if own.publish_detections:
            self._outputs.append(DetectionOutput(publish))
        if own.publish_capsules:
            self._drawn.append(CapsuleOutput(publish))
        if own.publish_uncertainty:
            self._drawn.append(UncertaintyOutput(publish))
        if own.publish_hri:
            self._for_all.append(HriOutput(self._node, publish, self._withdraw))

    @property
    def any(self) -> bool:
        """Whether any is turned on."""
        return bool(self._outputs or self._drawn or self._for_all)

    def _publish(self, kind: type, topic: str, qos: QoSProfile) -> Any:
        if self._camera and not topic.startswith("/"):
            topic = f"{self._camera}/{topic}"
        self._publishers.append(self._node.create_publisher(kind, topic, qos))
        return self._publishers[-1]

    def _withdraw(self, publisher: Any) -> None:
        self._publishers.remove(publisher)
        self._node.destroy_publisher(publisher)

    def see(self, frame: KeypointFrame) -> None:
        """Take note of what the camera saw, before it is lifted."""
        for output in self._outputs:
            output.see(frame)
        named = replace(frame, ids=self._names(frame.ids))
        for output in self._for_all:
            output.see(named)

    def tell(self, message: Skeletons3D, present: tuple[str, ...], silence: bool = False) -> None:
        """Publish the people of a message.

        By a message without people, robots know that nobody is there. That is told only where an
        image showed it: not when no more images come, or somebody who is seen cannot be placed.

        Args:
            message: the people.
            present: the ids of all who have not left.
            silence: whether this is told because no more keypoints come.
        """
        if not self.any:
            return
        bodies, names = Bodies.of(message), tuple(map(safe_name, present))
        known = bodies.ids or not (silence or message.people)
        for output in (*self._outputs, *self._drawn) if known else self._drawn:
            output.tell(bodies, names)
        named = replace(bodies, ids=self._names(bodies.ids))
        for output in self._for_all:
            output.tell(named, self._names(names))

    def _names(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Return the ids of people under which every node knows them."""
        return tuple(f"{self._prefix}{name}" for name in ids) if self._prefix else ids

    def close(self) -> None:
        """Say that nobody is there any more, and nothing after that."""
        for output in (*self._outputs, *self._drawn, *self._for_all):
            output.close()
        self._outputs, self._drawn, self._for_all = [], [], []
        for publisher in list(self._publishers):
            self._withdraw(publisher)


def _prefix(node: Node) -> str:
    """Return what ids of a node's people begin with where every node sees them.

    It is made of what the user has set to tell lifters apart: the namespace, the node's name, or
    both. So a lifter alone has no prefix, and names do not depend on which lifter starts first.
    """
    parts = node.get_namespace().strip("/").split("/")
    if node.get_name() != _USUAL:
        parts.append(node.get_name())
    return "".join(f"{part}_" for part in parts if part).lstrip("_")
