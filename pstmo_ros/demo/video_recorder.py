"""The node that records keypoints and skeletons while people in a camera's images are lifted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage

from pstmo_core.images.compressed import decode_compressed
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.frame import MIN_SCORE
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.keypoints.tracking import Tracker
from pstmo_core.lift.recording import ClipBuilder
from pstmo_core.skeleton import JOINTS
from pstmo_ros.conversions import joints_of, keypoints_from_message, stamp_ns
from pstmo_ros.msg import People2D, Skeletons3D

SILENCE = 4.0
"""Seconds without an image after which a video has ended."""


class VideoRecorder(Node):
    """Keeps compressed images, keypoints and skeletons by their stamps, from the first image on."""

    def __init__(self, **options: Any) -> None:
        super().__init__("video_recorder", **options)
        self._jpegs: dict[int, CompressedImage] = {}
        self._keypoints: dict[int, People2D] = {}
        self._skeletons: dict[int, Skeletons3D] = {}
        self._seen: dict[int, float] = {}
        self._answered: dict[int, float] = {}
        qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
        self.create_subscription(CompressedImage, "image_raw/compressed", self._on_image, qos)
        self.create_subscription(People2D, "keypoints", self._on_keypoints, qos)
        self.create_subscription(Skeletons3D, "skeletons", self._on_skeletons, qos)
        # The camera waits until lifter and recorder listen to its calibration.
        best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(CameraInfo, "camera_info", lambda _: None, best_effort)

    @property
    def images(self) -> int:
        """How many images have come."""
        return len(self._seen)

    @property
    def keypoints(self) -> int:
        """Of how many images keypoints have come."""
        return len(self._keypoints)

    @property
    def skeletons(self) -> int:
        """In how many images somebody was lifted."""
        return sum(bool(message.people) for message in self._skeletons.values())

    @property
    def silent(self) -> bool:
        """Whether images came, and come no longer."""
        return bool(self._seen) and time.monotonic() - max(self._seen.values()) > SILENCE

    @property
    def seconds(self) -> float:
        """Since the first image."""
        return time.monotonic() - min(self._seen.values()) if self._seen else 0.0

    @property
    def latency(self) -> np.ndarray:
        """Seconds (M,) from an image's arrival here to that of its skeletons."""
        both = self._seen.keys() & self._answered.keys()
        return np.array([self._answered[stamp] - self._seen[stamp] for stamp in sorted(both)])

    def clip(self) -> Clip:
        """Return the keypoints of all images with an answer, people named as the lifter does.

        Raises:
            ClipError: if there are none.
        """
        first = self._keypoints[self._stamps[0]] if self._stamps else People2D(layout="coco17")
        builder = ClipBuilder(first.layout, (first.width or 1, first.height or 1))
        tracker, columns = Tracker(), len(get_layout(first.layout).joint_names)
        for stamp in self._stamps:
            message = self._keypoints[stamp]
            frame, _ = keypoints_from_message(message)
            ids = tracker.identify(stamp, frame.points, frame.scores >= MIN_SCORE)
            points = np.array([person.points for person in message.people], np.float32)
            scores = np.array([person.scores for person in message.people], np.float32)
            builder.add(stamp, ids, points.reshape(-1, columns, 2), scores.reshape(-1, columns))
        return builder.build().dense()

    def joints_of(self, clip: Clip) -> np.ndarray:
        """Return the skeletons in the clip's frames (F, P, 17, 3), NaN where there is none."""
        joints = np.full((len(clip), len(clip.ids), JOINTS, 3), np.nan, np.float32)
        for row, stamp in enumerate(clip.stamps.tolist()):
            for skeleton in self._skeletons[stamp].people:
                if skeleton.id in clip.ids:
                    joints[row, clip.ids.index(skeleton.id)] = joints_of(skeleton)
        return joints

    def photos(self) -> Iterator[np.ndarray]:
        """Yield the images (H, W, 3) uint8 BGR of the clip's frames."""
        for stamp in self._stamps:
            yield decode_compressed(self._jpegs[stamp].data)

    @property
    def _stamps(self) -> list[int]:
        """The stamps of which everything has come."""
        return sorted(self._jpegs.keys() & self._keypoints.keys() & self._skeletons.keys())

    def _on_image(self, message: CompressedImage) -> None:
        stamp = stamp_ns(message.header.stamp)
        self._jpegs[stamp], self._seen[stamp] = message, time.monotonic()

    def _on_keypoints(self, message: People2D) -> None:
        self._keypoints[stamp_ns(message.header.stamp)] = message

    def _on_skeletons(self, message: Skeletons3D) -> None:
        stamp = stamp_ns(message.header.stamp)
        self._skeletons[stamp] = message
        self._answered.setdefault(stamp, time.monotonic())
