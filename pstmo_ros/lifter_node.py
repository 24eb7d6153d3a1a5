"""The lifecycle node that lifts 2D keypoints of people to 3D skeletons."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any, cast

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from rclpy.qos import (
    DurabilityPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_profile_sensor_data,
)
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from pstmo_core.camera import (
    ASSUMED_LENS,
    Camera,
    CameraError,
    calibration_digest,
    camera_from_info,
)
from pstmo_core.errors import PstmoError
from pstmo_core.runtime import load_runtime
from pstmo_core.runtime.base import Runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.warm_up import warm_up
from pstmo_ros.clock_watch import waits_for_clock
from pstmo_ros.conversions import layout_message, stamp_ns, time_message
from pstmo_ros.diagnostics import Diagnostics, Facts
from pstmo_ros.frames.parameters import FrameParameters
from pstmo_ros.keypoint_subscription import KeypointSubscription
from pstmo_ros.lifecycle import GuardedNode, serve
from pstmo_ros.lifter_parameters import LifterParameters
from pstmo_ros.markers import MarkerStyle, SkeletonMarkers
from pstmo_ros.msg import People2D, SkeletonLayout, Skeletons3D
from pstmo_ros.outputs.all_outputs import AllOutputs
from pstmo_ros.outputs.parameters import OutputParameters
from pstmo_ros.parameters import Parameters
from pstmo_ros.places import describe_places
from pstmo_ros.run_node import run_node
from pstmo_ros.stream import Stream
from pstmo_ros.surroundings import Surroundings
from pstmo_ros.timed_runtime import TimedRuntime

SILENCE_PERIOD = 0.2
"""Seconds between two looks whether people have left while no message came."""
_QUIET = 5.0
"""Seconds between two lines of the log on calibrations."""
_RESULTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
_LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class LifterNode(GuardedNode):
    """Subscribes to People2D while active; publishes Skeletons3D, MarkerArray, SkeletonLayout.

    In every state it says on /diagnostics how it is.

    Raises:
        ConfigError: if a parameter that it was started with is wrong.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("lifter", **options)
        self.parameters = Parameters(
            self, StreamConfig, LifterParameters, FrameParameters, OutputParameters, MarkerStyle
        )
        self._own = self.parameters.read(LifterParameters)
        self._runtime: TimedRuntime | None = None
        self._stream: Stream | None = None
        self._markers = SkeletonMarkers(self.parameters.read(MarkerStyle))
        self._camera: Camera | None = None
        self._surroundings = Surroundings()
        self._outputs: AllOutputs | None = None
        self._told: Skeletons3D | None = None
        self._heard_of_camera = b""
        self._said_calibrated = -_QUIET
        self._keypoints: KeypointSubscription | None = None
        self._changed = False
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = Diagnostics(self, self.drops, self._facts)

    def _configure(self) -> None:
        own = self._own = self.parameters.read(LifterParameters)
        runtime = load_runtime(own.model or None, own.threads, own.backend, own.precision)
        self._runtime = TimedRuntime(runtime)
        self._take_up_parameters()
        warm_up(runtime, self.parameters.read(StreamConfig))
        self._skeletons = self._publisher(Skeletons3D, own.skeletons_topic, _RESULTS)
        self._marker_arrays = self._publisher(MarkerArray, own.markers_topic, _RESULTS)
        self._layout = self._publisher(SkeletonLayout, own.layout_topic, _LATCHED)
        # A clock that jumps (a simulation that starts again) makes silence meaningless. Jumps of
        # stamps alone, without /clock, are the streaming core's.
        threshold = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        jumps = self.get_clock().create_jump_callback(threshold, post_callback=self._on_time_jump)
        self._release_on_cleanup.append(jumps.unregister)
        self.get_logger().info(f"configured: {self._runtime.explain()}")

    def _activate(self) -> None:
        own = self._own
        self._layout.publish(layout_message())
        self._release_on_deactivate.append(self._surroundings.close)
        hear = self._surroundings.open(
            self,
            self.parameters.read(FrameParameters),
            self._report,
            lambda message: self._current_stream().frame_of(message),
            self._on_keypoints,
        )
        self._outputs = AllOutputs(self, self.parameters.read(OutputParameters))
        self._release_on_deactivate.append(self._outputs.close)
        self._surroundings.see = self._outputs.see
        keypoints = self._keypoints = KeypointSubscription(
            self, own.keypoints_topic, own.qos_reliability, own.qos_depth, hear
        )
        camera_info = self.create_subscription(
            CameraInfo, own.camera_info_topic, self._on_camera_info, qos_profile_sensor_data
        )
        self._diagnostics.monitor.restart(time.monotonic_ns())
        silence = self.create_timer(SILENCE_PERIOD, self._on_silence)
        self._release_on_deactivate += [
            keypoints.destroy,
            lambda: self.destroy_subscription(camera_info),
            lambda: self.destroy_timer(silence),
        ]
        self.get_logger().info(
            f"active: {keypoints.topic} ({own.qos_reliability}) -> "
            f"{self._skeletons.topic_name}, {self._marker_arrays.topic_name}"
        )

    def _deactivate(self) -> None:
        super()._deactivate()
        self._forget()
        if dropped := self.drops.summary():
            self.get_logger().info(f"dropped so far: {dropped}")

    def _release(self) -> None:
        super()._release()
        self._stream = self._runtime = self._camera = None
        self._heard_of_camera = b""

    # Data

    def _on_keypoints(self, message: People2D, received: int, lost: int) -> None:
        """Lift a message; the arguments are those of `KeypointSubscription`'s callback."""
        began = time.monotonic_ns()
        stream = self._current_stream()
        assert self._runtime is not None
        now = self.get_clock().now().nanoseconds
        inference = self._runtime.nanoseconds
        try:
            skeletons = stream.take(message, self._own.layout, now)
        except Exception:  # whatever one message does, the next ones are served
            self._report("internal", f"a message could not be lifted:\n{traceback.format_exc()}")
            skeletons = []
        self._publish(skeletons, stream.people)
        took: dict[str, float] = {}
        if skeletons:
            took = {
                "from_stamp": self.get_clock().now().nanoseconds - stamp_ns(message.header.stamp),
                "from_receipt": time.time_ns() - received,
                "inference": self._runtime.nanoseconds - inference,
            }
        end = time.monotonic_ns()
        self._diagnostics.monitor.add(end, len(skeletons), busy=end - began, lost=lost, **took)

    def _on_camera_info(self, message: CameraInfo) -> None:
        """Take over a calibration; cameras send the same one with every image."""
        digest = calibration_digest(message)
        if digest == self._heard_of_camera:
            return
        self._heard_of_camera = digest
        before = self._camera
        try:
            self._camera = camera_from_info(message, self._own.rectified)
        except CameraError as error:
            self._camera = None
            fault = f"{self._own.camera_info_topic}: not used: {error}"
            if line := self.drops.add("camera_info", fault, time.monotonic_ns()):
                self.get_logger().warning(line)
        else:
            if before is None or not self._camera.resembles(before):
                self._say_calibrated(self._camera, message.distortion_model == ASSUMED_LENS)
        self._current_stream().camera = self._camera

    def _say_calibrated(self, camera: Camera, assumed: bool) -> None:
        now = time.monotonic()
        if now - self._said_calibrated < _QUIET:  # two cameras may tell theirs in turns
            return
        self._said_calibrated = now
        lens = f"{camera.width} x {camera.height} pixels, focal length {camera.focal[0]:.1f}"
        if assumed:
            self.get_logger().warning(
                f"the camera's lens is assumed ({lens}): people's distances are a guess"
            )
        else:
            self.get_logger().info(f"calibrated: {lens}; people get their places")

    def _on_silence(self) -> None:
        stream = self._current_stream()
        self._publish(stream.silence(self.get_clock().now().nanoseconds), stream.people)

    def _current_stream(self) -> Stream:
        """Return the stream as the parameters say now."""
        if self._changed:
            self._take_up_parameters()
        assert self._stream is not None  # subscription and timer live only while active
        return self._stream

    def _publish(self, messages: list[Skeletons3D], present: tuple[str, ...]) -> None:
        for message in messages:
            self._skeletons.publish(message)
            self._told = message
            if self._outputs is not None:
                self._outputs.tell(message, present)
            if self._marker_arrays.get_subscription_count():  # else nobody looks
                self._marker_arrays.publish(self._markers.draw(message, present))

    def _forget(self) -> None:
        """Forget everybody and delete their markers."""
        if self._stream is None:
            return
        stamp = time_message(self.get_clock().now().nanoseconds)
        header = Header(frame_id=self._stream.frame_id, stamp=stamp)
        self._stream.reset()
        deletions = self._markers.clear(header)
        if deletions.markers:
            self._marker_arrays.publish(deletions)

    def _on_time_jump(self, jump: TimeJump) -> None:
        del jump
        self.get_logger().info("the clock jumped: everybody is forgotten")
        self._forget()

    def _facts(self) -> Facts:
        """Return what the diagnostics cannot know by themselves."""
        state = "active" if self._release_on_deactivate else "inactive"
        return Facts(
            state=state if self._runtime else "unconfigured",
            runtime=self._runtime.explain() if self._runtime else "",
            topic=self.resolve_topic_name(self._own.keypoints_topic),
            people=len(self._stream.people) if self._stream else 0,
            refused=self._keypoints.refused if self._keypoints else "",
            waits_for_clock=waits_for_clock(self),
            places=describe_places(self._told) if self._told else "",
        )

    # Parameters

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            self.parameters.check(changes, configured=self._runtime is not None)
            if self._runtime is not None:
                config = self.parameters.read(StreamConfig, changes)
                self._new_stream(config)
        except PstmoError as error:
            return SetParametersResult(successful=False, reason=str(error))
        # They hold only after this callback, which cannot be heard of on all distributions: the
        # next message takes them up.
        self._changed = True
        return SetParametersResult(successful=True)

    def _take_up_parameters(self) -> None:
        """Read all parameters; other settings of the stream restart it."""
        self._changed = False
        if self._runtime is None:
            return
        self._own = self.parameters.read(LifterParameters)
        self._markers.style = self.parameters.read(MarkerStyle)
        config = self.parameters.read(StreamConfig)
        if self._stream is None or config != self._stream.config:
            self._forget()
            self._stream = self._new_stream(config)
            self._stream.camera = self._camera

    def _new_stream(self, config: StreamConfig) -> Stream:
        runtime, warn = cast(Runtime, self._runtime), self.get_logger().warning
        return Stream(runtime, config, self.drops, warn, self._own.frame_id, self._surroundings)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until Ctrl-C."""
    return run_node(LifterNode, args, serve)


if __name__ == "__main__":
    sys.exit(main())
