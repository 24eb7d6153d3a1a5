"""The node that publishes the images of a connected camera, a network camera or a video file."""

from __future__ import annotations

import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from pstmo_core.camera import CameraError
from pstmo_core.encoding import ASSUMED_FOCAL
from pstmo_core.errors import PstmoError
from pstmo_core.lift.calibration import pinhole
from pstmo_core.lift.cameras import camera_images
from pstmo_core.lift.input_kinds import without_password
from pstmo_core.lift.sources import Frame, Images
from pstmo_core.lift.videos import video_images
from pstmo_ros.camera_parameters import CameraParameters
from pstmo_ros.camera_reader import CameraReader
from pstmo_ros.clock_watch import watch_clock
from pstmo_ros.conversions import camera_info_message, time_message
from pstmo_ros.image_topic import OFFERED, compressed_topic
from pstmo_ros.mailbox import Mailbox
from pstmo_ros.msg import People2D
from pstmo_ros.parameters import Parameters
from pstmo_ros.run_node import run_node, spin

_SECOND = 1_000_000_000
_PATIENCE = 0.05
"""Longest time in seconds between two looks at the clock and at who listens."""
_LATEST = 0.5
"""Seconds by which a file may be late; one that was held up for longer goes on from there."""
_LONGEST_ANSWER = 5.0
"""Seconds that keypoints of an image are waited for."""


