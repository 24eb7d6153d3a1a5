"""Listens to keypoints in whichever messages the parameters say."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
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

Convert = Callable[[Any], People2D | None]


class Keypoints(Protocol):
    """Hears keypoints until it is destroyed."""

    @property
    def refused(self) -> str:
        """Why a publisher is not heard; empty while there is no such publisher."""

    @property
    def topic(self) -> str:
        """Where they come from."""

    def destroy(self) -> None:
        """Hear nothing any more."""


@dataclass(frozen=True)
class Unstated:
    """What messages may leave unstated; asked for with each of them, since it may change."""

    size: Callable[[], Size | None]
    """Returns the size of the camera's images, None while it is not known."""
    frame: Callable[[], str]
    """Returns the frame of the camera's images, empty while it is not known."""
    layout: Callable[[], str]
    """Returns the name of the points' layout; empty: as messages say."""


def listen(
    node: GuardedNode,
    topic: str,
    own: LifterParameters,
    given: InputParameters,
    unstated: Unstated,
    callback: Callable[[Heard], None],
) -> Keypoints:
    """Listen to keypoints.

    Args:
        node: listens, and counts what cannot be used.
        topic: where they are published.
        own: parameters of the node.
        given: what they come as.
        unstated: what the messages may not say.
        callback: takes them.

    Raises:
        PstmoError: if the messages are not installed; says what brings them.
    """
    conversion = _Conversion(node, own, given, unstated)
    if given.input == "hri":
        reliability = ReliabilityPolicy[own.qos_reliability.upper()]
        qos = QoSProfile(depth=own.qos_depth, reliability=reliability)
        messages = messages_of("hri_msgs", _ASKED)
        return HriBodies(node, messages, qos, conversion.size, callback, conversion.drop)
    kind, convert = conversion.of_input()
    return KeypointSubscription(
        node, topic, own.qos_reliability, own.qos_depth, callback, kind, convert
    )


class _Conversion:
    """Makes People2D of the messages that the parameters name; drops what cannot be used."""

    def __init__(
        self, node: GuardedNode, own: LifterParameters, given: InputParameters, unstated: Unstated
    ) -> None:
        self._node, self._own, self._given, self._unstated = node, own, given, unstated

    def of_input(self) -> tuple[type, Convert | None]:
        """Return the type of the messages and what converts one; None if that is not needed."""
        if self._given.input == "people2d":
            return People2D, self._dropping(in_pixels) if self._given.normalized else None
        if self._given.input == "yolo":
            messages = messages_of("yolo_msgs", _ASKED, _YOLO_ROS)
            return messages.DetectionArray, self._by(yolo_reader)
        if self._given.input == "zed":
            frame = self._unstated.frame
            messages = messages_of("zed_msgs", _ASKED)
            return messages.ObjectsStamped, self._by(lambda layout: zed_reader(frame))
        return messages_of("vision_msgs", _ASKED).Detection2DArray, self._by(vision_reader)

    def size(self) -> Size | None:
        """Return the size of the images, as the parameters or else the camera state it."""
        stated = self._given.keypoints_width, self._given.keypoints_height
        found = stated if all(stated) else self._unstated.size()
        if found is None:
            self.drop(
                f"messages of {self._given.input} do not say how large the image is, and no "
                f"camera_info came on {self._own.camera_info_topic}: set camera_info_topic, or "
                "keypoints_width and keypoints_height"
            )
        return found

    def drop(self, sentence: str) -> None:
        """Count a message that cannot be used, and log why."""
        self._node.warn("input", sentence)

    def _by(self, reader: Callable[[str], Reader]) -> Convert:
        """Convert by a reader, which is made for a layout."""
        reader = functools.lru_cache(1)(reader)

        def convert(message: Any) -> People2D | None:
            size = self.size()
            if size is None:
                return None
            read = reader(self._unstated.layout())
            return people_message(read, message, size, self._given.normalized)

        return self._dropping(convert)

    def _dropping(self, convert: Convert) -> Convert:
        def dropping(message: Any) -> People2D | None:
            try:
                return convert(message)
            except UnusableInput as error:
                self.drop(f"dropped: {error}")
                return None

        return dropping
