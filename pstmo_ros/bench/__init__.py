"""Measures the nodes: `ros2 run pstmo_ros bench [--images] [--fps 30 60] [-o FOLDER]`.

Two measurements, each written as JSON and Markdown: the parts of the way from message to message
beside the network (node_overhead), and the latency over DDS between processes (latency_node). With
--images another one alone: the latency from images to skeletons (latency_images).

    ros2 run pstmo_ros bench --only latency --people 1 --fps 30 -o results
    ros2 run pstmo_ros bench --images --detector-threads 1 --seconds 5 -o results
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.utilities import get_rmw_implementation_identifier
from tqdm import tqdm

from pstmo_core.atomic_files import check_folder
from pstmo_core.bench.machine import describe_machine, machine
from pstmo_core.bench.report import write_report
from pstmo_core.detection.options import DEFAULT_KIND, KINDS
from pstmo_core.errors import PstmoError
from pstmo_ros.bench.images import ImageScenario, images_table, measure_images
from pstmo_ros.bench.latency import Scenario, latency_table, measure
from pstmo_ros.bench.overhead import OverheadBench, overhead_table, summary
from pstmo_ros.lifter_parameters import LifterParameters

_MEASUREMENTS = ("overhead", "latency")
_TURN = 60
"""Frames of each number of people, before it is another one's turn."""

_Times = dict[str, float]


