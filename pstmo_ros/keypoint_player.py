"""The node that plays a recorded clip of 2D keypoints as if a camera saw it now."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_core.keypoints.layouts import LAYOUTS
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.settings import check_settings, setting
from pstmo_ros.clock_watch import waits_for_clock, watch_clock
from pstmo_ros.conversions import keypoints_message
from pstmo_ros.frames.static_frame import publish_static_frame
from pstmo_ros.msg import People2D
from pstmo_ros.parameters import NEVER, Parameters, check_layout, check_topic
from pstmo_ros.run_node import run_node

_SECOND = 1_000_000_000
_PATIENCE = 0.1
"""Longest time in seconds that the player sleeps without a look at the clock."""
_LONGEST_PAUSE = 600 * _SECOND
"""Nanoseconds between frames that are waited for; a clock that is set jumps by decades."""
_FAREWELL = 0.3
"""Seconds that the last message has to leave before the process ends."""
#: How the camera of the shipped sample stood (scripts/make_sample.py).
SAMPLE_POSE = CameraPose.of_tilt(1.5, 6.19)


@dataclass(frozen=True)
class PlayerParameters:
    """What is played, how, and to whom."""

    clip: str = setting(
        "", "Path of an npz or JSON clip; empty means the shipped sample.", change=NEVER
    )
    rate: float = setting(
        1.0, "How many times faster than recorded it is played.", low=0.01, high=100.0, change=NEVER
    )
    loop: bool = setting(
        False, "Whether it starts again at its end; stamps go on increasing.", change=NEVER
    )
    frame_id: str = setting(
        "camera_color_optical_frame", "Frame of the messages, an optical frame.", change=NEVER
    )
    world_frame: str = setting(
        "map",
        "Frame whose plane z = 0 is the floor. The pose of the clip's camera in it, if known, "
        "is published to TF; empty: it is not.",
        change=NEVER,
    )
    viewpoint_height: float = setting(
        0.0,
        "Height of the clip's camera over the floor; 0: not known, except for the shipped sample.",
        low=0.0,
        high=100.0,
        unit="m",
        change=NEVER,
    )
    viewpoint_pitch: float = setting(
        0.0,
        "By how much the clip's camera looked down, where its height is stated.",
        low=-90.0,
        high=90.0,
        unit="degrees",
        change=NEVER,
    )
    keypoints_topic: str = setting(
        "keypoints", "Topic on which the keypoints are published (People2D).", change=NEVER
    )
    wait_for_subscribers: int = setting(
        1, "Subscribers that must be there before it starts.", low=0, high=100, change=NEVER
    )
    wait_timeout: float = setting(
        60.0,
        "Seconds after which it starts without all subscribers.",
        low=0.0,
        high=3600.0,
        change=NEVER,
    )
    start_delay: float = setting(
        1.0,
        "Seconds between the last awaited subscriber and the first frame.",
        low=0.0,
        high=3600.0,
        change=NEVER,
    )
    fps: float = setting(
        0.0, "Frame rate of a clip that does not state it.", low=0.0, high=1000.0, change=NEVER
    )
    width: int = setting(
        0, "Image width of a clip that does not state it.", low=0, high=100000, change=NEVER
    )
    height: int = setting(
        0, "Image height of a clip that does not state it.", low=0, high=100000, change=NEVER
    )
    layout: str = setting(
        "",
        f"Layout of a clip that does not state it: one of {', '.join(LAYOUTS)}, or the path of a "
        "YAML file (docs/formats.md).",
        change=NEVER,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_topic(self, "keypoints_topic")
        check_layout(self.layout)

    @property
    def pose(self) -> CameraPose | None:
        """How the clip's camera stood, None where that is not known."""
        if self.viewpoint_height:
            return CameraPose.of_tilt(self.viewpoint_height, self.viewpoint_pitch)
        return None if self.clip else SAMPLE_POSE

    def load(self) -> Clip:
        """Load the clip.

        Raises:
            ClipError: if it is missing or wrong.
        """
        size = (self.width, self.height) if self.width and self.height else None
        path = self.clip or sample_path()
        return load_clip(path, fps=self.fps or None, size=size, layout=self.layout or None)


