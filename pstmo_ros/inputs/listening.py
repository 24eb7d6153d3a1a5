"""Listens to keypoints in whichever messages the parameters say."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Protocol

from rclpy.qos import QoSProfile, ReliabilityPolicy

from pstmo_ros.inputs.arrival import Heard
from pstmo_ros.inputs.hri import HriBodies
from pstmo_ros.inputs.keypoint_subscription import KeypointSubscription
from pstmo_ros.inputs.parameters import InputParameters
from pstmo_ros.inputs.people import Reader, Size, UnusableInput, in_pixels, people_message
from pstmo_ros.inputs.vision import vision_reader
from pstmo_ros.inputs.yolo import yolo_reader
from pstmo_ros.inputs.zed import zed_reader
from pstmo_ros.lifecycle import GuardedNode
from pstmo_ros.lifter_parameters import LifterParameters
from pstmo_ros.msg import People2D
from pstmo_ros.optional_messages import messages_of

_ASKED = "the parameter input"
_YOLO_ROS = "https://github.com/mgonzs13/yolo_ros"


class Keypoints(Protocol):
    """Hears keypoints until it is destroyed."""

    refused: str
    """Why a publisher is not heard; empty while there is no such publisher."""

    @property
    def topic(self) -> str:
        """Where they come from."""

    def destroy(self) -> None:
        """Hear nothing any more."""


def listen(
    node: GuardedNode,
    topic: str,
    own: LifterParameters,
    given: InputParameters,
    size: Callable[[], Size | None],
    frame: Callable[[], str],
    layout: Callable[[], str],
    callback: Callable[[Heard], None],
) -> Keypoints:
    """Listen to keypoints.

    Args:
        node: listens, and counts what cannot be used.
        topic: where they are published.
        own: parameters of the node.
        given: what they come as.
        size: returns the size of the camera's images, None while it is not known.
        frame: returns the frame of the camera's images, empty while it is not known.
        layout: returns the name of the points' layout, which may change; empty: as messages say.
        callback: takes them.

    Raises:
        PstmoError: if the messages are not installed; says what brings them.
    """

    def known_size() -> Size | None:
        stated = given.keypoints_width, given.keypoints_height
        found = stated if all(stated) else size()
        if found is None:
            _drop(
                node,
                f"messages of {given.input} do not say how large the image is, and no camera_info "
                f"came on {own.camera_info_topic}: set camera_info_topic, or keypoints_width and "
                "keypoints_height",
            )
        return found

    def converted(reader: Callable[[str], Reader]) -> Callable[[Any], People2D | None]:
        read = functools.lru_cache(1)(reader)

        def convert(message: Any) -> People2D | None:
            found = known_size()
            if found is None:
                return None
            return people_message(read(layout()), message, found, given.normalized)

        return convert

    def subscribe(kind: type, convert: Callable[[Any], People2D | None] | None) -> Keypoints:
        return KeypointSubscription(
            node, topic, own.qos_reliability, own.qos_depth, callback, kind,
            None if convert is None else _guarded(node, convert),
        )  # fmt: skip

    if given.input == "people2d":
        return subscribe(People2D, in_pixels if given.normalized else None)
    if given.input == "yolo":
        kind = messages_of("yolo_msgs", _ASKED, _YOLO_ROS).DetectionArray
        return subscribe(kind, converted(yolo_reader))
    if given.input == "zed":
        kind = messages_of("zed_msgs", _ASKED).ObjectsStamped
        return subscribe(kind, converted(lambda _: zed_reader(frame)))
    if given.input == "vision":
        kind = messages_of("vision_msgs", _ASKED).Detection2DArray
        return subscribe(kind, converted(vision_reader))
    qos = QoSProfile(
        depth=own.qos_depth, reliability=ReliabilityPolicy[own.qos_reliability.upper()]
    )
    messages = messages_of("hri_msgs", _ASKED)
    return HriBodies(
        node, messages, qos, known_size, callback, lambda sentence: _drop(node, sentence)
    )


def _guarded(
    node: GuardedNode, convert: Callable[[Any], People2D | None]
) -> Callable[[Any], People2D | None]:
    def guarded(message: Any) -> People2D | None:
        try:
            return convert(message)
        except UnusableInput as error:
            _drop(node, f"dropped: {error}")
            return None

    return guarded


def _drop(node: GuardedNode, sentence: str) -> None:
    if line := node.drops.add("input", sentence, time.monotonic_ns()):
        node.get_logger().warning(line)
