"""Sends messages to the node under attack and receives its answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_ros.conversions import keypoints_message, stamp_ns
from pstmo_ros.msg import People2D, Skeletons3D

PATIENCE = 10.0
"""Seconds to wait for an answer on a machine that has other things to do."""
RELIABLE = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
CYCLE_UP = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
CYCLE_DOWN = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)


class Peer(Node):
    """A source of keypoints and calibrations, and a subscriber of skeletons and diagnostics."""

    def __init__(self, namespace: str, target: str = "lifter", **options: Any) -> None:
        super().__init__("tormentor", namespace=namespace, **options)
        self.skeletons: list[Skeletons3D] = []
        self.statuses: list[DiagnosticStatus] = []
        self.keypoints = self.create_publisher(People2D, "keypoints", RELIABLE)
        self.calibrations = self.create_publisher(CameraInfo, "camera_info", RELIABLE)
        self.create_subscription(Skeletons3D, "skeletons", self.skeletons.append, RELIABLE)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._about = f"{namespace}/{target}".lstrip("/")
        self._set = self.create_client(SetParameters, f"{target}/set_parameters")
        self._change = self.create_client(ChangeState, f"{target}/change_state")
        self._state = self.create_client(GetState, f"{target}/get_state")
        self._clip = load_clip(sample_path())
        self._sent = 0
        self._here = SingleThreadedExecutor()
        self._here.add_node(self)

    def close(self) -> None:
        """End."""
        self._here.shutdown()
        self.destroy_node()

    def spin(self, seconds: float) -> None:
        """Listen for some time."""
        self.wait(lambda: False, seconds)

    def wait(self, holds: Callable[[], Any], seconds: float = PATIENCE) -> bool:
        """Listen until something holds; return whether it does."""
        end = time.monotonic() + seconds
        while not holds():
            left = end - time.monotonic()
            self._here.spin_once(timeout_sec=min(max(left, 0.0), 0.05))
            if left <= 0:
                return bool(holds())
        return True

    def is_heard(self, seconds: float = 4 * PATIENCE) -> bool:
        """Wait until somebody subscribes to the keypoints."""
        return self.wait(self.keypoints.get_subscription_count, seconds)

    def frame(self, stamp: int) -> People2D:
        """Return the sample's next frame with people, at another time (nanoseconds)."""
        while True:
            message = keypoints_message(self._clip, self._sent % len(self._clip), stamp, "camera")
            self._sent += 1
            if message.people:
                return message

    def is_answered(self, stamp: int | None = None, seconds: float = PATIENCE) -> bool:
        """Send a good frame, now or at a stamp, and wait for its people as skeletons."""
        stamp = time.time_ns() if stamp is None else stamp
        message = self.frame(stamp)
        self.skeletons.clear()
        self.keypoints.publish(message)
        return self.wait(
            lambda: any(s.people and stamp_ns(s.header.stamp) == stamp for s in self.skeletons),
            seconds,
        )

    def recovery(self, seconds: float = PATIENCE) -> float | None:
        """Send good frames at 10 Hz until one is answered; return after how many seconds.

        A node may take a second to find that a camera that it listened to is gone.
        """
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            if self.is_answered(seconds=0.1):
                return time.monotonic() - begin
        return None

    def status(self) -> tuple[DiagnosticStatus | None, dict[str, str]]:
        """Return the target's next status, and its values by name."""
        self.statuses.clear()
        self.wait(lambda: self.statuses, 5.0)
        if not self.statuses:
            return None, {}
        return self.statuses[-1], {value.key: value.value for value in self.statuses[-1].values}

    def transit(self, *transitions: int) -> list[bool | None]:
        """Ask for transitions one after the other; None where there is no answer."""
        answers = [
            self._call(self._change, ChangeState.Request(transition=Transition(id=number)))
            for number in transitions
        ]
        return [None if answer is None else bool(answer.success) for answer in answers]

    def state(self) -> str:
        """Return the name of the target's state, '' without an answer."""
        answer = self._call(self._state, GetState.Request())
        return "" if answer is None else str(answer.current_state.label)

    def set_parameter(self, name: str, value: ParameterValue) -> bool | None:
        """Set one of the target's parameters; return whether it took it, None without an answer."""
        request = SetParameters.Request(parameters=[Parameter(name=name, value=value)])
        answer = self._call(self._set, request)
        return None if answer is None else bool(answer.results[0].successful)

    def _call(self, client: Any, request: Any) -> Any:
        if not self.wait(client.service_is_ready):
            return None
        future = client.call_async(request)
        return future.result() if self.wait(future.done) else None

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.statuses += [s for s in message.status if s.name.startswith(self._about)]
