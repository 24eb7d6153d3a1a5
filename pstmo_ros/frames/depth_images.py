"""Depth images of the camera that sees the people: kept for a moment, found by their stamps."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image

from pstmo_core.errors import quoted
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.depth_root import sample_depth
from pstmo_ros.conversions import stamp_ns

#: How 16UC1 and 32FC1 are stored, and the metres that 1 means (REP-118).
_ENCODINGS = {"16UC1": ("u2", 0.001), "mono16": ("u2", 0.001), "32FC1": ("f4", 1.0)}
#: Images that are kept, and bytes of them all; older ones are late for everybody.
_KEPT, _MOST_BYTES = 16, 1 << 28
#: Seconds without people after which depth images are not listened to.
_IDLE = 5.0
#: Seconds without an image, while there are people, after which that is reported.
_SILENCE = 3.0
#: Relative difference of two images' aspect ratios above which they cannot show the same.
_SHAPES = 0.03


class DepthImages:
    """Subscribes to registered depth images only while people are seen, as the images are large.

    Args:
        node: subscribes.
        topic: of depth images that show what the colour image shows, of any resolution.
        tolerance: seconds by which a depth image may be older or newer than the keypoints.
        tell: takes a reason and a sentence on what cannot be used.
    """

    def __init__(
        self, node: Node, topic: str, tolerance: float, tell: Callable[[str, str], object]
    ) -> None:
        self._node, self._topic, self._tell = node, topic, tell
        self._tolerance = round(tolerance * 1e9)
        self._images: deque[tuple[int, Image]] = deque(maxlen=_KEPT)
        self._subscription: Subscription | None = None
        self._wanted = self._heard = 0.0
        """When somebody was there last, and an image came last or was first waited for."""
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(1.0, self._rest, clock=steady)

    def close(self) -> None:
        """Hear nothing any more."""
        self._node.destroy_timer(self._timer)
        self._ignore()

    def read(self, frame: KeypointFrame, frame_id: str) -> np.ndarray | None:
        """Return depths (P, 17) in metres at the keypoints of a frame, None without an image.

        Args:
            frame: as the colour camera saw it.
            frame_id: of that camera.
        """
        if not frame.ids:
            return None
        self._wanted = time.monotonic()
        if self._subscription is None:
            self._listen()
        if not self._images:
            self._look_for_silence()
            return None
        stamp, image = min(self._images, key=lambda kept: abs(kept[0] - frame.stamp))
        if abs(stamp - frame.stamp) > self._tolerance:
            self._look_for_silence()
            self._tell(
                "depth",
                f"the nearest depth image is {abs(stamp - frame.stamp) / 1e9:.3f} s from the "
                "keypoints: root positions are estimated without it (parameter depth_tolerance)",
            )
            return None
        if not self._is_registered(image, frame, frame_id):
            return None
        pixels, metres = _pixels(image)
        seen = np.where(frame.scores[..., None] > 0, frame.points, np.nan)
        return sample_depth(pixels, seen, (frame.width, frame.height), metres)

    def _listen(self) -> None:
        self._subscription = self._node.create_subscription(
            Image, self._topic, self._on_image, qos_profile_sensor_data
        )
        self._heard = time.monotonic()

    def _ignore(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
        self._images.clear()

    def _rest(self) -> None:
        """Hear nothing while nobody is there."""
        if self._subscription is not None and time.monotonic() - self._wanted > _IDLE:
            self._ignore()

    def _look_for_silence(self) -> None:
        silence = time.monotonic() - self._heard
        if silence < _SILENCE or self._subscription is None:
            return
        topic = self._subscription.topic_name
        publishers = self._node.count_publishers(topic)
        who = f"{publishers} publish there" if publishers else "nobody publishes there"
        self._tell(
            "depth_silent",
            f"no depth image on {topic} for {silence:.0f} s while people were seen, {who}: root "
            "positions are estimated without; check the parameter depth_topic and the camera",
        )

    def _is_registered(self, image: Image, frame: KeypointFrame, frame_id: str) -> bool:
        """Say whether a depth image can show what the colour image shows; tell if not."""
        shape, colour = image.width / image.height, frame.width / frame.height
        if abs(shape / colour - 1) > _SHAPES:
            self._tell(
                "depth_registration",
                f"not used: a depth image of {image.width} x {image.height} pixels does not show "
                f"what the colour image of {frame.width} x {frame.height} shows; have it "
                "registered to the colour image (aligned)",
            )
            return False
        other = image.header.frame_id
        if other and frame_id and other != frame_id:
            self._tell(
                "depth_registration",
                f"the depth image is of {quoted(other)}, keypoints are of {quoted(frame_id)}: is "
                "it registered to the colour image (aligned)? It is used as if it were",
            )
        return True

    def _on_image(self, message: Image) -> None:
        known = _ENCODINGS.get(message.encoding)
        if known is None:
            self._tell(
                "depth_image",
                f"a depth image is encoded as {quoted(message.encoding)}, but must be one of "
                f"{', '.join(_ENCODINGS)}",
            )
            return
        width = np.dtype(known[0]).itemsize * message.width
        if (
            not message.width
            or not message.height
            or message.step < width
            or (len(message.data) < message.step * message.height)
        ):
            self._tell(
                "depth_image",
                f"a depth image of {message.width} x {message.height} pixels has "
                f"{len(message.data)} bytes in steps of {message.step}, which is too few",
            )
            return
        self._heard = time.monotonic()
        self._images.append((stamp_ns(message.header.stamp), message))
        while len(self._images) > 1 and sum(len(i.data) for _, i in self._images) > _MOST_BYTES:
            self._images.popleft()


def _pixels(image: Image) -> tuple[np.ndarray, float]:
    """Return the pixels (H, W) of a checked depth image, a view, and the metres that 1 means."""
    kind, metres = _ENCODINGS[image.encoding]
    swapped = bool(image.is_bigendian) != (sys.byteorder == "big")
    dtype = np.dtype(kind).newbyteorder("S") if swapped else np.dtype(kind)
    rows = np.frombuffer(image.data, np.uint8, count=image.step * image.height)
    rows = rows.reshape(image.height, image.step)[:, : dtype.itemsize * image.width]
    return np.ascontiguousarray(rows).view(dtype), metres
