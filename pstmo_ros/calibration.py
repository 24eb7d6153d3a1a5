"""What a camera tells of itself on camera_info: its lens, its image size and its frame."""

from __future__ import annotations

import time
from collections.abc import Callable

from sensor_msgs.msg import CameraInfo

from pstmo_core.camera import (
    ASSUMED_LENS,
    Camera,
    CameraError,
    calibration_digest,
    camera_from_info,
)
from pstmo_ros.latched_topic import LatchedTopic
from pstmo_ros.lifecycle import GuardedNode

_QUIET = 5.0
"""Seconds between two lines of the log on calibrations."""
_LATE = 3.0
"""Seconds that people are seen without a calibration until that is said."""


class Calibration:
    """Hears the calibration of a camera while it is open, and keeps what it heard.

    Args:
        node: hears it.
        topic: where it is published.
        rectified: whether keypoints are those of a rectified image.
        name: of the camera, where there are several.
    """

    def __init__(self, node: GuardedNode, topic: str, rectified: bool, name: str) -> None:
        self.camera: Camera | None = None
        """The newest calibration, None if there is none that can be used."""
        self.size: tuple[int, int] | None = None
        """Of the camera's images."""
        self.frame_id = ""
        """Of the camera's images."""
        self.digest = b""
        """Of what was heard last."""
        self.doubt = ""
        """Why people have no root positions for want of it, and what to do; else empty."""
        self._node, self._topic, self._rectified = node, topic, rectified
        self._who = f"{name}: " if name else ""
        self._said = -_QUIET
        self._missed: float | None = None
        """Since when people are seen whom nobody can place."""

    def open(self, changed: Callable[[bool], None]) -> Callable[[], object]:
        """Begin to listen; return what ends it.

        Args:
            changed: is called after each change; takes whether it is of another lens.
        """
        self._missed, self.doubt = None, ""
        return LatchedTopic(
            self._node, CameraInfo, self._topic, lambda message: self._on_info(message, changed)
        ).close

    def miss(self, missed: bool) -> None:
        """Note whether people are seen whom nobody can place; say it once, if that lasts."""
        if not missed or self.camera is not None:
            self._missed, self.doubt = None, ""
            return
        now = time.monotonic()
        self._missed = self._missed or now
        if self.doubt or now - self._missed < _LATE:
            return
        self.doubt = self._why()
        self._node.get_logger().warning(f"{self._who}{self.doubt}")

    def _why(self) -> str:
        topic = self._node.resolve_topic_name(self._topic)
        if self.digest:
            why = f"what comes on {topic} is no calibration (the log says why)"
        elif count := self._node.count_publishers(topic):
            why = f"no calibration has come on {topic} ({count} publish there)"
        else:
            why = f"nobody publishes a calibration on {topic}"
        return (
            "people are seen but have no root positions, which floor, depth images and outputs "
            f"need: {why}; set camera_info_topic, calibrate the camera, or state its focal length "
            "(focal)"
        )

    def _on_info(self, message: CameraInfo, changed: Callable[[bool], None]) -> None:
        """Take over a calibration; cameras send the same one with every image."""
        self.frame_id = message.header.frame_id
        digest = calibration_digest(message)
        if digest == self.digest:
            return
        self.digest = digest
        self.size = (message.width, message.height) if message.width and message.height else None
        before, another = self.camera, False
        try:
            self.camera = camera_from_info(message, self._rectified)
        except CameraError as error:
            self.camera = None
            self._node.warn("camera_info", f"{self._topic}: not used: {error}")
        else:
            another = before is None or not self.camera.resembles(before)
            if another:
                self._say(self.camera, message.distortion_model == ASSUMED_LENS)
        changed(another)

    def _say(self, camera: Camera, assumed: bool) -> None:
        now = time.monotonic()
        if now - self._said < _QUIET:  # two cameras may tell theirs in turns
            return
        self._said = now
        lens = f"{camera.width} x {camera.height} pixels, focal length {camera.focal[0]:.1f}"
        log = self._node.get_logger()
        if assumed:
            log.warning(
                f"{self._who}the camera's lens is assumed ({lens}): people's distances are a guess"
            )
        else:
            log.info(f"{self._who}calibrated: {lens}; people get root positions")
