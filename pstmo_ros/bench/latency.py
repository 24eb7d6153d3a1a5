"""From a keypoint message's stamp to the receipt of its skeletons, over DDS, as in use.

Player, lifter and listener are processes of their own; the listener is this one. The player stamps
a message with the time at which it is due, so its own delay counts too.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from pstmo_core.bench.report import percentiles, table
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.clip import load_clip, sample_path, save_clip
from pstmo_ros.bench.clip import crowd
from pstmo_ros.child_processes import node_command, running, tail
from pstmo_ros.conversions import stamp_ns
from pstmo_ros.msg import Skeletons3D

_WARM_UP = 1.0
"""Seconds that fill the first window; their frames count as frames, but not for the latency."""
_LINGER = 1.0
"""Seconds after the player's end in which answers are still awaited."""
_START = 60.0
"""Seconds within which the first answer must come."""


@dataclass(frozen=True)
class Scenario:
    """What is played, and with which parameters of the lifter."""

    people: int
    fps: float
    seconds: float
    lifter: dict[str, object] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """How many frames are played."""
        return round(self.fps * self.seconds)


class Listener(Node):
    """Notes when skeletons come, and what they answer."""

    def __init__(self, topic: str) -> None:
        super().__init__("bench_listener")
        self.answers: list[tuple[int, int]] = []
        """Stamp of the newest input of each, and its receipt, nanoseconds."""
        qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
        self.create_subscription(Skeletons3D, topic, self._on_skeletons, qos)

    def _on_skeletons(self, message: Skeletons3D) -> None:
        received = time.time_ns()
        # Somebody who is only carried on (`bridge`) is seen in no frame that was sent.
        if any(person.observed > 0 and max(person.confidence) > 0 for person in message.people):
            self.answers.append((stamp_ns(message.newest_stamp), received))


def measure(scenario: Scenario, progress: Callable[[int], object]) -> dict[str, Any]:
    """Play a scenario and return its figures.

    Args:
        scenario: what is played.
        progress: called with the number of answers now and then.

    Raises:
        PstmoError: if a node ends too early, or no answer comes.
    """
    prefix = f"bench_{os.getpid()}"
    topics = {f"{name}_topic": f"{prefix}/{name}" for name in ("keypoints", "skeletons")}
    with tempfile.TemporaryDirectory(prefix="pstmo_bench_") as folder:
        clip, log = Path(folder, "clip.npz"), Path(folder, "nodes.log")
        save_clip(
            crowd(load_clip(sample_path()), scenario.people, scenario.fps, scenario.frames), clip
        )
        limits = {"max_people": max(16, scenario.people), "autostart": True}
        lifter = node_command("lifter_node", {**limits, **topics, **scenario.lifter})
        played = {"clip": str(clip), "keypoints_topic": topics["keypoints_topic"]}
        player = node_command("keypoint_player", played)
        listener = Listener(topics["skeletons_topic"])
        executor = SingleThreadedExecutor()
        executor.add_node(listener)
        try:
            with running([lifter, player], log) as processes:
                usage = _play(listener, executor, processes, log, progress)
            runtime = configured(log, "lifter")
        finally:
            executor.shutdown()
            listener.destroy_node()
    return {
        "people": scenario.people,
        "fps": scenario.fps,
        "runtime": runtime,
        **_figures(np.array(listener.answers), scenario),
        **usage,
    }


def _play(
    listener: Listener,
    executor: SingleThreadedExecutor,
    processes: list[subprocess.Popen[bytes]],
    log: Path,
    progress: Callable[[int], object],
) -> dict[str, float]:
    """Listen until the player has ended; return the lifter's use of the machine meanwhile."""
    lifter, player = processes
    began, ended = time.monotonic(), float("inf")
    first: Usage | None = None
    last: Usage | None = None
    while time.monotonic() < ended + _LINGER:
        executor.spin_once(timeout_sec=0.1)
        now, count = time.monotonic(), len(listener.answers)
        if lifter.poll() is not None or (player.poll() or (not count and now - began > _START)):
            raise PstmoError(f"no answers came from the nodes; their last words:\n{tail(log)}")
        if player.poll() is not None:
            ended = min(ended, now)
        elif count and (last is None or now - last.at > 0.2):
            last = Usage.of(lifter.pid)
            first = first or last
            progress(count)
    if first is None or last is None or last.at == first.at:
        raise PstmoError(f"too little was played to be measured; the nodes said:\n{tail(log)}")
    share = (last.cpu - first.cpu) / (last.at - first.at)
    return {"cpu_share": share, "memory_mib": last.memory / 2**20}


@dataclass(frozen=True)
class Usage:
    """What a process has used up to a moment."""

    at: float
    """Seconds of the monotonic clock."""
    cpu: float
    """Seconds of all its threads."""
    memory: int
    """Bytes resident."""

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Return that of a process now."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        pages = int(fields[21])
        cpu = ticks / os.sysconf("SC_CLK_TCK")
        return cls(time.monotonic(), cpu, pages * os.sysconf("SC_PAGE_SIZE"))


def _figures(answers: np.ndarray, scenario: Scenario) -> dict[str, Any]:
    """Return frames, those lost, and the latency of (stamp, receipt) pairs (N, 2)."""
    stamps, received = answers.T
    warm = stamps >= stamps[0] + round(_WARM_UP * 1e9)
    if not warm.any():
        raise PstmoError("every answer fell into the first second: play longer")
    return {
        "frames": scenario.frames,
        "lost": scenario.frames - len(np.unique(stamps)),
        **percentiles((received - stamps)[warm] / 1e9),
    }


def configured(log: Path, node: str) -> str:
    """Return what a node, one of those that write a log, said it runs on."""
    lines, told = log.read_text(errors="replace").splitlines(), f"{node}]: configured: "
    said = [line.partition(told)[2] for line in lines if told in line]
    return said[0] if said else "not known"


def latency_table(results: list[dict[str, Any]]) -> str:
    """Return the Markdown table of what `measure` returned."""
    header = ["people", "frames/s", "median ms", "p95 ms", "p99 ms", "frames lost"]
    header += ["lifter's CPU share", "its memory"]
    rows: list[list[object]] = [
        [
            one["people"],
            f"{one['fps']:g}",
            *(one[f"{part}_ms"] for part in ("median", "p95", "p99")),
            f"{one['lost']} of {one['frames']}",
            f"{one['cpu_share']:.0%} of a core",
            f"{one['memory_mib']:.0f} MiB",
        ]
        for one in results
    ]
    return table(header, rows)
