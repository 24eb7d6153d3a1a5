"""The demonstration: player and lifter run over DDS, and what came of it is measured and drawn.

`python -m pstmo_ros.demo [--clip FILE] [-o DIRECTORY]`
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from pstmo_core.drawing.clip_video import render_clip
from pstmo_core.errors import PstmoError
from pstmo_core.evaluation.metrics import mpjpe, p_mpjpe
from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_ros.child_processes import node_command, running, tail
from pstmo_ros.demo_recorder import DemoRecorder
from pstmo_ros.recording import Recording

LISTENERS = 2
"""The lifter and the recorder: the player waits for both."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the demonstration; returns 0 if skeletons came."""
    options = _options(args)
    folder = options.output.resolve()
    try:
        clip = load_clip(options.clip)
        folder.mkdir(parents=True, exist_ok=True)
        recording = _run(options.clip.resolve(), clip, folder / "nodes.log")
        recording.save(folder / "recording.npz")
        joints = _report(recording, clip)
        if joints is None:
            print(f"the nodes' last words:\n{tail(folder / 'nodes.log')}", file=sys.stderr)
            return 1
        print("draws the picture and the video ...", flush=True)
        for path in render_clip(clip, joints, folder):
            print(path)
    except (PstmoError, OSError, subprocess.SubprocessError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _options(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo", description="Plays a clip of 2D keypoints to the lifter over DDS."
    )
    parser.add_argument(
        "--clip", type=Path, default=sample_path(), help="npz; the shipped sample by default"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("demo_output"), help="folder for what it leaves"
    )
    return parser.parse_args(args)


def _run(path: Path, clip: Clip, log: Path) -> Recording:
    """Play a clip to the lifter and return what was heard."""
    rclpy.init(args=[])
    try:
        recorder = DemoRecorder()
        executor = SingleThreadedExecutor()
        executor.add_node(recorder)
        try:
            with running(_commands(path), log) as processes:
                progress = _Progress(clip)
                while not recorder.ended:
                    executor.spin_once(timeout_sec=0.1)
                    progress.show(recorder.heard)
                    if not recorder.heard and any(p.poll() is not None for p in processes):
                        raise PstmoError(
                            f"a node ended before it began; its last words:\n{tail(log)}"
                        )
                progress.end()
            return recorder.recording()
        finally:
            recorder.destroy_node()
    except ExternalShutdownException:
        raise KeyboardInterrupt from None
    finally:
        rclpy.try_shutdown()


def _commands(clip: Path) -> list[list[str]]:
    """Return what runs lifter and player: `ros2 launch` where it is installed, else each."""
    commands = _launch(clip) if _launch_is_there() else _processes(clip)
    print("starts: " + " ".join(commands[0]), flush=True)
    if len(commands) > 1:
        print("`ros2 launch` is not installed here, so each node is started by itself", flush=True)
    return commands


def _launch_is_there() -> bool:
    return shutil.which("ros2") is not None and find_spec("ros2launch") is not None


def _launch(clip: Path) -> list[list[str]]:
    arguments = [f"player:={clip}", f"wait_for_subscribers:={LISTENERS}"]
    return [["ros2", "launch", "pstmo_ros", "lifter.launch.py", *arguments]]


def _processes(clip: Path) -> list[list[str]]:
    lifter = node_command("lifter_node", {"autostart": True})
    played = {"clip": str(clip), "wait_for_subscribers": LISTENERS}
    return [lifter, node_command("keypoint_player", played)]


class _Progress:
    """Says how much was played and how long it will take: a moving line on a terminal."""

    def __init__(self, clip: Clip) -> None:
        self._frames = len(clip)
        self._seconds = int(clip.stamps[-1] - clip.stamps[0]) / 1e9
        self._started: float | None = None
        self._shown = 0.0
        self._moving = sys.stdout.isatty()

    def show(self, heard: int) -> None:
        now = time.monotonic()
        if now - self._shown < (0.2 if self._moving else 5.0):
            return
        self._shown = now
        if heard and self._started is None:
            self._started = now
        if self._started is None:
            self._line("waits for the nodes")
            return
        left = max(0.0, self._seconds - (now - self._started))
        self._line(f"plays: frame {heard} of {self._frames}, {left:.0f} s left")

    def end(self) -> None:
        if self._moving:
            print()

    def _line(self, text: str) -> None:
        start, end = ("\r\033[K", "") if self._moving else ("", "\n")
        print(f"{start}{text}", end=end, flush=True)


def _report(recording: Recording, clip: Clip) -> np.ndarray | None:
    """Print the figures and return the skeletons (F, P, 17, 3), None if none can be had."""
    share = f"{recording.share_answered:.1%} answered"
    print(f"frames       {len(recording.sent)} with people sent, {share}")
    if not len(recording.answered):
        print("no skeletons came", file=sys.stderr)
        return None
    median, late = np.percentile(recording.latency * 1e3, [50, 99])
    print(f"rate         {recording.rate:.1f} Hz")
    print(f"latency      median {median:.1f} ms, 99th percentile {late:.1f} ms")
    try:
        joints = recording.joints_of(clip)
    except ValueError as error:
        print(f"no errors against truth and no pictures: {error}", file=sys.stderr)
        return None
    if clip.truth is not None:
        plain, aligned = (np.nanmean(m(joints, clip.truth)) * 1e3 for m in (mpjpe, p_mpjpe))
        print(f"error        MPJPE {plain:.1f} mm, P-MPJPE {aligned:.1f} mm against truth")
    return joints


if __name__ == "__main__":
    sys.exit(main())
