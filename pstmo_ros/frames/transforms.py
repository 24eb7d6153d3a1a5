"""Looks up TF at the stamp of an image: the camera's pose, and the frame of the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from pstmo_core.errors import PstmoError, printable, quoted
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.quaternions import matrix_from_quaternion
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_ros.frames.parameters import FrameParameters

#: After so many failures in a row nothing is waited for, but once in so many, when TF speaks again.
_HOPELESS = 5
_LONGEST = 300
"""Characters of TF's own words, which repeat frames' names."""


class Transforms:
    """Listens to TF for a node.

    Args:
        node: listens.
        own: which frames.
        tell: takes a reason and a sentence on what is missing.

    Raises:
        PstmoError: if tf2 is not installed.
    """

    def __init__(
        self, node: Node, own: FrameParameters, tell: Callable[[str, str], object]
    ) -> None:
        try:
            import tf2_ros
        except ImportError as error:
            raise PstmoError(
                "floor_frame, target_frame and imu_topic need tf2, which is not installed: apt "
                "install ros-$ROS_DISTRO-tf2-ros-py"
            ) from error
        self._missing = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener: Any = tf2_ros.TransformListener(self._buffer, node)
        self._own, self._tell = own, tell
        self._failures = 0
        self._next_trial = _HOPELESS
        self._on_trial: int | None = None
        """Stamp of an image that waits although others before it did so in vain."""
        self._latest: Time | None = None

    def close(self) -> None:
        """Listen no more."""
        self._listener.unregister()

    def ready(self, frame_id: str, stamp: int) -> bool:
        """Say whether TF has what an image of a camera needs, or will hardly ever have it."""
        wanted = [frame for frame in (self._own.floor_frame, self._own.target_frame) if frame]
        if self._failures >= _HOPELESS and stamp != self._on_trial:
            if self._failures < self._next_trial or not self._speaks_again(wanted, frame_id):
                return True
            self._on_trial, self._next_trial = stamp, self._failures + 2 * _HOPELESS
        time = _time(stamp)
        return all(self._buffer.can_transform(frame, frame_id, time) for frame in wanted)

    def _speaks_again(self, wanted: list[str], frame_id: str) -> bool:
        """Say whether TF has told something new of a camera since the last time.

        It may come a little later than the keypoints each time: who never waited would never
        see it.
        """
        try:
            latest = min(
                (self._buffer.get_latest_common_time(frame, frame_id) for frame in wanted),
                key=lambda time: time.nanoseconds,
                default=None,
            )
        except self._missing:
            return False
        before, self._latest = self._latest, latest
        return latest != before

    def camera_pose(self, frame_id: str, stamp: int) -> CameraPose | None:
        """Return how a camera stands over the floor; None, and a word on it, if TF does not say."""
        if not self._own.floor_frame:
            return None
        found = self._look_up(
            self._own.floor_frame, frame_id, stamp, "root positions are estimated without the floor"
        )
        return None if found is None else CameraPose(*found)

    def in_target(self, answer: SkeletonFrame, frame_id: str) -> tuple[SkeletonFrame, str]:
        """Return skeletons in the target frame, else as they are, and the frame they are in."""
        target = self._own.target_frame
        if not target or target == frame_id:
            return answer, frame_id
        if not answer.ids:  # nobody is nowhere, in every frame and at every stamp
            return answer, target
        found = self._look_up(target, frame_id, answer.stamp, "results stay in the camera's frame")
        return (answer, frame_id) if found is None else (answer.in_axes(*found), target)

    def rotation(self, target: str, source: str, stamp: int) -> np.ndarray | None:
        """Return the rotation (3, 3) of a frame to another; None, and a word, if TF has none."""
        if target == source:
            return np.eye(3)
        found = self._look_up(target, source, stamp, "where up is remains unknown")
        return None if found is None else found[0]

    def _look_up(
        self, target: str, source: str, stamp: int, otherwise: str
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return rotation (3, 3) and position (3,) of a frame in another at a stamp."""
        try:
            found = self._buffer.lookup_transform(target, source, _time(stamp))
        except self._missing as error:
            self._failures += 1
            named = f"{quoted(source)} in {quoted(target)}"
            self._tell("tf", f"{otherwise}: TF has no {named}: {printable(error)[:_LONGEST]}")
            return None
        self._failures, self._next_trial = 0, _HOPELESS
        turn, move = found.transform.rotation, found.transform.translation
        rotation = matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w]))
        return rotation, np.array([move.x, move.y, move.z])


def _time(stamp: int) -> Time:
    """Return a stamp as tf2 has it. Before 1970 it has none; 0 would mean the newest there is."""
    return Time(nanoseconds=stamp if stamp >= 0 else 1)
