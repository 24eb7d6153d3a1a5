"""Looks up TF at the stamp of an image: the camera's pose, and the frame of the results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from pstmo_core.errors import PstmoError, printable, quoted
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.quaternions import matrix_from_quaternion
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_ros.frames.parameters import FrameParameters
from pstmo_ros.frames.patience import Patience
from pstmo_ros.frames.steady_frame import find_steady_frame

_LONGEST = 300
"""Characters of TF's own words, which repeat frames' names."""
_REMEDY = "see 'The TF that is needed' in docs/robots.md"
#: Nanoseconds by which stamps jump back when time itself does (a looped bag), by default also for
#: streams; and after which it is looked again for the frame that does not move.
_JUMP, _LOOK_AGAIN = round(StreamConfig().reset * 1e9), 1_000_000_000


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
        self.camera: CameraPose | None = None
        """Of the camera in the frame of the last results; None where that is the camera's own."""
        self._patience: defaultdict[str, Patience] = defaultdict(Patience)
        """By the frame to which images wait for a transform."""
        self._newest = -1
        """Stamp of an image."""
        self._steady = ""
        """The frame that does not move where floor_frame does; empty while none is known."""
        self._looked: int | None = None
        """Stamp of the image for which that was looked for last."""

    def close(self) -> None:
        """Listen no more."""
        self._listener.unregister()

    def ready(self, frame_id: str, stamp: int) -> bool:
        """Say whether TF has what an image of a camera needs, or will hardly ever have it."""
        wanted = {self._own.floor_frame, self._own.target_frame, self._steady} - {""}
        self._look_for_a_jump(wanted, frame_id, stamp)
        return all(self._has_or_never_will(frame, frame_id, stamp) for frame in sorted(wanted))

    def _has_or_never_will(self, frame: str, frame_id: str, stamp: int) -> bool:
        if self._buffer.can_transform(frame, frame_id, _time(stamp)):
            return True
        patience = self._patience[frame]
        return not patience.tries and patience.ends(stamp, self._latest(frame, frame_id))

    def _look_for_a_jump(self, wanted: set[str], frame_id: str, stamp: int) -> None:
        """Forget TF of a time that has not yet come again: tf2 would ignore all that is older."""
        if stamp < self._newest - _JUMP:
            latest = (self._latest(frame, frame_id) for frame in wanted)
            if any(time is not None and time > stamp + _JUMP for time in latest):
                self._buffer.clear()
                self._patience.clear()
            self._newest = self._looked = stamp
        self._newest = max(self._newest, stamp)

    def _latest(self, frame: str, frame_id: str) -> int | None:
        """Return the stamp of the newest transform of a camera, None without any."""
        try:
            time = self._buffer.get_latest_common_time(frame, frame_id)
        except self._missing:
            return None
        return int(time.nanoseconds)

    def camera_pose(self, frame_id: str, stamp: int) -> CameraPose | None:
        """Return how a camera stands over the floor; None, and a word on it, if TF does not say.

        Where floor_frame moves (base_footprint), the pose is in a level frame over the same floor
        that does not: feet that stand, and people who come back, are where they were.
        """
        if not self._own.floor_frame:
            return None
        found = self._look_up(
            self._own.floor_frame, frame_id, stamp, "root positions are estimated without the floor"
        )
        if found is None:
            return None
        pose = CameraPose(*found)
        steady = self._steady_frame(stamp)
        if not steady or steady == frame_id:
            return pose
        found = self._look_up(steady, frame_id, stamp, "standing feet are hardly recognised")
        return pose if found is None else pose.anchored(*found)

    def _steady_frame(self, stamp: int) -> str:
        if not self._steady and (self._looked is None or stamp - self._looked > _LOOK_AGAIN):
            self._looked = stamp
            told = self._buffer.all_frames_as_yaml()
            self._steady = find_steady_frame(told, self._own.floor_frame, self._own.target_frame)
        return self._steady

    def in_target(self, answer: SkeletonFrame, frame_id: str) -> tuple[SkeletonFrame, str]:
        """Return skeletons in the target frame, else as they are, and the frame they are in."""
        target = self._own.target_frame
        self.camera = None
        if not target or target == frame_id:
            return answer, frame_id
        if not answer.ids:  # nobody is nowhere, in every frame and at every stamp
            return answer, target
        found = self._look_up(target, frame_id, answer.stamp, "results stay in the camera's frame")
        if found is None:
            return answer, frame_id
        self.camera = CameraPose(*found)
        return answer.in_axes(*found), target

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
            if target in self._patience:  # not for every camera that messages name
                self._patience[target].missed()
            named = f"{quoted(source)} in {quoted(target)}"
            why = printable(error)[:_LONGEST].rstrip(" .")
            self._tell("tf", f"{otherwise}: TF has no {named}: {why}; {_REMEDY}")
            return None
        if target in self._patience:
            self._patience[target].found()
        turn, move = found.transform.rotation, found.transform.translation
        rotation = matrix_from_quaternion(np.array([turn.x, turn.y, turn.z, turn.w]))
        return rotation, np.array([move.x, move.y, move.z])


def _time(stamp: int) -> Time:
    """Return a stamp as tf2 has it. Before 1970 it has none; 0 would mean the newest there is."""
    return Time(nanoseconds=stamp if stamp >= 0 else 1)
