"""The demonstration on a video or a camera: images to skeletons over DDS, drawn side by side."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from pstmo_core.detection.multipose import SIZES
from pstmo_core.drawing.clip_video import render_animation, render_video
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.clip import save_clip
from pstmo_core.lift.videos import video_images
from pstmo_ros.camera_parameters import CameraParameters
from pstmo_ros.child_processes import launch_is_there, node_command, running, tail
from pstmo_ros.demo.progress import Progress
from pstmo_ros.demo.video_recorder import VideoRecorder
from pstmo_ros.image_lifter import CAMERA

LISTENERS = 2
"""The lifter and the recorder: the camera waits for both."""


def demonstrate(source: str, seconds: float, folder: Path) -> list[Path]:
    """Lift the people in a video or in front of a camera, and draw them.

    Each image of a video waits for the keypoints of the one before, so that a slow machine leaves
    none out; a camera's images come as they are.

    Args:
        source: as the camera node's parameter.
        seconds: how long a camera is looked at.
        folder: where to write.

    Returns:
        The files that were written.

    Raises:
        PstmoError: if nobody was lifted.
    """
    file = CameraParameters(source=source).file
    source = source if file is None or source == "sample" else str(file.resolve())
    count = None if file is None else video_images(file, None).count
    log = folder / "nodes.log"
    rclpy.init(args=[])
    recorder = VideoRecorder()
    try:
        ended = (lambda: recorder.seconds > seconds) if file is None else (lambda: recorder.silent)
        with running(_commands(source, file is not None), log) as processes:
            _listen(recorder, processes, count, ended, log)
        _report(recorder, log)
        return _draw(recorder, folder)
    except ExternalShutdownException:
        raise KeyboardInterrupt from None
    finally:
        recorder.destroy_node()
        rclpy.try_shutdown()


def _listen(
    recorder: VideoRecorder,
    processes: list[subprocess.Popen[bytes]],
    count: int | None,
    ended: Callable[[], bool],
    log: Path,
) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    progress = Progress("images", count)
    while not ended():
        executor.spin_once(timeout_sec=0.1)
        progress.show(recorder.images)
        if any(process.poll() is not None for process in processes):
            raise PstmoError(f"a node ended; its last words:\n{tail(log)}")
    progress.end()
    executor.shutdown()


def _commands(source: str, in_step: bool) -> list[list[str]]:
    """Return what runs camera, detector and lifter: `ros2 launch` where it is installed."""
    waits = {"wait_for_keypoints": in_step, "wait_for_subscribers": LISTENERS}
    # Nobody hurries the detector in a video: on a slow machine too it sees people well.
    sees = {"input_size": SIZES[-1], "pose_model": "thunder"} if in_step else {}
    if launch_is_there():
        told = (waits | sees).items()
        words = (f"{k}:={v if isinstance(v, str) else json.dumps(v)}" for k, v in told)
        given = [f"camera:={source}", *words]
        commands = [["ros2", "launch", "pstmo_ros", "lifter.launch.py", *given]]
    else:
        own = {"source": source, **waits}
        camera = [word for k, v in own.items() for word in ("-p", f"{k}:={json.dumps(v)}")]
        command = node_command("image_lifter", {"autostart": True, **sees})
        at = command.index("--ros-args")
        commands = [[*command[:at], CAMERA + shlex.join(camera), *command[at:]]]
    print("starts: " + " ".join(commands[0]), flush=True)
    return commands


def _report(recorder: VideoRecorder, log: Path) -> None:
    """Print the figures."""
    print(f"images       {recorder.images} shown, {recorder.keypoints} looked at")
    print(f"people       lifted in {recorder.skeletons} images")
    if not recorder.skeletons:
        raise PstmoError(f"nobody was lifted; the nodes' last words:\n{tail(log)}")
    median, late = np.percentile(recorder.latency * 1e3, [50, 99])
    print(f"latency      image to answer: median {median:.0f} ms, 99th percentile {late:.0f} ms")


def _draw(recorder: VideoRecorder, folder: Path) -> list[Path]:
    print("draws the video and the moving picture ...", flush=True)
    clip = recorder.clip()
    joints = recorder.joints_of(clip)
    paths = [folder / name for name in ("keypoints.npz", "people.mp4", "people.webp")]
    save_clip(clip, paths[0])
    render_video(clip, joints, paths[1], images=recorder.photos())
    render_animation(clip, joints, paths[2], recorder.photos())
    return paths
