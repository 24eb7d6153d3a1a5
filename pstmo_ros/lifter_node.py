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
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from pstmo_core.errors import PstmoError
from pstmo_core.runtime import AnyRuntime, load_runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import shared_embeddings
from pstmo_core.streaming.warm_up import warm_up
from pstmo_ros.camera_pipeline import CameraPipeline
from pstmo_ros.clock_watch import waits_for_clock
from pstmo_ros.conversions import layout_message, stamp_ns
from pstmo_ros.detector_parameters import DETECTOR
from pstmo_ros.diagnostics import Diagnostics, Facts
from pstmo_ros.frames.parameters import FrameParameters
from pstmo_ros.guarded_callback import guarded
from pstmo_ros.inputs.arrival import Heard
from pstmo_ros.inputs.parameters import InputParameters
from pstmo_ros.lifecycle import GuardedNode
from pstmo_ros.lifecycle_process import run_lifecycle_node
from pstmo_ros.lifter_parameters import LIFTER, LifterParameters
from pstmo_ros.markers import MarkerStyle
from pstmo_ros.msg import SkeletonLayout
from pstmo_ros.outputs.parameters import OutputParameters
from pstmo_ros.parameters import Parameters
from pstmo_ros.prepared import Prepared
from pstmo_ros.shared_names import SharedNames
from pstmo_ros.stream import Stream, take_together
from pstmo_ros.timed_runtime import TimedRuntime

SILENCE_PERIOD = 0.2
"""Seconds between two looks whether people have left while no message came."""
_LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)


