"""The interface of an output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rclpy.qos import QoSProfile

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_ros.outputs.bodies import Bodies

#: Makes a publisher of a type on a topic.
Publish = Callable[[type, str, QoSProfile], Any]


class Output(Protocol):
    """Tells about people."""

    def see(self, frame: KeypointFrame) -> None:
        """Take note of what the camera saw, before it is lifted."""

    def tell(self, bodies: Bodies, present: tuple[str, ...]) -> None:
        """Publish the people of a frame.

        Args:
            bodies: the people in it.
            present: all who have not left, whether or not they are in it; ids as `bodies` has.
        """

    def close(self) -> None:
        """Take everything back: nobody is there any more."""


class SimpleOutput:
    """An output that needs the skeletons only and leaves nothing behind."""

    def see(self, frame: KeypointFrame) -> None:
        """Take note of nothing."""

    def close(self) -> None:
        """Take nothing back."""