def play_times(stamps: np.ndarray, rate: float) -> np.ndarray:
    """Return when frames are due, nanoseconds after the first (F + 1,); the last is the end.

    The end lies one usual frame interval after the last frame. At rate 1 the recorded intervals
    are kept exactly, but for those of a clock that was set meanwhile: of more than `_LONGEST_PAUSE`
    one usual interval is left.
    """
    steps = np.diff(stamps)
    interval = max(int(np.median(steps)), 0) if len(stamps) > 1 else _SECOND
    steps = np.where(np.abs(steps) > _LONGEST_PAUSE, interval, steps)
    offsets = np.concatenate([[0], np.cumsum(steps)])
    times = np.append(offsets, offsets[-1] + interval)
    return times if rate == 1.0 else np.rint(times / rate).astype(np.int64)


class KeypointPlayer(Node):
    """Publishes a clip's frames as People2D when they are due, stamped with the time of that.

    Raises:
        ConfigError: if a parameter is wrong.
        ClipError: if the clip is missing or wrong.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("keypoint_player", **options)
        self._own = Parameters(self, PlayerParameters).read(PlayerParameters)
        self._clip = self._own.load()
        for note in self._clip.notes:
            self.get_logger().warning(f"{self._own.clip}: {note}")
        qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._keypoints = self.create_publisher(People2D, self._own.keypoints_topic, qos)
        watch_clock(self)
        if self._own.world_frame and (pose := self._own.pose) is not None:
            publish_static_frame(self, self._own.world_frame, self._own.frame_id, pose)
        self._spinner = SingleThreadedExecutor(context=self.context)
        self._spinner.add_node(self)

    def play(self) -> None:
        """Publish the clip; at its end, unless it loops, say that nobody is there."""
        while waits_for_clock(self):  # a simulation's time need not begin at 0
            self._spinner.spin_once(timeout_sec=_PATIENCE)
        self._wait_for_subscribers()
        times = play_times(self._clip.stamps, self._own.rate)
        start = self._now() + round(self._own.start_delay * _SECOND)
        frames = len(self._clip.stamps)
        self.get_logger().info(
            f"plays {frames} frames, {times[-1] / _SECOND:.1f} s, to {self._keypoints.topic_name}"
            + (", again and again" if self._own.loop else "")
        )
        for index, offset in self._schedule(times.tolist()):
            self._wait_until(start + offset)
            self._publish(index, start + offset)
        self._publish_end(start + int(times[-1]))

    def _schedule(self, times: list[int]) -> Iterator[tuple[int, int]]:
        """Yield frames and when they are due."""
        for turn in itertools.count() if self._own.loop else range(1):
            for index, offset in enumerate(times[:-1]):
                yield index, turn * times[-1] + offset

    def _publish_end(self, due: int) -> None:
        self._wait_until(due)
        self._publish(len(self._clip.stamps), due)
        self.get_logger().info("played to the end")
        self._wait_until(self._now() + round(_FAREWELL * _SECOND))

    def _publish(self, index: int, stamp: int) -> None:
        self._keypoints.publish(keypoints_message(self._clip, index, stamp, self._own.frame_id))

    def _wait_for_subscribers(self) -> None:
        wanted, deadline = self._own.wait_for_subscribers, self._own.wait_timeout
        give_up = self._now() + round(deadline * _SECOND)
        topic = self._keypoints.topic_name
        if self._keypoints.get_subscription_count() < wanted:
            self.get_logger().info(f"waits for {wanted} subscriber(s) of {topic}")
        while (there := self._keypoints.get_subscription_count()) < wanted:
            if self._now() > give_up:
                self.get_logger().warning(
                    f"starts with {there} of {wanted} subscriber(s) of {topic} after {deadline} s"
                )
                return
            self._spinner.spin_once(timeout_sec=_PATIENCE)

    def _wait_until(self, due: int) -> None:
        while (remaining := due - self._now()) > 0:
            self._spinner.spin_once(timeout_sec=min(remaining / _SECOND, _PATIENCE))

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _work(node: KeypointPlayer) -> int:
    node.play()
    return 0


def main(args: Sequence[str] | None = None) -> int:
    """Play a clip until its end or Ctrl-C."""
    return run_node(KeypointPlayer, args, _work)


if __name__ == "__main__":
    sys.exit(main())