class LifterNode(GuardedNode):
    """Subscribes to People2D while active; publishes Skeletons3D, MarkerArray, SkeletonLayout.

    It serves one camera, or several in one inference, and reports its health on /diagnostics in
    every lifecycle state.

    Raises:
        ConfigError: if a parameter that it was started with is wrong.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("lifter", **options)
        self.parameters = Parameters(self, *LIFTER, beside=DETECTOR)
        self._own = self.parameters.read(LifterParameters)
        self._network = Prepared(_load)
        self._runtime: TimedRuntime | None = None
        self._config: StreamConfig | None = None
        """What the streams were made for."""
        self._layout_name = ""
        self._cameras: list[CameraPipeline] = []
        self._heard: list[tuple[CameraPipeline, Heard]] = []
        """What cameras have told since the last inference, if there are several."""
        self._shared = SharedNames(self)
        self._changed = False
        self._wake = self.create_guard_condition(guarded(self, self._lift_heard, self.report))
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = Diagnostics(self, self.drops, self._facts)

    def prepare(self) -> None:
        """Load the network and warm it up."""
        self._network.prepare(*self._what_to_load())

    def _what_to_load(self) -> tuple[LifterParameters, StreamConfig]:
        return self.parameters.read(LifterParameters), self.parameters.read(StreamConfig)

    def _configure(self) -> None:
        own, config = self._what_to_load()
        self._own = own
        self._runtime = TimedRuntime(self._network.take(own, config))
        self._cameras = [CameraPipeline(self, name, own) for name in own.camera_names or ("",)]
        self._take_up_parameters()
        self._layout = self.publisher(SkeletonLayout, own.layout_topic, _LATCHED)
        # A clock that jumps (a simulation that starts again) makes silence meaningless. Jumps of
        # stamps alone, without /clock, are the streaming core's.
        threshold = JumpThreshold(
            min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True
        )
        jumps = self.get_clock().create_jump_callback(threshold, post_callback=self._on_time_jump)
        self._release_on_cleanup.append(jumps.unregister)
        self.get_logger().info(f"configured: {self._runtime.explain()}")

    def _activate(self) -> None:
        self._layout.publish(layout_message())
        inputs = self.parameters.read(InputParameters)
        frames = self.parameters.read(FrameParameters)
        outputs = self.parameters.read(OutputParameters)
        heard = self._on_one_of_several if len(self._cameras) > 1 else self._on_keypoints
        for camera in self._cameras:
            self._release_on_deactivate.append(camera.close)
            camera.open(inputs, frames, outputs, self._layout_now, heard)
        self._diagnostics.monitor.restart(time.monotonic_ns())
        silence = self.create_timer(SILENCE_PERIOD, self._on_silence)
        self._release_on_deactivate.append(lambda: self.destroy_timer(silence))

    def _deactivate(self) -> None:
        super()._deactivate()
        self._heard.clear()
        if dropped := self.drops.summary():
            self.get_logger().info(f"dropped so far: {dropped}")

    def _release(self) -> None:
        super()._release()
        self._cameras, self._heard = [], []
        self._runtime = self._config = None

    # Data

    def _on_keypoints(self, camera: CameraPipeline, heard: Heard) -> None:
        """Lift a camera's keypoints."""
        self._lift([(camera, heard)])

    def _on_one_of_several(self, camera: CameraPipeline, heard: Heard) -> None:
        """Keep keypoints until the executor has handed over those of the other cameras."""
        self._heard.append((camera, heard))
        self._wake.trigger()

    def _lift_heard(self) -> None:
        """Lift what cameras have told, in turns of one message each."""
        waiting, self._heard = self._heard, []
        while waiting:
            turn: dict[str, tuple[CameraPipeline, Heard]] = {}
            later = []
            for camera, heard in waiting:
                if camera.name in turn:
                    later.append((camera, heard))
                else:
                    turn[camera.name] = camera, heard
            self._lift(list(turn.values()))
            waiting = later

    def _lift(self, turn: list[tuple[CameraPipeline, Heard]]) -> None:
        """Lift the keypoints of an image of each of some cameras, and publish."""
        began = time.monotonic_ns()
        self._refresh()
        assert self._runtime is not None
        now = self._time()
        inference = self._runtime.nanoseconds
        try:
            streams = [(camera.current, heard) for camera, heard in turn]
            answers = take_together(streams, self._layout_name, now)
        except Exception:  # whatever one message does, the next ones are served
            self.report("internal", f"a message could not be lifted:\n{traceback.format_exc()}")
            answers = [[] for _ in turn]
        inference, monitor = self._runtime.nanoseconds - inference, self._diagnostics.monitor
        for (camera, heard), skeletons in zip(turn, answers, strict=True):
            camera.publish(skeletons)
            took: dict[str, float] = {}
            if skeletons:
                stamp = stamp_ns(heard.message.header.stamp)
                took = {
                    "from_stamp": self.get_clock().now().nanoseconds - stamp,
                    "from_receipt": time.time_ns() - heard.received,
                    "inference": inference,
                }
            end = time.monotonic_ns()
            monitor.add(end, len(skeletons), busy=end - began, lost=heard.lost, **took)
            began = end

    def _on_silence(self) -> None:
        self._refresh()
        for camera in self._cameras:
            camera.look_for_silence(self._time())
        self._shared.look(self._cameras)

    def _time(self) -> int:
        """Return nanoseconds by which silence is measured: /clock's, else those that nobody sets.

        The system's clock is set by NTP, and hours may so seem to pass without an image.
        """
        clock = self.get_clock()
        return clock.now().nanoseconds if clock.ros_time_is_active else time.monotonic_ns()

    def _on_time_jump(self, jump: TimeJump) -> None:
        del jump
        self.get_logger().info("the clock jumped: everybody is forgotten")
        for camera in self._cameras:
            camera.forget()

    def _facts(self) -> Facts:
        """Return what the diagnostics cannot know by themselves."""
        cameras = self._cameras
        topics = [camera.topic(self._own.keypoints_topic) for camera in cameras]
        names = [self.resolve_topic_name(topic) for topic in topics or [self._own.keypoints_topic]]
        other_topics = self.parameters.read(InputParameters).input == "hri"
        return Facts(
            state=self.state,
            runtime=self._runtime.explain() if self._runtime else "",
            topic=", ".join(names),
            sources=other_topics or any(map(self.count_publishers, names)),
            people=sum(len(camera.people) for camera in cameras),
            refused="; ".join(c.refused for c in cameras if c.refused),
            waits_for_clock=waits_for_clock(self),
            roots="; ".join(camera.roots for camera in cameras if camera.roots),
            sizes=tuple(value for camera in cameras for value in camera.sizes),
            doubt="; ".join(filter(None, [self._shared.doubt, *(c.doubt for c in cameras)])),
        )

    # Parameters

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            self.parameters.check(changes, configured=self._runtime is not None)
            if self._runtime is not None:
                config = self.parameters.read(StreamConfig, changes)
                if config != self._config:
                    self._new_streams(config)
        except PstmoError as error:
            return SetParametersResult(successful=False, reason=str(error))
        # They hold only after this callback, which cannot be heard of on all distributions: the
        # next message takes them up.
        self._changed = True
        return SetParametersResult(successful=True)

    def _layout_now(self) -> str:
        """Return the name of the layout that the parameter sets; empty: as messages say."""
        self._refresh()
        return self._layout_name

    def _refresh(self) -> None:
        """Work as the parameters say now."""
        if self._changed:
            self._take_up_parameters()

    def _take_up_parameters(self) -> None:
        """Read all parameters; other settings of the stream restart it."""
        self._changed = False
        if self._runtime is None:
            return
        self._own = self.parameters.read(LifterParameters)
        self._layout_name = self._own.layout_name
        style, config = self.parameters.read(MarkerStyle), self.parameters.read(StreamConfig)
        for camera in self._cameras:
            camera.markers.style = style
        if config != self._config:
            for camera, stream in zip(self._cameras, self._new_streams(config), strict=True):
                camera.restart(stream)
            self._config = config

    def _new_streams(self, config: StreamConfig) -> list[Stream]:
        """Return a stream for each camera.

        Raises:
            ConfigError: if the settings do not fit the network, or would take too much memory.
        """
        runtime = cast(AnyRuntime, self._runtime)
        embeddings = shared_embeddings(runtime, config)
        return [camera.new_stream(runtime, config, embeddings) for camera in self._cameras]


def _load(own: LifterParameters, config: StreamConfig) -> AnyRuntime:
    """Load the network that parameters name; return it when it is warm.

    Raises:
        PstmoError: if it cannot be loaded, or the settings do not fit it.
    """
    runtime = load_runtime(own.model or None, own.threads, own.backend, own.precision)
    warm_up(runtime, config)
    return runtime


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until Ctrl-C."""
    return run_lifecycle_node(LifterNode, args)


if __name__ == "__main__":
    sys.exit(main())
