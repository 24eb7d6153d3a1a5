"""The node that records the keypoints and skeletons of a run into a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from pstmo_core.settings import check_settings, setting
from pstmo_core.skeleton import JOINTS
from pstmo_ros.conversions import joints_of, stamp_ns
from pstmo_ros.demo.run import DemoRun
from pstmo_ros.msg import People2D, Skeletons3D
from pstmo_ros.parameters import NEVER, Parameters, check_topic
from pstmo_ros.run_node import run_node

_LINGER = 2.0
"""Seconds after the end of the input in which skeletons are still awaited."""


@dataclass(frozen=True)
class RecorderParameters:
    """What is listened to, for how long, and where it is saved."""

    keypoints_topic: str = setting("keypoints", "Topic of the 2D keypoints.", change=NEVER)
    skeletons_topic: str = setting("skeletons", "Topic of the 3D skeletons.", change=NEVER)
    output: str = setting("recording.npz", "The npz to write.", change=NEVER)
    timeout: float = setting(
        60.0,
        "Seconds without any message after which the recording ends.",
        low=0.1,
        high=3600.0,
        change=NEVER,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_topic(self, "keypoints_topic")
        check_topic(self, "skeletons_topic")


class DemoRecorder(Node):
    """Listens until somebody was seen and then nobody is there, and all frames are answered."""

    def __init__(self, **options: Any) -> None:
        super().__init__("demo_recorder", **options)
        self.own = Parameters(self, RecorderParameters).read(RecorderParameters)
        self._sent: list[int] = []
        self._answers: list[tuple[int, Skeletons3D]] = []
        self._input_ended = False
        self._last_message = time.monotonic()
        qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
        self.create_subscription(People2D, self.own.keypoints_topic, self._on_keypoints, qos)
        self.create_subscription(Skeletons3D, self.own.skeletons_topic, self._on_skeletons, qos)

    @property
    def heard(self) -> int:
        """How many frames of keypoints with people have come."""
        return len(self._sent)

    @property
    def ended(self) -> bool:
        """Whether the input ended and its answers had time to come."""
        silence = time.monotonic() - self._last_message
        complete = self._input_ended and len(self._answers) >= len(self._sent)
        return complete or silence > (_LINGER if self._input_ended else self.own.timeout)

    def recording(self) -> DemoRun:
        """Return what was heard up to now."""
        answers = [message for _, message in self._answers]
        people = [(row, who) for row, message in enumerate(answers) for who in message.people]
        joints = [joints_of(who) for _, who in people]
        return DemoRun(
            sent=np.array(self._sent, np.int64),
            answered=np.array([stamp_ns(m.header.stamp) for m in answers], np.int64),
            newest=np.array([stamp_ns(m.newest_stamp) for m in answers], np.int64),
            received=np.array([received for received, _ in self._answers], np.int64),
            message=np.array([row for row, _ in people], np.intp),
            ids=np.array([who.id for _, who in people], np.str_),
            joints=np.array(joints, np.float32).reshape(-1, JOINTS, 3),
        )

    def _on_keypoints(self, message: People2D) -> None:
        self._last_message = time.monotonic()
        if message.people:
            self._sent.append(stamp_ns(message.header.stamp))
        self._input_ended = bool(self._sent) and not message.people

    def _on_skeletons(self, message: Skeletons3D) -> None:
        received = int(self.get_clock().now().nanoseconds)
        self._last_message = time.monotonic()
        if message.people:
            self._answers.append((received, message))


def _work(node: DemoRecorder) -> int:
    spinner = SingleThreadedExecutor()
    spinner.add_node(node)
    while not node.ended:
        spinner.spin_once(timeout_sec=0.1)
    recording = node.recording()
    recording.save(Path(node.own.output))
    node.get_logger().info(
        f"{recording.share_answered:.1%} of {len(recording.sent)} frames were answered: "
        f"{node.own.output}"
    )
    return 0 if len(recording.answered) else 1


def main(args: Sequence[str] | None = None) -> int:
    """Record until the input ends."""
    return run_node(DemoRecorder, args, _work)


if __name__ == "__main__":
    sys.exit(main())
