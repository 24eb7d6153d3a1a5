"""The lifecycle node that finds 2D keypoints of people in images: always in the newest one."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from pstmo_core.detection import Detections, Detector, DetectorOptions, load_detector
from pstmo_core.errors import PstmoError
from pstmo_core.images import ImageError
from pstmo_ros.clock_watch import waits_for_clock
from pstmo_ros.conversions import floats, stamp_ns
from pstmo_ros.detector_diagnostics import (
    CROWDED,
    IMAGE,
    REPLACED,
    SEVERAL_CAMERAS,
    DetectorDiagnostics,
    DetectorFacts,
)
from pstmo_ros.detector_parameters import DETECTOR, DetectorFiles, DetectorParameters
from pstmo_ros.drops import RARELY
from pstmo_ros.image_topic import find_images, image_topics
from pstmo_ros.images import ImageDecoder
from pstmo_ros.inputs.arrival import Arrival, with_arrival
from pstmo_ros.inputs.lost_frames import LostFrames
from pstmo_ros.lifecycle import GuardedNode
from pstmo_ros.lifecycle_process import run_lifecycle_node
from pstmo_ros.lifter_parameters import LIFTER
from pstmo_ros.looks import Answer
from pstmo_ros.mailbox import Mailbox
from pstmo_ros.msg import People2D, Person2D
from pstmo_ros.one_camera import OneCamera, Sender
from pstmo_ros.parameters import Parameters
from pstmo_ros.prepared import Prepared
from pstmo_ros.publishers import Publishers

RENDERER = "virtual_camera"
"""Name of the node whose images the detector simulation was made for."""
SEARCH_PERIOD = 0.5
"""Seconds between two looks whether images are published, and of which type."""
_PATIENCE = 10.0
"""Seconds that the current image may take when the node is deactivated."""
_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
_RESULTS = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)


def _load(kind: str, options: DetectorOptions) -> Detector:
    """Load a detector that adapts to the machine's speed."""
    return load_detector(kind, options, time.perf_counter)


