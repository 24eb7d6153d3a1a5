"""Measures what the node costs besides the network: each part from message to message.

The parts are run one after the other in one process as the node runs them, network included, so
that they find the processor's caches as they do in use. Both topics have a subscriber.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from visualization_msgs.msg import MarkerArray

from pstmo_core.bench.report import percentiles, table
from pstmo_core.keypoints.clip import load_clip, sample_path
from pstmo_core.runtime import Runtime, load_runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_ros.bench.clip import crowd
from pstmo_ros.conversions import keypoints_from_message, keypoints_message, skeletons_message
from pstmo_ros.markers import MarkerStyle, SkeletonMarkers
from pstmo_ros.msg import People2D, Skeletons3D
from pstmo_ros.timed_runtime import TimedRuntime

#: The parts in their order; those of the markers are left out where nobody subscribes to them.
PARTS = {
    "receive": "bytes to message (rclpy)",
    "decode": "message to keypoints on the 17 joints",
    "stream": "buffer, window, encoding (without the network)",
    "encode": "skeletons to message",
    "publish": "skeletons' message to bytes and away (rclpy, DDS)",
    "draw": "skeletons to markers",
    "publish_markers": "markers to bytes and away (rclpy, DDS)",
}
MARKERS = ("draw", "publish_markers")
NETWORK = "network"
_WARM_UP = 60
"""Frames that fill the window and are not counted."""


class OverheadBench:
    """Measures any numbers of people, each a stream of its own.

    Args:
        node: publishes, and subscribes.
        model: ONNX file; empty means the shipped one.
        clock: returns nanoseconds; the thread's own CPU time where others use the machine.
    """

    def __init__(self, node: Node, model: str, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._runtime = TimedRuntime(load_runtime(model or None), clock)
        self._sample = load_clip(sample_path())
        self._skeletons = node.create_publisher(Skeletons3D, "overhead/skeletons", 10)
        self._markers = node.create_publisher(MarkerArray, "overhead/markers", 10)
        for kind, topic in ((Skeletons3D, "skeletons"), (MarkerArray, "markers")):
            node.create_subscription(kind, f"overhead/{topic}", lambda _: None, 10)

    def measure(self, people: int, frames: int) -> Iterator[dict[str, float]]:
        """Yield the seconds of the parts, and of the network, for each frame after the warm-up."""
        clip = crowd(self._sample, people, 30.0, frames + _WARM_UP)
        lifter = StreamLifter(cast(Runtime, self._runtime), StreamConfig(max_people=people))
        markers = SkeletonMarkers(MarkerStyle())
        for index in range(len(clip)):
            message = keypoints_message(clip, index, int(clip.stamps[index]), "camera")
            times = self._frame(serialize_message(message), lifter, markers)
            if index >= _WARM_UP:
                yield times

    def _frame(
        self, data: bytes, lifter: StreamLifter, markers: SkeletonMarkers
    ) -> dict[str, float]:
        times: dict[str, float] = {}

        def timed(part: str, work: Callable[..., Any], *inputs: Any) -> Any:
            begin = self._clock()
            result = work(*inputs)
            times[part] = (self._clock() - begin) / 1e9
            return result

        message = timed("receive", deserialize_message, data, People2D)
        keypoints, _ = timed("decode", keypoints_from_message, message)
        network = self._runtime.nanoseconds
        (skeletons,) = timed("stream", lifter.push, keypoints)
        times[NETWORK] = (self._runtime.nanoseconds - network) / 1e9
        times["stream"] -= times[NETWORK]
        answer = timed("encode", skeletons_message, skeletons, "camera")
        timed("publish", self._skeletons.publish, answer)
        drawn = timed("draw", markers.draw, answer, lifter.people)
        timed("publish_markers", self._markers.publish, drawn)
        return times


def summary(frames: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return the percentiles of each part, of the network, and of the sums, in milliseconds."""
    seconds = {name: np.array([frame[name] for frame in frames]) for name in frames[0]}
    drawn = [seconds[part] for part in PARTS]
    seconds["all"] = np.sum(drawn, axis=0)
    seconds["all_without_markers"] = seconds["all"] - sum(seconds[part] for part in MARKERS)
    return {name: percentiles(values) for name, values in seconds.items()}


def overhead_table(results: dict[int, dict[str, dict[str, float]]]) -> str:
    """Return the Markdown table of summaries by number of people: medians, and p99 of the sums."""
    people = list(results)
    rows: list[list[object]] = [
        [f"{part}: {text}", *(results[count][part]["median_ms"] for count in people)]
        for part, text in PARTS.items()
    ]
    for name, text in (
        ("all_without_markers", "**nobody looks at the markers**"),
        ("all", "**with markers**"),
    ):
        for key, what in (("median_ms", "median"), ("p99_ms", "p99")):
            rows.append([f"{text}, {what}", *(results[count][name][key] for count in people)])
    rows.append(
        ["for comparison: the network", *(results[count][NETWORK]["median_ms"] for count in people)]
    )
    titles = ["1 person" if count == 1 else f"{count} people" for count in people]
    return table(["ms, median", *titles], rows)
