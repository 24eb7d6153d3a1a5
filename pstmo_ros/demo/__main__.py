"""The demonstration: the nodes run over DDS, and the result is measured and drawn.

`python -m pstmo_ros.demo [--clip FILE | --video FILE | --camera NUMBER] [-o DIRECTORY]`
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from pstmo_core.atomic_files import OutputError, check_output
from pstmo_core.drawing.clip_video import render_clip
from pstmo_core.errors import PstmoError
from pstmo_core.evaluation.metrics import mpjpe, p_mpjpe
from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_ros.child_processes import launch_is_there, node_command, running, tail
from pstmo_ros.demo.progress import Progress
from pstmo_ros.demo.run import DemoRun
from pstmo_ros.demo_recorder import DemoRecorder

_LOG = "nodes.log"
_WRITTEN = (
    _LOG, "recording.npz", "clip.mp4", "clip.png", "keypoints.npz", "people.mp4", "people.webp",
)  # fmt: skip
LISTENERS = 2
"""The lifter and the recorder: the player waits for both."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the demonstration; returns 0 if skeletons came."""
    options = _options(args)
    folder = options.output.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_folder(folder, [options.clip, *([options.video] if options.video else [])])
        if source := options.video or options.camera:
            from pstmo_ros.demo.video import demonstrate

            paths = demonstrate(source, options.seconds, folder)
        else:
            paths = _demonstrate_clip(options.clip, folder)
    except (PstmoError, OSError, subprocess.SubprocessError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for path in paths:
        print(path)
    return 0


def _options(args: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo.sh",
        description="Lifts people with this package's nodes over DDS and draws them: by default "
        "those of the shipped clip of keypoints, else those of a video or a camera.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--clip", type=Path, default=sample_path(), help="npz; the shipped sample by default"
    )
    source.add_argument(
        "--video", metavar="FILE", help="video of people, or 'sample': the shipped one"
    )
    source.add_argument(
        "--camera", metavar="CAMERA", help="number (0), file (/dev/video0) or rtsp:// address"
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long the camera is looked at (10)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("demo_output"), help="folder for what it leaves"
    )
    return parser.parse_args(args)


def _check_folder(folder: Path, inputs: list[Path | str]) -> None:
    """Check that nothing is replaced but what an earlier demonstration left.

    Raises:
        OutputError: if it would be.
    """
    for name in _WRITTEN:
        check_output(folder / name, inputs)
    there = [name for name in _WRITTEN if (folder / name).exists()]
    if there and _LOG not in there:
        raise OutputError(
            f"{folder}: holds {', '.join(there)}, which no demonstration left; name another folder "
            "by -o"
        )


def _demonstrate_clip(path: Path, folder: Path) -> list[Path]:
    """Play a clip to the lifter, print the figures and draw the skeletons."""
    clip = load_clip(path)
    recording = _run(path.resolve(), clip, folder / _LOG)
    recording.save(folder / "recording.npz")
    joints = _report(recording, clip)
    if joints is None:
        raise PstmoError(f"no skeletons; the nodes' last words:\n{tail(folder / 'nodes.log')}")
    print("draws the picture and the video ...", flush=True)
    return list(render_clip(clip, joints, folder))


def _run(path: Path, clip: Clip, log: Path) -> DemoRun:
    """Play a clip to the lifter and return what was heard."""
    rclpy.init(args=[])
    try:
        recorder = DemoRecorder()
        executor = SingleThreadedExecutor()
        executor.add_node(recorder)
        try:
            with running(_commands(path), log) as processes:
                progress = Progress("frames", len(clip))
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
    commands = _launch(clip) if launch_is_there() else _processes(clip)
    print("starts: " + " ".join(commands[0]), flush=True)
    if len(commands) > 1:
        print("`ros2 launch` is not installed here, so each node is started by itself", flush=True)
    return commands


def _launch(clip: Path) -> list[list[str]]:
    arguments = [f"player:={clip}", f"wait_for_subscribers:={LISTENERS}"]
    return [["ros2", "launch", "pstmo_ros", "lifter.launch.py", *arguments]]


def _processes(clip: Path) -> list[list[str]]:
    lifter = node_command("lifter_node", {"autostart": True})
    played = {"clip": str(clip), "wait_for_subscribers": LISTENERS}
    return [lifter, node_command("keypoint_player", played)]


def _report(recording: DemoRun, clip: Clip) -> np.ndarray | None:
    """Print the figures and return the skeletons (F, P, 17, 3), None if there are none."""
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
