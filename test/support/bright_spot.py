"""A detector node whose detector finds a bright spot, a camera, and who hears keypoints."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from node_world import World, overrides
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from pstmo_core.detection import Detections, DetectorOptions
from pstmo_core.skeleton import JOINTS
from pstmo_ros.conversions import stamp_ns, time_message
from pstmo_ros.detector_node import DetectorNode
from pstmo_ros.msg import People2D

BASE = 1_700_000_000_000_000_000
SIZE = (64, 48)


class BrightSpot:
    """A detector whose person stands at the brightest pixel; it takes its time, if told to."""

    layout = "h36m17"

    def __init__(self) -> None:
        self.seconds = 0.0
        self.looked = 0
        self.wait = threading.Event()
        self.wait.set()
        self.looks = threading.Event()
        """It has been given an image."""
        self.fault: Exception | None = None

    def load(self, kind: str, options: DetectorOptions) -> BrightSpot:
        return self

    def detect(self, image: np.ndarray) -> Detections:
        self.looks.set()
        self.wait.wait(60)
        time.sleep(self.seconds)
        self.looked += 1
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        level = image.sum(-1)
        if not level.any():
            return Detections.nobody(JOINTS)
        row, column = np.unravel_index(level.argmax(), level.shape)
        points = np.tile(np.float32([column, row]), (1, JOINTS, 1))
        return Detections(points, np.full((1, JOINTS), 0.5, np.float32))

    def reset(self) -> None:
        pass

    def describe(self) -> str:
        return "a bright spot"


def spot(number: int) -> np.ndarray:
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[number % SIZE[1], number % SIZE[0]] = 255
    return image


def header(number: int) -> Header:
    return Header(stamp=time_message(BASE + number * 33_000_000), frame_id="camera")


def raw(number: int, image: np.ndarray) -> Image:
    height, width = image.shape[:2]
    return Image(
        header=header(number),
        width=width,
        height=height,
        encoding="bgr8",
        step=3 * width,
        data=image.tobytes(),
    )


class Darkroom(World):
    """A detector node, a camera and somebody who hears keypoints.

    Args:
        spots: the detector; None: the one that `given` asks for.
        kind: of the images' messages.
        topic: of the images.
        given: parameters of the node.
    """

    def __init__(
        self,
        spots: BrightSpot | None,
        kind: type = Image,
        topic: str = "image_raw",
        **given: Any,
    ) -> None:
        super().__init__()
        load = {"load": spots.load} if spots else {}
        self.node = self.take_in(DetectorNode(**load, parameter_overrides=overrides(given)))
        self.keypoints: list[People2D] = self.listen(People2D, "keypoints")
        self.images = self.create_publisher(kind, topic, 10)
        self._spots = spots

    def start(self) -> None:
        assert self.node.start()
        self.spin_until(
            lambda: (
                self.images.get_subscription_count() == 1
                and self.count_publishers("keypoints") == 1
            )
        )

    def stamps(self) -> list[int]:
        """Return the numbers of the images that were answered."""
        return [(stamp_ns(m.header.stamp) - BASE) // 33_000_000 for m in self.keypoints]

    def close(self) -> None:
        if self._spots is not None:
            self._spots.wait.set()
        super().close()
