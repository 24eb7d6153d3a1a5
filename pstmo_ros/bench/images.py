"""From an image's stamp to the receipt of its skeletons: camera, detector and lifter as in use.

They run in one process, as `ros2 launch pstmo_ros lifter.launch.py camera:=...` starts them; the
listener is this process. The camera shows the shipped real video at 640 x 480, forwards and
backwards, again and again.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor

from pstmo_core.bench.report import percentiles, table
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.clip import sample_video_path
from pstmo_ros.bench.latency import Listener, Usage, configured
from pstmo_ros.child_processes import node_command, running, tail

SIZE = (640, 480)
_WARM_UP = 3.0
"""Seconds after the first answer that do not count."""
_START = 90.0
"""Seconds within which the first answer must come."""
#: What of the shipped video is shown, by how many people are in it: left, top, right, bottom.
_PARTS = {1: (400, 300, 960, 720), 2: (0, 0, 960, 720)}
#: How many of its images show all of them; None: all images.
_IMAGES = {1: 64, 2: None}


@dataclass(frozen=True)
class ImageScenario:
    """What is shown, and the parameters of detector and lifter that are not their defaults."""

    people: int
    """1 or 2, as the shipped video has them."""
    fps: float
    seconds: float
    nodes: dict[str, object] = field(default_factory=dict)


def measure_images(scenario: ImageScenario) -> dict[str, Any]:
    """Show images and return the figures.

    Raises:
        PstmoError: if the nodes end too early, or no answer comes.
    """
    namespace = f"/bench_{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="pstmo_bench_") as folder:
        log = Path(folder, "nodes.log")
        video = _video(Path(folder, "images.avi"), scenario)
        camera = ["-r", f"__ns:={namespace}", "-p", f"source:={video}", "-p", "loop:=true"]
        command = node_command("image_lifter", {"autostart": True, **scenario.nodes})
        command.insert(command.index("--ros-args"), f"--camera={shlex.join(camera)}")
        command += ["-r", f"__ns:={namespace}"]
        listener = Listener(f"{namespace}/skeletons")
        executor = SingleThreadedExecutor()
        executor.add_node(listener)
        try:
            with running([command], log) as (process,):
                usage = _listen(listener, executor, process, log, scenario.seconds)
            detector = configured(log, "detector")
        finally:
            executor.shutdown()
            listener.destroy_node()
    stamps, received = np.array(listener.answers).T
    counted = (received >= usage.pop("from")) & (received <= usage.pop("to"))
    if counted.sum() < 2:
        raise PstmoError("hardly any image was answered: measure for longer")
    return {
        "people": scenario.people,
        "fps": scenario.fps,
        **scenario.nodes,
        "detector": detector,
        "images": int(counted.sum()),
        **percentiles((received - stamps)[counted] / 1e9),
        "rate": float((counted.sum() - 1) / np.ptp(received[counted]) * 1e9),
        **usage,
    }


def _listen(
    listener: Listener,
    executor: SingleThreadedExecutor,
    process: subprocess.Popen[bytes],
    log: Path,
    seconds: float,
) -> dict[str, float]:
    """Listen for some seconds; return when, and what the nodes used of the machine."""
    began = time.monotonic()
    warm: float | None = None
    first: Usage | None = None
    start = 0
    while first is None or time.monotonic() < first.at + seconds:
        executor.spin_once(timeout_sec=0.1)
        now = time.monotonic()
        if process.poll() is not None or (not listener.answers and now - began > _START):
            raise PstmoError(f"no answers came from the nodes; their last words:\n{tail(log)}")
        if warm is None and listener.answers:
            warm = now + _WARM_UP
        if first is None and warm is not None and now >= warm:
            first, start = Usage.of(process.pid), time.time_ns()
    last = Usage.of(process.pid)
    share = (last.cpu - first.cpu) / (last.at - first.at)
    times = {"from": start, "to": time.time_ns()}
    return {**times, "cpu_share": share, "memory_mib": last.memory / 2**20}


def _video(path: Path, scenario: ImageScenario) -> Path:
    """Write the images of a scenario as a video that costs little to decode."""
    import cv2

    left, top, right, bottom = _PARTS[scenario.people]
    shown: list[np.ndarray] = []
    source = cv2.VideoCapture(str(sample_video_path()))
    while (image := source.read()[1]) is not None:
        part = image[top:bottom, left:right]
        shown.append(cv2.resize(part, SIZE, interpolation=cv2.INTER_AREA))
    target = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), scenario.fps, SIZE)
    shown = shown[: _IMAGES[scenario.people]]
    for image in shown + shown[::-1]:
        target.write(image)
    source.release()
    target.release()
    return path


def _refiner(detector: str) -> str:
    """Return which network refines people, of what a detector says of itself."""
    network = re.search(r"refined by ([^:]+)", detector)
    return network[1] if network else ""


def images_table(results: list[dict[str, Any]]) -> str:
    """Return the Markdown table of what `measure_images` returned."""
    header = ["people", "threads", "refined by", "images/s shown", "images/s answered"]
    header += ["median ms", "p95 ms", "p99 ms", "CPU ms per image", "CPU share of all three nodes"]
    header += ["their memory"]
    rows: list[list[object]] = [
        [
            one["people"],
            one["detector_threads"],
            _refiner(one["detector"]),
            f"{one['fps']:g}",
            f"{one['rate']:.1f}",
            *(f"{one[f'{part}_ms']:.0f}" for part in ("median", "p95", "p99")),
            f"{one['cpu_share'] / one['rate'] * 1e3:.0f}",
            f"{one['cpu_share']:.0%} of a core",
            f"{one['memory_mib']:.0f} MiB",
        ]
        for one in results
    ]
    return table(header, rows)
