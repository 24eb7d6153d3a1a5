"""The REP-155 bridge: /humans/bodies as libhri, pyhri and hri_rviz read it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, PointStamped, TwistStamped, Vector3
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Header, String

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.robot.human_urdf import human_urdf
from pstmo_core.robot.joint_angles import ANGLES, joint_angles
from pstmo_core.skeleton import JOINT_NAMES, ROOT
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.optional_messages import messages_of
from pstmo_ros.outputs.bodies import Bodies, safe_name
from pstmo_ros.outputs.other_trackers import OtherTrackers
from pstmo_ros.outputs.output import Publish

BODIES = "/humans/bodies"
_QOS = QoSProfile(depth=10)
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
#: The joints of hri_msgs/Skeleton2D in its order, by those of Human3.6M; eyes and ears are unknown.
_OPENPOSE = (
    "neck_nose", "thorax", "rshoulder", "relbow", "rwrist", "lshoulder", "lelbow", "lwrist",
    "rhip", "rknee", "rankle", "lhip", "lknee", "lankle",
)  # fmt: skip
_SEEN = np.array([JOINT_NAMES.index(name) for name in _OPENPOSE])
#: Images that are remembered until they are answered.
_IMAGES = 256


@dataclass(frozen=True)
class _Topics:
    """The publishers of one body."""

    roi: Any
    skeleton2d: Any
    joint_states: Any
    position: Any
    velocity: Any
    urdf: Any


class HriOutput:
    """Publishes tracked ids and everybody's topics; the frames are `FrameOutput`'s.

    Args:
        node: hears whom other nodes track.
        publish: makes publishers.
        withdraw: destroys one.

    Raises:
        PstmoError: if hri_msgs is not installed.
    """

    def __init__(self, node: Node, publish: Publish, withdraw: Any) -> None:
        self._m = messages_of("hri_msgs", "publish_hri")
        self._publish, self._withdraw = publish, withdraw
        self._tracked = publish(self._m.IdsList, f"{BODIES}/tracked", _LATCHED)
        self._others = OtherTrackers(node, self._m.IdsList, BODIES)
        self._topics: dict[str, _Topics] = {}
        self._described: set[str] = set()
        self._images: OrderedDict[int, KeypointFrame] = OrderedDict()
        self._header = Header()

    def see(self, frame: KeypointFrame) -> None:
        """Keep what the camera saw until it is lifted."""
        self._images[frame.stamp] = frame
        if len(self._images) > _IMAGES:
            self._images.popitem(last=False)

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish who is tracked, and everybody in the frame."""
        self._header = bodies.header
        tracked = [name for name in present if name in self._topics or name in bodies.ids]
        for name in set(self._topics) - set(tracked):
            self._remove(name)
        self._tell_tracked(tracked)
        image = self._images.pop(stamp_ns(bodies.header.stamp), None)
        angles = joint_angles(bodies.joints, bodies.links)
        for row, name in enumerate(bodies.ids):
            topics = self._topics.get(name) or self._add(name)
            self._tell_body(topics, bodies, row, angles[row])
            if image is not None:
                self._tell_image(topics, image, name, bodies.header)

    def close(self) -> None:
        """Say that nobody is tracked here any more."""
        for name in list(self._topics):
            self._remove(name)
        self._tell_tracked([])
        self._others.close()
        self._images.clear()

    def _tell_tracked(self, own: list[str]) -> None:
        ids = [*own, *self._others.ids(own)]
        self._tracked.publish(self._m.IdsList(header=self._header, ids=ids))

    def _add(self, name: str) -> _Topics:
        m, of = self._m, f"{BODIES}/{name}"
        self._topics[name] = topics = _Topics(
            self._publish(m.NormalizedRegionOfInterest2D, f"{of}/roi", _QOS),
            self._publish(m.Skeleton2D, f"{of}/skeleton2d", _QOS),
            self._publish(JointState, f"{of}/joint_states", _QOS),
            self._publish(PointStamped, f"{of}/position", _QOS),
            self._publish(TwistStamped, f"{of}/velocity", _QOS),
            self._publish(String, f"{of}/urdf", _LATCHED),
        )
        return topics

    def _remove(self, name: str) -> None:
        self._described.discard(name)
        for publisher in vars(self._topics.pop(name)).values():
            self._withdraw(publisher)

    def _tell_body(self, topics: _Topics, bodies: Bodies, row: int, angles: np.ndarray) -> None:
        header, joints = bodies.header, bodies.joints[row]
        x, y, z = joints[ROOT].tolist()
        topics.position.publish(PointStamped(header=header, point=Point(x=x, y=y, z=z)))
        if np.isfinite(bodies.velocity[row]).all():
            x, y, z = bodies.velocity[row].tolist()
            twist = TwistStamped(header=header)
            twist.twist.linear = Vector3(x=x, y=y, z=z)
            topics.velocity.publish(twist)
        name, known = bodies.ids[row], np.isfinite(angles)
        if known.any():
            names = [f"{ANGLES[index]}_{name}" for index in np.flatnonzero(known).tolist()]
            topics.joint_states.publish(
                JointState(header=header, name=names, position=angles[known].tolist())
            )
        if name not in self._described and np.isfinite(joints).all():
            self._described.add(name)
            topics.urdf.publish(String(data=human_urdf(name, joints)))

    def _tell_image(self, topics: _Topics, image: KeypointFrame, name: str, header: Header) -> None:
        rows = [row for row, other in enumerate(image.ids) if safe_name(other) == name]
        if not rows:
            return
        size = np.array([image.width, image.height], np.float32)
        points = np.clip(image.points[rows[0]] / size, 0.0, 1.0)
        scores = image.scores[rows[0]]
        seen = scores > 0
        if not seen.any():
            return
        low, high = points[seen].min(0).tolist(), points[seen].max(0).tolist()
        topics.roi.publish(
            self._m.NormalizedRegionOfInterest2D(
                header=header, xmin=low[0], ymin=low[1], xmax=high[0], ymax=high[1],
                c=float(scores[seen].mean()),
            )
        )  # fmt: skip
        skeleton = self._m.Skeleton2D(header=header)
        values = zip(points[_SEEN].tolist(), scores[_SEEN].tolist(), strict=True)
        for point, ((x, y), score) in zip(skeleton.skeleton, values, strict=False):
            if score > 0:
                point.x, point.y, point.c = x, y, score
        topics.skeleton2d.publish(skeleton)
