"""`pstmo lift`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from pstmo_core.cli.app import LIST, app, report, words
from pstmo_core.cli.options import option
from pstmo_core.cli.stream_settings import SettingsOption, stream_settings
from pstmo_core.detection.options import DEFAULT_KIND, KINDS
from pstmo_core.errors import PstmoError
from pstmo_core.lift.jobs import Result
from pstmo_core.lift.keypoints_from_images import counted
from pstmo_core.lift.plan import Job, plan
from pstmo_core.lift.pool import failures, lift_here, lift_in_processes
from pstmo_core.lift.ray_jobs import lift_on_ray
from pstmo_core.lift.settings import FORMATS, MOST_PEOPLE, LiftSettings, detector_options
from pstmo_core.lift.sources import CAMERA
from pstmo_core.runtime import BACKENDS, PRECISIONS
from pstmo_core.streaming.config import StreamConfig


@app.command("lift")
def lift_command(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="Videos, folders of images, keypoint files of any format in docs/formats.md, "
            "rosbag2 bags (sqlite3, mcap), or a camera: its number, device file or address.",
            metavar="INPUT...",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help=f"What to write, by its suffix ({', '.join(FORMATS)}); a folder for several "
            "inputs. Bags are folders, as ros2 bag makes them.",
        ),
    ],
    formats: Annotated[
        list[str],
        typer.Option("--format", metavar=LIST, help=f"Some of {', '.join(FORMATS.values())}."),
    ] = [],
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also an mp4: images, keypoints, skeletons.")
    ] = False,
    detector: Annotated[
        str,
        typer.Option(
            help=f"What finds keypoints in images: {', '.join(KINDS)}. simulation knows the "
            "virtual camera's rendered people only."
        ),
    ] = DEFAULT_KIND,
    detector_option: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUE,...",
            help="Of the detector, e.g. detected_people=1,search_every=3: config/detector.yaml "
            "explains them.",
        ),
    ] = [],
    focal: Annotated[float, option(StreamConfig, "focal")] = StreamConfig.focal,
    camera_info: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Calibration as camera_calibration, ros2 topic echo or OpenCV write it (YAML); "
            "with it root positions are estimated, too.",
        ),
    ] = "",
    rectified: Annotated[
        bool | None,
        typer.Option(
            "--rectified/--no-rectified",
            help="Whether images were rectified, so that the calibration's projection matrix "
            "counts; by default what a bag's topic says by its name, image_rect...",
        ),
    ] = None,
    height: Annotated[float, option(StreamConfig, "height")] = StreamConfig.height,
    rotation: Annotated[int, option(StreamConfig, "rotation")] = StreamConfig.rotation,
    look_ahead: Annotated[int, option(StreamConfig, "look_ahead")] = StreamConfig.look_ahead,
    tilt: Annotated[
        float | None,
        typer.Option(
            min=-90, max=90, help="Degrees by which the camera looks down; default: not known."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="FILE", help="An ONNX file; the shipped network by default.")
    ] = "",
    fps: Annotated[
        float | None, typer.Option(help="Frame rate, where the input has none; folders need it.")
    ] = None,
    size: Annotated[
        tuple[int, int] | None, typer.Option(help="Image width and height of a keypoint file.")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Layout of a keypoint file: a name, or a YAML file (docs/formats.md)."),
    ] = None,
    topic: Annotated[str, typer.Option(help="Which topic of a bag to lift.")] = "",
    images: Annotated[
        int | None, typer.Option(min=1, help="Images to take of a camera; else until Ctrl-C.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes, for many inputs.")] = 1,
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Lift on a Ray cluster: HOST:PORT, auto for the running one, local for this "
            "machine's cores.",
        ),
    ] = "",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of each network.")] = 1,
    backend: Annotated[
        str, typer.Option(help=f"auto, or one of {', '.join(BACKENDS)}, which it tries in turn.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help=f"Of the matrix products: one of {', '.join(PRECISIONS)}.")
    ] = "fp32",
    max_people: Annotated[
        int | None,
        typer.Option(min=1, help=f"People lifted at once; all, up to {MOST_PEOPLE}, by default."),
    ] = None,
    setting: SettingsOption = [],
    force: Annotated[bool, typer.Option("--force", help="Lift also what is done.")] = False,
) -> None:
    """Lift recordings to 3D: files in, files out.

    \b
    pstmo lift walk.mp4 -o walk.npz --detector rtm --detector-option pose_model=rtmo.onnx
    pstmo lift clip.npz -o clip.bvh --focal 1100 --overlay
    pstmo lift videos/*.mp4 -o lifted --format npz,bvh --workers 8
    pstmo lift bag_folder -o skeletons_bag
    pstmo lift 0 -o me.json --images 300

    Joints are metres relative to the pelvis, x right, y down, z forward. With --focal or
    --camera-info the pelvis gets its place before the camera. What is done is not lifted again: a
    call that was stopped goes on where it was. docs/formats.md explains the files.
    """  # noqa: D301
    jobs, kinds = plan(inputs, output, list(words(formats)))
    options = replace(detector_options(words(detector_option)), rotation=rotation)
    settings = LiftSettings(
        formats=kinds, overlay=overlay, model=model,
        stream=StreamConfig(
            **{
                "look_ahead": look_ahead, "focal": focal, "height": height, "rotation": rotation,
                "tilt": StreamConfig.tilt if tilt is None else tilt,
            } | stream_settings(words(setting))
        ),
        camera_info=camera_info, fps=fps, size=size, layout=layout, topic=topic, images=images,
        detector=detector, detector_options=options, threads=threads, backend=backend,
        precision=precision, rectified=rectified, most_people=max_people,
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
    unit = "file" if len(jobs) > 1 else ""
    bar_format = "{l_bar}{bar}| {n:.1f}/{total_fmt} {unit} [{elapsed}<{remaining}]"
    with tqdm(total=len(jobs), unit=unit, delay=1, bar_format=bar_format) as bar:

        def finished(result: Result) -> None:
            if len(jobs) > 1:
                if result.runtime and not any(before.runtime for before in results):
                    bar.write(f"lifted by {result.runtime}")
                bar.write(_sentence(result))
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
            typer.echo(f"lifted by {results[0].runtime}")
        typer.echo(_sentence(results[0]))
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