class CameraNode(Node):
    """Publishes `image_raw`, `image_raw/compressed` and `camera_info` with the same stamps.

    A thread of its own waits for the images. Images of a file come at its own pace, once somebody
    listens; a camera that falls silent is opened again and again. Of a camera that is faster than
    its images can be published the newest is shown: a queue of them would be late, and more so with
    every image.

    Raises:
        ConfigError: if a parameter is wrong.
        SourceError: if the source does not exist or cannot be opened.
        CameraError: if the calibration cannot be used.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("camera", **options)
        own = self._own = Parameters(self, CameraParameters).read(CameraParameters)
        self._file = own.file
        self._given_lens = own.lens()
        self._images = self._open()
        self._info_message: CameraInfo | None = None
        self._described: tuple[int, ...] = ()
        self._image = self.create_publisher(Image, "image_raw", OFFERED)
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._jpeg = self.create_publisher(
            CompressedImage, compressed_topic(self, "image_raw"), reliable
        )
        self._info = self.create_publisher(CameraInfo, "camera_info", OFFERED)
        self._fault: Exception | None = None
        self._failed = self.create_guard_condition(self._fail)
        self._ended = threading.Event()
        self._answered = threading.Event()
        self._newest: Mailbox[Frame] = Mailbox()
        if own.wait_for_keypoints:
            self.create_subscription(
                People2D, own.keypoints_topic, lambda _: self._answered.set(), reliable
            )
        watch_clock(self)
        self._worker = threading.Thread(target=self._work, daemon=True)
        self._worker.start()

    def destroy_node(self) -> None:
        """End the thread before the node."""
        self._ended.set()
        self._answered.set()
        self._newest.close()
        self._worker.join(5.0)
        super().destroy_node()

    def _open(self) -> Images:
        """Return the source's images, of which the first has been seen."""
        own, fps = self._own, self._own.fps or None
        if self._file is not None:
            return video_images(self._file, fps)
        size = (own.width, own.height) if own.width and own.height else None
        device = int(own.source) if own.source.isdecimal() else own.source
        images = camera_images(device, self._now, None, size, fps)
        first = images.frames()
        next(first)  # raises if there is no such camera
        return Images(_beginning_with(first, images.frames), live=True)

    # The threads

    def _work(self) -> None:
        if not self._images.live:
            self._or_fail(self._show_file)
            return
        shown = without_password(self._own.source)
        reader = CameraReader(shown, self._images, self._newest, self._log_of_reader)
        reading = threading.Thread(target=reader.run, daemon=True)
        reading.start()
        self._or_fail(self._show_live)
        reader.end()
        reading.join()

    def _log_of_reader(self, line: str, error: bool) -> None:
        if not self.context.ok():
            return
        # rclpy insists that one line of code always logs at the same level.
        if error:
            self.get_logger().error(line)
        else:
            self.get_logger().info(line)

    def _or_fail(self, work: Callable[[], None]) -> None:
        """Work; an exception ends the node, since a thread would end without a word."""
        try:
            work()
        except Exception as fault:
            if self.context.ok() and not self._ended.is_set():
                self._fault = fault
                self._failed.trigger()

    def _fail(self) -> None:
        """Raise in the executor what was raised in the thread."""
        assert self._fault is not None
        raise self._fault

    def _show_live(self) -> None:
        while (frame := self._newest.take()) is not None:
            self._publish(*frame)

    def _show_file(self) -> None:
        self._wait_for_listeners()
        start = self._now() + round(self._own.start_delay * _SECOND)
        in_step = self._own.wait_for_keypoints
        for offset, image in self._file_frames():
            if not in_step:
                start = max(start, self._now() - offset - round(_LATEST * _SECOND))
            if not self._wait_until(start + offset):
                return
            self._answered.clear()
            self._publish(start + offset, image)
            if in_step and not self._answered.wait(_LONGEST_ANSWER):
                self.get_logger().warning("no keypoints have come of an image: goes on to the next")
        self.get_logger().info(f"{self._own.source} was shown to its end")

    def _file_frames(self) -> Iterator[Frame]:
        """Yield nanoseconds since the start and images, again and again if the file loops."""
        begin = 0
        while True:
            first = last = None
            step = _SECOND // 25
            for stamp, image in self._images.frames():
                first = stamp if first is None else first
                if last is not None:
                    step = stamp - last
                last = stamp
                yield begin + stamp - first, image
            if first is None or last is None:
                raise PstmoError(f"{self._own.source}: no image in it can be decoded")
            if not self._own.loop:
                return
            begin += last - first + step

    def _wait_for_listeners(self) -> None:
        wanted, give_up = self._own.wait_for_subscribers, self._own.wait_timeout
        began, told = time.monotonic(), False
        while wanted and not (
            self._image.get_subscription_count() + self._jpeg.get_subscription_count() > 0
            and self._info.get_subscription_count() >= wanted
        ):
            if not told:
                told = True
                self.get_logger().info(f"waits for who listens to {self._image.topic_name}")
            if time.monotonic() - began > give_up:
                self.get_logger().warning(f"starts without listeners after {give_up:g} s")
                return
            if self._ended.wait(_PATIENCE):
                return

    def _wait_until(self, due: int) -> bool:
        """Wait for a time on the node's clock; return False if the node ends meanwhile."""
        while (remaining := due - self._now()) > 0:
            if self._ended.wait(min(remaining / _SECOND, _PATIENCE)):
                return False
        return not self._ended.is_set()

    def _publish(self, stamp: int, image: np.ndarray) -> None:
        header = Header(stamp=time_message(stamp), frame_id=self._own.frame_id)
        height, width = image.shape[:2]
        if (width, height) != self._described:
            self._described = (width, height)
            self._info_message = self._describe(width, height)
        if self._info_message is not None:
            self._info_message.header = header
            self._info.publish(self._info_message)
        if self._image.get_subscription_count():
            data = array("B", image.tobytes())
            message = Image(header=header, height=height, width=width, step=3 * width, data=data)
            message.encoding = "bgr8"
            self._image.publish(message)
        if self._jpeg.get_subscription_count():
            data = array("B", _jpeg(image, self._own.jpeg_quality))
            kind = "bgr8; jpeg compressed bgr8"
            self._jpeg.publish(CompressedImage(header=header, format=kind, data=data))

    def _describe(self, width: int, height: int) -> CameraInfo | None:
        """Say what is shown and through which lens; return the calibration, if there is one."""
        log = self.get_logger()
        source = without_password(self._own.source)
        log.info(f"shows {source}, {width} x {height}, on {self._image.topic_name}")
        if self._given_lens is not None:
            try:
                return camera_info_message(self._given_lens.scaled_to(width, height))
            except CameraError as error:
                log.error(f"{self._own.calibration}: not used, so no root positions: {error}")
                return None
        if self._own.focal:
            return camera_info_message(pinhole(self._own.focal, width, height))
        focal = ASSUMED_FOCAL * max(width, height)
        log.warning(
            f"no calibration: a usual lens is assumed (focal length {focal:.0f} pixels), so that "
            "people's distances are a guess; give calibration or focal"
        )
        return camera_info_message(pinhole(focal, width, height), assumed=True)

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _jpeg(image: np.ndarray, quality: int) -> bytes:
    import cv2  # is there already: the images came through it

    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def _beginning_with(
    opened: Iterator[Frame], reopen: Callable[[], Iterator[Frame]]
) -> Callable[[], Iterator[Frame]]:
    """Return what gives the images of a camera that is open already, and later opens it again."""
    waiting = [opened]
    return lambda: waiting.pop() if waiting else reopen()


def main(args: Sequence[str] | None = None) -> int:
    """Show a camera or a video until Ctrl-C."""
    return run_node(CameraNode, args, spin)


if __name__ == "__main__":
    sys.exit(main())
