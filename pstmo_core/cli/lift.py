"""`pstmo lift`."""

from __future__ import annotations

import sys

import typer
from tqdm import tqdm

from pstmo_core.cli import lift_options as options
from pstmo_core.cli.app import app, report, say, words
from pstmo_core.cli.options import Fps, Layout, Model, Size, StreamSettings
from pstmo_core.detection.options import DEFAULT_KIND, DetectorOptions
from pstmo_core.errors import PstmoError, printable
from pstmo_core.lift.input_kinds import CAMERA
from pstmo_core.lift.jobs import Result
from pstmo_core.lift.keypoints_from_images import counted
from pstmo_core.lift.plan import Job, plan
from pstmo_core.lift.pool import failures, lift_here, lift_in_processes
from pstmo_core.lift.ray_jobs import lift_on_ray
from pstmo_core.lift.settings import LiftSettings
from pstmo_core.settings import read_assignments
from pstmo_core.streaming.config import StreamConfig


@app.command("lift")
def lift_command(
    inputs: options.Inputs,
    output: options.Output,
    formats: options.Formats = [],
    overlay: options.Overlay = False,
    detector: options.Detector = DEFAULT_KIND,
    detector_option: options.DetectorOptions = [],
    focal: options.Focal = StreamConfig.focal,
    camera_info: options.CameraInfo = "",
    rectified: options.Rectified = None,
    height: options.Height = StreamConfig.height,
    rotation: options.Rotation = StreamConfig.rotation,
    look_ahead: options.LookAhead = None,
    tilt: options.Tilt = None,
    model: Model = "",
    fps: Fps = None,
    size: Size = None,
    layout: Layout = None,
    topic: options.Topic = "",
    images: options.Images = None,
    workers: options.Workers = 1,
    ray: options.Ray = "",
    threads: options.Threads = 1,
    backend: options.Backend = "auto",
    precision: options.Precision = "fp32",
    max_people: options.MaxPeople = None,
    setting: StreamSettings = [],
    force: options.Force = False,
) -> None:
    """Lift videos, images or keypoints to 3D skeletons.

    \b
    pstmo lift walk.mp4 -o walk.npz
    pstmo lift walk.mp4 -o walk.npz --detector rtm --detector-option pose_model=rtmo.onnx
    pstmo lift clip.npz -o clip.bvh --focal 1100 --overlay
    pstmo lift videos/*.mp4 -o lifted --format npz,bvh --workers 8
    pstmo lift bag_folder -o skeletons_bag
    pstmo lift 0 -o me.json --images 300

    Joints are in metres relative to the pelvis, x right, y down, z forward. With --focal or
    --camera-info, root positions in the camera's frame are estimated, too. Finished inputs are not
    lifted again: repeat an interrupted call to resume it. docs/formats.md explains the files.
    """  # noqa: D301
    jobs, kinds = plan(inputs, output, list(words(formats)))
    stream = {
        "focal": focal, "height": height, "rotation": rotation,
        "tilt": StreamConfig.tilt if tilt is None else tilt,
    } | read_assignments(StreamConfig, words(setting), "setting of the stream")  # fmt: skip
    settings = LiftSettings(
        formats=kinds, overlay=overlay, model=model,
        look_ahead=stream.pop("look_ahead", look_ahead), stream=StreamConfig(**stream),
        camera_info=camera_info, fps=fps, size=size, layout=layout, topic=topic, images=images,
        detector=detector, threads=threads, backend=backend, precision=precision,
        rectified=rectified, max_people=max_people,
        detector_options=DetectorOptions(
            **read_assignments(DetectorOptions, words(detector_option), "option of detectors")
            | {"rotation": rotation}
        ),
    )  # fmt: skip
    _refuse(jobs, workers, ray)
    results = _lift(jobs, settings, force, workers, ray)
    _report(results)


def _refuse(jobs: list[Job], workers: int, ray: str) -> None:
    if any(job.kind == CAMERA for job in jobs) and (workers > 1 or ray or len(jobs) > 1):
        raise PstmoError("a camera is lifted alone, in this process: give no other input")


def _lift(
    jobs: list[Job], settings: LiftSettings, force: bool, workers: int, ray: str
) -> list[Result]:
    results: list[Result] = []
    files = " {n:.1f}/{total_fmt} files" if len(jobs) > 1 else ""
    bar_format = f"{{l_bar}}{{bar}}|{files} [{{elapsed}}<{{remaining}}]"
    interval = 0.1 if sys.stderr.isatty() else 10.0  # every line of a log is kept
    with tqdm(total=len(jobs), delay=1, bar_format=bar_format, mininterval=interval) as bar:

        def finished(result: Result) -> None:
            if len(jobs) > 1:
                if result.runtime and not any(before.runtime for before in results):
                    bar.write(f"lifted by {result.runtime}")
                bar.write(printable(_sentence(result)))
            results.append(result)

        def progress(done: float) -> None:
            bar.update(done - bar.n)

        if ray:
            lift_on_ray(jobs, settings, force, ray, finished, progress)
        elif min(workers, len(jobs)) > 1:
            lift_in_processes(jobs, settings, force, workers, finished, progress)
        else:
            lift_here(jobs, settings, force, finished, progress)
    if len(jobs) == 1:
        if results[0].runtime:
            say(f"lifted by {results[0].runtime}")
        say(_sentence(results[0]))
    return results


def _sentence(result: Result) -> str:
    source = result.job.shown
    if result.error:
        return f"{source}: not lifted"
    if result.skipped:
        return f"{source}: was done already (--force lifts it again)"
    notes = "".join(f"; {note}" for note in result.notes)
    wrote = ", ".join(result.outputs) or "nothing"
    frames = counted(result.frames, "frame")
    return f"{source}: {frames}, people: {result.people}; wrote {wrote}{notes}"


def _report(results: list[Result]) -> None:
    """Tell of failures at the end; exit code 1 where some inputs were lifted, 2 where none was."""
    failed = failures(results)
    for result in failed:
        report(result.error, result.trace)
    if failed:
        raise typer.Exit(1 if len(failed) < len(results) else 2)
