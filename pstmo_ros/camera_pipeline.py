"""What the lifter keeps per camera: topics, calibration, stream, markers and other outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from pstmo_core.errors import ConfigError
from pstmo_core.runtime import AnyRuntime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.embedding_cache import EmbeddingCache
from pstmo_ros.calibration import Calibration
from pstmo_ros.conversions import time_message
from pstmo_ros.frames.parameters import FrameParameters
from pstmo_ros.inputs.arrival import Heard
from pstmo_ros.inputs.listening import Keypoints, Unstated, listen
from pstmo_ros.inputs.parameters import InputParameters
from pstmo_ros.lifecycle import GuardedNode, call_all
from pstmo_ros.lifter_parameters import LifterParameters
from pstmo_ros.markers import MarkerStyle, SkeletonMarkers
from pstmo_ros.msg import Skeletons3D
from pstmo_ros.outputs.all_outputs import AllOutputs
from pstmo_ros.outputs.parameters import OutputParameters
from pstmo_ros.root_summary import describe_roots
from pstmo_ros.size_health import describe_sizes, doubt_sizes
from pstmo_ros.stream import Stream
from pstmo_ros.surroundings import Surroundings

_RESULTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


class CameraPipeline:
    """From the keypoints of a camera to what is published of its people.

    Args:
        node: the lifter, which is configured and has topics of its own.
        name: the namespace of the camera's topics; empty where the node has one camera.
        own: the node's parameters.
    """

    def __init__(self, node: GuardedNode, name: str, own: LifterParameters) -> None:
        self.name = name
        self.stream: Stream | None = None
        """Lifts; None until `restart`."""
        self.keypoints: Keypoints | None = None
        """None while the node is inactive."""
        self.markers = SkeletonMarkers(MarkerStyle())
        self._node, self._own = node, own
        self._surroundings = Surroundings()
        self._outputs: AllOutputs | None = None
        self._told: Skeletons3D | None = None
        self._places_wanted = False
        """Whether something that was asked for needs root positions."""
        info = self.topic(own.camera_info_topic)
        self._calibration = Calibration(node, info, own.rectified, name)
        self._skeletons = node.publisher(Skeletons3D, self.topic(own.skeletons_topic), _RESULTS)
        self._drawn = node.publisher(MarkerArray, self.topic(own.markers_topic), _RESULTS)

    def topic(self, name: str) -> str:
        """Return a topic of this camera."""
        return f"{self.name}/{name}" if self.name and name and name[0] not in "/~" else name

    @property
    def people(self) -> tuple[str, ...]:
        """The ids of all who have not left."""
        return self.stream.people if self.stream else ()

    @property
    def skeletons_topic(self) -> str:
        """The full name of the topic of results."""
        return str(self._skeletons.topic_name)

    @property
    def refused(self) -> str:
        """Why a publisher of keypoints is not heard; empty if all are."""
        return self.keypoints.refused if self.keypoints else ""

    @property
    def roots(self) -> str:
        """The sources of root positions, in one line; empty if there are none."""
        told = describe_roots(self._told) if self._told else ""
        return f"{self.name}: {told}" if self.name and told else told

    @property
    def sizes(self) -> list[tuple[str, str]]:
        """Keys and values: how well floor and depth image agree with what is known of people."""
        values = describe_sizes(self.stream.lifter.size_health()) if self.stream else []
        return [(f"{self.name}: {key}" if self.name else key, value) for key, value in values]

    @property
    def doubt(self) -> str:
        """What is wrong with pose, floor and depth image, and what to do; empty if nothing is."""
        told = self._calibration.doubt or self._surroundings.doubt
        if self.stream and not told:
            told = doubt_sizes(self.stream.lifter.size_health())
        return f"{self.name}: {told}" if self.name and told else told

    def open(
        self,
        inputs: InputParameters,
        frames: FrameParameters,
        outputs: OutputParameters,
        layout: Callable[[], str],
        handle: Callable[[CameraPipeline, Heard], None],
    ) -> None:
        """Begin to listen and to publish.

        Args:
            inputs: what keypoints come as.
            frames: what is known besides keypoints.
            outputs: what is published for other software.
            layout: returns the name of the points' layout; empty: as messages say.
            handle: takes the keypoints of this camera.

        Raises:
            PstmoError: if something is asked for that is not installed or does not fit together.
        """
        own, node = self._own, self._node
        if inputs.input == "hri" and outputs.publish_hri:
            raise ConfigError(
                "input is hri and publish_hri is true: this node would hear itself on "
                "/humans/bodies; turn one of them off"
            )
        if inputs.input == "hri" and self.name:
            raise ConfigError(
                "input is hri, whose /humans/bodies are those of one camera, but cameras names "
                "several: give each camera a lifter of its own"
            )
        frames = replace(
            frames,
            depth_topic=self.topic(frames.depth_topic),
            imu_topic=self.topic(frames.imu_topic),
        )
        hear = self._surroundings.open(
            node,
            frames,
            node.report,
            lambda message: self.current.frame_of(message),
            lambda heard: handle(self, heard),
        )
        self._outputs = AllOutputs(node, outputs, self.name, frames.target_frame)
        self._surroundings.see = self._outputs.see
        self._places_wanted = bool(frames.floor_frame or frames.depth_topic or self._outputs.any)
        topic = self.topic(own.keypoints_topic)
        told = self._calibration
        unstated = Unstated(lambda: told.size, lambda: told.frame_id, layout)
        self.keypoints = listen(node, topic, own, inputs, unstated, hear)
        self._end_calibration = self._calibration.open(self._recalibrate)
        node.get_logger().info(
            f"active: {self.keypoints.topic} ({own.qos_reliability}) -> "
            f"{self._skeletons.topic_name}, {self._drawn.topic_name}"
        )

    def close(self) -> None:
        """Listen no more, and say that nobody is there; may be called again."""
        releases: list[Callable[[], object]] = [self._surroundings.close]
        if self._outputs is not None:
            releases.append(self._outputs.close)
        if self.keypoints is not None:
            releases.append(self.keypoints.destroy)
            releases.append(self._end_calibration)
        self.keypoints = self._outputs = None
        call_all(releases)
        self.forget()

    def restart(self, stream: Stream) -> None:
        """Take another stream from now on, and forget everybody."""
        self.forget()
        self.stream = stream
        stream.camera = self._calibration.camera

    def new_stream(
        self, runtime: AnyRuntime, config: StreamConfig, embeddings: EmbeddingCache | None = None
    ) -> Stream:
        """Return a stream for this camera.

        Raises:
            ConfigError: if the settings do not fit the network.
        """
        node, own = self._node, self._own
        return Stream(
            runtime, config, node.drops, node.get_logger().warning, own.frame_id,
            self._surroundings, embeddings, f"{self.name}_".replace("/", "_") if self.name else "",
        )  # fmt: skip

    def publish(self, messages: list[Skeletons3D], silence: bool = False) -> None:
        """Publish skeletons in every form that is asked for; `silence`: no more keypoints come."""
        for message in messages:
            self._skeletons.publish(message)
            self._told = message
            if self._outputs is not None:
                self._outputs.tell(message, self.people, silence)
            if self._drawn.get_subscription_count():  # else nobody looks
                camera = self._surroundings.camera
                self._drawn.publish(self.markers.draw(message, self.people, camera))

    def look_for_silence(self, now: int) -> None:
        """Say that people have left when no message has come until `now`, nanoseconds."""
        self.publish(self.current.silence(now), silence=True)
        unplaced = self._places_wanted and not self.current.config.focal and bool(self.people)
        self._calibration.miss(unplaced)

    def forget(self) -> None:
        """Forget everybody and delete their markers; nobody is tracked any more."""
        if self.stream is None:
            return
        stamp = time_message(self._node.get_clock().now().nanoseconds)
        header = Header(frame_id=self.stream.frame_id, stamp=stamp)
        self.stream.reset()
        self._told = None
        if self._outputs is not None:
            self._outputs.tell(Skeletons3D(header=header), (), silence=True)
        deletions = self.markers.clear(header)
        if deletions.markers:
            self._drawn.publish(deletions)

    @property
    def current(self) -> Stream:
        """The stream, which an active node has."""
        assert (
            self.stream is not None
        )  # subscriptions and timers live only while the node is active
        return self.stream

    def _recalibrate(self, another: bool) -> None:
        """Lift with the calibration that has come; `another`: it is of another lens."""
        if another:
            self.current.lifter.recalibrate()
        self.current.camera = self._calibration.camera
