"""The demonstration: player and lifter run over DDS, and what came of it is measured and drawn.

`python -m pstmo_ros.demo [--clip FILE] [-o DIRECTORY]`
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from pstmo_core.clip import Clip, load_clip, sample_path
from pstmo_core.errors import PstmoError
from pstmo_core.metrics import mpjpe, p_mpjpe
from pstmo_core.render import render_clip
from pstmo_ros.demo_recorder import DemoRecorder
from pstmo_ros.recording import Recording

LISTENERS = 2
"""The lifter and the recorder: the player waits for both."""
_PATIENCE = 10.0
"""Seconds that processes have to end after Ctrl-C."""


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
            print(f"the nodes' last words:\n{_tail(folder / 'nodes.log')}", file=sys.stderr)
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
            with _nodes(path, log) as processes:
                progress = _Progress(clip)
                while not recorder.ended:
                    executor.spin_once(timeout_sec=0.1)
                    progress.show(recorder.heard)
                    if not recorder.heard and any(p.poll() is not None for p in processes):
                        raise PstmoError(
                            f"a node ended before it began; its last words:\n{_tail(log)}"
                        )
                progress.end()
            return recorder.recording()
        finally:
            recorder.destroy_node()
    except ExternalShutdownException:
        raise KeyboardInterrupt from None
    finally:
        rclpy.try_shutdown()


@contextlib.contextmanager
def _nodes(clip: Path, log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run lifter and player, by `ros2 launch` where it is installed, else as processes."""
    commands = _launch(clip) if _launch_is_there() else _processes(clip)
    print("starts: " + " ".join(commands[0]), flush=True)
    if len(commands) > 1:
        print("`ros2 launch` is not installed here, so each node is started by itself", flush=True)
    with log.open("wb") as file:
        running = [_start(command, file, log.parent) for command in commands]
        try:
            yield running
        finally:
            _end(running)


def _launch_is_there() -> bool:
    return shutil.which("ros2") is not None and find_spec("ros2launch") is not None


def _launch(clip: Path) -> list[list[str]]:
    arguments = [f"player:={clip}", f"wait_for_subscribers:={LISTENERS}"]
    return [["ros2", "launch", "pstmo_ros", "lifter.launch.py", *arguments]]


def _processes(clip: Path) -> list[list[str]]:
    lifter = [sys.executable, "-m", "pstmo_ros.lifter_node", "--ros-args", "-p", "autostart:=true"]
    player = [sys.executable, "-m", "pstmo_ros.keypoint_player", "--ros-args"]
    player += ["-p", f"clip:='{clip}'", "-p", f"wait_for_subscribers:={LISTENERS}"]
    return [lifter, player]


def _start(command: list[str], log: object, folder: Path) -> subprocess.Popen[bytes]:
    # From the output folder: in the repository's, python -m would import the source tree's
    # pstmo_ros, which has no messages. In a session of its own, Ctrl-C reaches it through _end.
    return subprocess.Popen(
        command,
        stdout=log,  # type: ignore[call-overload]
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        start_new_session=True,
    )


def _end(running: list[subprocess.Popen[bytes]]) -> None:
    """End processes, and what they started, as Ctrl-C would."""
    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for process in running:
            if process.poll() is None:
                os.killpg(process.pid, kind)
        deadline = time.monotonic() + _PATIENCE
        while any(p.poll() is None for p in running) and time.monotonic() < deadline:
            time.sleep(0.05)


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


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


if __name__ == "__main__":
    sys.exit(main())
