"""Depth images of the camera that sees the people: kept for a moment, found by their stamps."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable

import numpy as np
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from pstmo_core.errors import quoted
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.depth_root import sample_depth
from pstmo_ros.conversions import stamp_ns

#: How 16UC1 and 32FC1 are stored, and the metres that 1 means (REP-118).
_ENCODINGS = {"16UC1": ("u2", 0.001), "mono16": ("u2", 0.001), "32FC1": ("f4", 1.0)}
#: Images that are kept; older ones are late for everybody.
_KEPT = 16


class DepthImages:
    """Hears registered depth images while somebody is there or may come.

    Args:
        node: hears them.
        topic: of depth images that show what the colour image shows, of any resolution.
        tolerance: seconds by which a depth image may be older or newer than the keypoints.
        tell: takes a reason and a sentence on what cannot be used.
    """

    def __init__(
        self, node: Node, topic: str, tolerance: float, tell: Callable[[str, str], object]
    ) -> None:
        self._node, self._tell = node, tell
        self._tolerance = round(tolerance * 1e9)
        self._images: deque[tuple[int, Image]] = deque(maxlen=_KEPT)
        self._subscription = node.create_subscription(
            Image, topic, self._on_image, qos_profile_sensor_data
        )

    def close(self) -> None:
        """Hear nothing any more."""
        self._node.destroy_subscription(self._subscription)

    def read(self, frame: KeypointFrame) -> np.ndarray | None:
        """Return depths (P, 17) in metres at the keypoints of a frame, None without an image."""
        if not frame.ids or not self._images:
            return None
        stamp, image = min(self._images, key=lambda kept: abs(kept[0] - frame.stamp))
        if abs(stamp - frame.stamp) > self._tolerance:
            self._tell(
                "depth",
                f"the nearest depth image is {abs(stamp - frame.stamp) / 1e9:.3f} s from the "
                "keypoints: root positions are estimated without it (parameter depth_tolerance)",
            )
            return None
        pixels, metres = _pixels(image)
        seen = np.where(frame.scores[..., None] > 0, frame.points, np.nan)
        return sample_depth(pixels, seen, (frame.width, frame.height), metres)

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
            or message.step < width
            or (len(message.data) < message.step * message.height)
        ):
            self._tell(
                "depth_image",
                f"a depth image of {message.width} x {message.height} pixels has "
                f"{len(message.data)} bytes in steps of {message.step}, which is too few",
            )
            return
        self._images.append((stamp_ns(message.header.stamp), message))


def _pixels(image: Image) -> tuple[np.ndarray, float]:
    """Return the pixels (H, W) of a checked depth image, a view, and the metres that 1 means."""
    kind, metres = _ENCODINGS[image.encoding]
    swapped = bool(image.is_bigendian) != (sys.byteorder == "big")
    dtype = np.dtype(kind).newbyteorder("S") if swapped else np.dtype(kind)
    rows = np.frombuffer(image.data, np.uint8, count=image.step * image.height)
    rows = rows.reshape(image.height, image.step)[:, : dtype.itemsize * image.width]
    return np.ascontiguousarray(rows).view(dtype), metres