def main(args: Sequence[str] | None = None) -> int:
    """Measure; returns 0, or 1 if a node failed."""
    options = _options(args)
    rclpy.init(args=[])
    try:
        check_folder(options.output)
        measurements = {"overhead": _overhead, "latency": _latency, "images": _images}
        for name in _chosen(options):
            for path in measurements[name](options):
                print(path)
    except (PstmoError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    except RuntimeError:
        if rclpy.ok():  # else rclpy's RCLError: a signal came while something was published
            raise
        return 130
    finally:
        rclpy.try_shutdown()
    return 0


def _chosen(options: argparse.Namespace) -> tuple[str, ...]:
    if options.images:
        return ("images",)
    return (options.only,) if options.only else _MEASUREMENTS


def _options(args: Sequence[str] | None) -> argparse.Namespace:
    defaults = LifterParameters()
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--people", type=int, nargs="+", help="how many are seen; by default 1 4 16, images 1 2")
    add(
        "--fps", type=float, nargs="+", help="frame rates (latency); by default 30 60, images 15 30"
    )
    add("--seconds", type=float, default=10.0, help="how long each is played (latency; default 10)")
    add("--frames", type=int, default=600, help="how many frames are counted (overhead; 600)")
    add("--cpu-time", action="store_true", help="the thread's CPU time, not wall time (overhead)")
    add("--only", choices=_MEASUREMENTS, help="one of the two measurements")
    add("--images", action="store_true", help="from images of the shipped real video to skeletons")
    add("--detector", default=DEFAULT_KIND, choices=KINDS, help="the detector's parameter (images)")
    add("--pose-model", default="", help="the detector's parameter (images)")
    add(
        "--detector-threads",
        type=int,
        nargs="+",
        default=[1, 2],
        help="its threads (images; default 1 2)",
    )
    add("--model", default=defaults.model, help="ONNX file, or stmo_27 (the default) or stmo_live")
    add("--backend", default=defaults.backend, help="the lifter's parameter")
    add("--precision", default=defaults.precision, help="the lifter's parameter")
    add("--threads", type=int, default=defaults.threads, help="the lifter's parameter")
    add(
        "-o",
        "--output",
        type=Path,
        default=Path("benchmarks"),
        help="folder for the results (default: benchmarks)",
    )
    options = parser.parse_args(args)
    options.people = options.people or ([1, 2] if options.images else [1, 4, 16])
    options.fps = options.fps or ([15.0, 30.0] if options.images else [30.0, 60.0])
    if options.images and not set(options.people) <= {1, 2}:
        parser.error("the images of the shipped video show 1 or 2 people")
    return options


def _overhead(options: argparse.Namespace) -> list[Path]:
    node = rclpy.create_node("bench")
    try:
        clock = time.thread_time_ns if options.cpu_time else time.perf_counter_ns
        bench = OverheadBench(node, options.model, clock)
        streams = {people: bench.measure(people, options.frames) for people in options.people}
        results = {people: summary(frames) for people, frames in _in_turns(streams).items()}
    finally:
        node.destroy_node()
    clock_text = " of the thread's CPU time" if options.cpu_time else ""
    text = (
        f"# What the node costs beside the network\n\nMilliseconds a frame{clock_text} over "
        f"{options.frames} frames in one process, the numbers of people in turns; skeletons and "
        f"markers have a subscriber each. {_caption()}\n\n"
        f"{overhead_table(results)}\n\nMeasured by `ros2 run pstmo_ros bench --only overhead`.\n"
    )
    return write_report(options.output, "node_overhead", _facts() | {"results": results}, text)


def _in_turns(streams: dict[int, Iterator[_Times]]) -> dict[int, list[_Times]]:
    """Take some frames of each stream in turn, so that all find the machine alike."""
    taken: dict[int, list[_Times]] = {people: [] for people in streams}
    with tqdm(desc="overhead", unit="frame") as progress:
        while True:
            before = progress.n
            for people, stream in streams.items():
                turn = list(itertools.islice(stream, _TURN))
                taken[people] += turn
                progress.update(len(turn))
            if progress.n == before:
                return taken


def _latency(options: argparse.Namespace) -> list[Path]:
    names = ("model", "backend", "precision", "threads")
    lifter = {name: getattr(options, name) for name in names}
    results = []
    for fps in options.fps:
        for people in options.people:
            scenario = Scenario(people, fps, options.seconds, lifter)
            with contextlib.closing(_Progress(scenario)) as progress:
                results.append(measure(scenario, progress))
    text = (
        "# Latency of the node\n\nFrom the stamp of a keypoint message to the receipt of its "
        "skeletons in another process, over DDS: player, lifter and listener are three processes. "
        f"Each line is {options.seconds:g} s of real motion, its first second not counted. CPU "
        f"share and memory are the lifter's. Runtime: {results[0]['runtime']}. {_caption()}\n\n"
        f"{latency_table(results)}\n\nMeasured by `ros2 run pstmo_ros bench --only latency`.\n"
    )
    return write_report(options.output, "latency_node", _facts() | {"results": results}, text)


def _images(options: argparse.Namespace) -> list[Path]:
    names = ("model", "backend", "precision", "threads", "detector", "pose_model")
    given = {name: getattr(options, name) for name in names}
    scenarios = [
        ImageScenario(people, fps, options.seconds, given | {"detector_threads": threads})
        for threads in options.detector_threads
        for fps in options.fps
        for people in options.people
    ]
    results = [measure_images(one) for one in tqdm(scenarios, desc="images", unit="run")]
    # What refines people is in the table, line by line.
    detectors = {one["detector"].partition(", refined by ")[0]: None for one in results}
    text = (
        "# From images to skeletons\n\nFrom an image's stamp to the receipt of its skeletons in "
        "another process: camera, detector and lifter run in one process, whose CPU share and "
        "memory are given (the camera decodes JPEG). The images, 640 x 480, are those of the "
        f"shipped real video, forwards and backwards, {options.seconds:g} s for each line. Threads "
        f"are the detector's; the lifter has {options.threads}. Detector: {'; '.join(detectors)}. "
        f"{_caption()}{_busy()}\n\n"
        f"{images_table(results)}\n\nMeasured by `ros2 run pstmo_ros bench --images`.\n"
    )
    return write_report(options.output, "latency_images", _facts() | {"results": results}, text)


class _Progress:
    """Shows how many answers have come."""

    def __init__(self, scenario: Scenario) -> None:
        label = f"latency, {scenario.people} people at {scenario.fps:g} frames/s"
        self._bar = tqdm(total=scenario.frames, desc=label, mininterval=1.0)

    def __call__(self, count: int) -> None:
        self._bar.update(count - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def _facts() -> dict[str, object]:
    return {**machine(), "rmw": _rmw(), "date": date.today().isoformat()}


def _caption() -> str:
    return f"Machine: {describe_machine()}; {_rmw()}; Python {machine()['python']}."


def _busy() -> str:
    """Say so where other work took the machine's cores: that the measured process waits."""
    if os.getloadavg()[0] <= 2 * (os.cpu_count() or 1):
        return ""
    return (
        " The machine was overloaded by other work: of these figures only the CPU milliseconds an "
        "image hold elsewhere."
    )


def _rmw() -> str:
    return str(get_rmw_implementation_identifier())