class DetectorNode(GuardedNode):
    """Subscribes to images while active; publishes People2D, without ids, at the images' stamps.

    A separate thread processes the newest image; images that arrive while it is busy are replaced
    by newer ones, counted and reported. The node says on /diagnostics how it is, in every lifecycle
    state. The camera's calibration is not passed on, because the lifter subscribes to it directly.

    Args:
        load: makes the detector of a kind with options.

    Raises:
        ConfigError: if a parameter that it was started with is wrong.
    """

    def __init__(
        self, load: Callable[[str, DetectorOptions], Detector] = _load, **options: Any
    ) -> None:
        super().__init__("detector", **options)
        self._network = Prepared(load)
        self.parameters = Parameters(self, *DETECTOR, beside=LIFTER)
        self._own = self.parameters.read(DetectorParameters)
        self._detector: Detector | None = None
        self._described = self._bad_image = ""
        self._listened: tuple[str, str] | None = None
        """Type and topic of the images, as soon as they are known."""
        self._mailbox: Mailbox[Image | CompressedImage] = Mailbox()
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._diagnostics = DetectorDiagnostics(self, self.drops, self._facts)

    def destroy_node(self) -> None:
        """End the thread before the node."""
        self._release()
        super().destroy_node()

    # Transitions

    def prepare(self) -> None:
        """Load the detector."""
        own = self.parameters.read(DetectorParameters)
        self._network.prepare(own.detector, self.parameters.read(DetectorFiles))

    def _configure(self) -> None:
        own = self._own = self.parameters.read(DetectorParameters)
        self._detector = self._network.take(own.detector, self.parameters.read(DetectorFiles))
        self._decoder = ImageDecoder()
        self._keypoints = self.publisher(People2D, own.keypoints_topic, _RESULTS)
        self._described = self._detector.describe()
        self.get_logger().info(f"configured: {self._described}")
        self.get_logger().info(self._decoder.describe())

    def _activate(self) -> None:
        """Listen to images, as soon as their type is known."""
        assert self._detector is not None
        self._detector.reset()
        self._diagnostics.restart()
        mailbox = self._mailbox = Mailbox()
        worker = threading.Thread(target=self._work, args=(mailbox,), daemon=True)
        worker.start()
        self._release_on_deactivate.append(lambda: self._end(worker, mailbox))
        if not self._listen():
            # Not on the node's clock: images are found while simulated time stands still.
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            search = self._search = self.create_timer(SEARCH_PERIOD, self._on_search, clock=steady)
            self._release_on_deactivate.append(lambda: self.destroy_timer(search))
            topic = self.resolve_topic_name(self._own.image_topic)
            self.get_logger().info(f"active: waits for somebody who publishes images on {topic}")

    def _deactivate(self) -> None:
        super()._deactivate()
        self._listened = None
        if dropped := self.drops.summary():
            self.get_logger().info(f"not looked at, or not at everybody, so far: {dropped}")

    def _release(self) -> None:
        super()._release()
        self._detector = self._listened = None
        self._described = ""

    def _on_search(self) -> None:
        if self._listen():
            self._search.cancel()

    def _listen(self) -> bool:
        """Subscribe to the images, if it is known where and what they are."""
        found = find_images(self, self._own.image_topic, self._own.image_transport)
        if found is None:
            return False
        kind, topic = found
        self._listened = kind.__name__, topic
        self._numbers = Publishers(lambda: self.count_publishers(topic))
        self._lost = LostFrames(lambda: self.count_publishers(topic))
        self._one_camera = OneCamera()
        images = self.create_subscription(kind, topic, with_arrival(self._on_image), _NEWEST)
        self._release_on_deactivate.append(lambda: self.destroy_subscription(images))
        if self._own.detector == "simulation":
            self._warn_of_real_images(topic)
        self.get_logger().info(
            f"active: {images.topic_name} ({kind.__name__}) -> {self._keypoints.topic_name}"
        )
        return True

    def _warn_of_real_images(self, topic: str) -> None:
        sources = self.get_publishers_info_by_topic(self.resolve_topic_name(topic))
        others = {info.node_name for info in sources} - {RENDERER}
        if others or not sources:
            self.get_logger().warning(
                f"the detector simulation finds rendered people only, but the images on {topic} "
                f"are of {', '.join(sorted(others)) or 'a node not known yet'}, not of the virtual "
                "camera: for real people set detector to movenet"
            )

    # Images

    def _on_image(self, message: Image | CompressedImage, arrival: Arrival) -> None:
        now = time.monotonic_ns()
        lost = self._lost.add(arrival.sequence, stamp_ns(message.header.stamp))
        self._diagnostics.images.add(now, 0, lost=lost)
        publisher = self._numbers.of(arrival.sequence, now)
        if not self._one_camera.admits(Sender(message.header.frame_id, 0, 0, publisher), now):
            self.warn(
                SEVERAL_CAMERAS,
                f"several cameras publish on {self._own.image_topic}, "
                f"{self._one_camera.describe()}: only one is looked at; give each camera a topic "
                "and a detector of its own (ros2 topic info -v names who publishes)",
            )
            return
        if self._mailbox.put(message):
            sentence = "images come faster than they are looked at: the newest is taken"
            if line := self.drops.add(REPLACED, sentence, time.monotonic_ns(), period=RARELY):
                self.get_logger().info(line)

    def _work(self, mailbox: Mailbox[Image | CompressedImage]) -> None:
        """Look at one image after the other until the mailbox is closed."""
        period = 1 / self._own.max_image_rate if self._own.max_image_rate else 0.0
        while (message := mailbox.take()) is not None:
            began = time.monotonic()
            self._diagnostics.looks.begin()
            self._diagnostics.looks.end(self._answer(message))
            if not self.context.ok():  # the end came meanwhile
                return
            if period:
                mailbox.sleep(began + period - time.monotonic())

    def _answer(self, message: Image | CompressedImage) -> Answer | None:
        """Look at an image and say what came of it; None: that failed, and was reported."""
        try:
            return self._look_at(message)
        except ImageError as error:
            self._bad_image = str(error)
            self.report(IMAGE, self._bad_image)
        except PstmoError as error:
            self.report("detector", str(error))
        except Exception:  # whatever one image does, the next ones are looked at
            if self.context.ok():
                self.report("internal", f"an image was not looked at:\n{traceback.format_exc()}")
        return None

    def _look_at(self, message: Image | CompressedImage) -> Answer:
        assert self._detector is not None  # the thread ends before the detector is given back
        image = self._decoder.decode(message)
        found = self._detector.detect(image)
        if (now := self._detector.describe()) != self._described:
            self._described = now
            self.get_logger().info(f"the detector's pace has changed: {now}")
        if found.left_out:
            self._say_who_is_left_out(len(found.points))
        size = (image.shape[1], image.shape[0])
        self._keypoints.publish(people_message(message.header, found, self._detector.layout, size))
        late = self.get_clock().now().nanoseconds - stamp_ns(message.header.stamp)
        return Answer(len(found.points), late)

    def _say_who_is_left_out(self, followed: int) -> None:
        sentence = (
            f"more people are in view than the {followed} who are followed: detected_people sets "
            "how many are"
        )
        if line := self.drops.add(CROWDED, sentence, time.monotonic_ns()):
            self.get_logger().info(line)

    def _end(self, worker: threading.Thread, mailbox: Mailbox[Any]) -> None:
        mailbox.close()
        worker.join(_PATIENCE)
        if worker.is_alive():
            self.get_logger().error(f"the detector has not answered for {_PATIENCE:.0f} s")

    def _facts(self) -> DetectorFacts:
        """Return what the diagnostics cannot know by themselves."""
        own, (kind, topic) = self._own, self._listened or ("", "")
        sought = [topic] if topic else image_topics(self, own.image_topic, own.image_transport)
        names = [self.resolve_topic_name(name) for name in sought]
        return DetectorFacts(
            state=self.state,
            detector=self._described,
            topic=" or ".join(names),
            kind=kind,
            publishers=sum(map(self.count_publishers, names)),
            waits_for_clock=waits_for_clock(self),
            bad_image=self._bad_image,
        )

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            self.parameters.check(changes, configured=self._detector is not None)
        except PstmoError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)


def people_message(
    header: Header, found: Detections, layout: str, size: tuple[int, int]
) -> People2D:
    """Return what was found in an image of some width and height; nobody has an id."""
    return People2D(
        header=header,
        layout=layout,
        width=size[0],
        height=size[1],
        people=[
            Person2D(points=floats(points), scores=floats(scores))
            for points, scores in zip(found.points, found.scores, strict=True)
        ],
    )


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until Ctrl-C."""
    return run_lifecycle_node(DetectorNode, args)


if __name__ == "__main__":
    sys.exit(main())
