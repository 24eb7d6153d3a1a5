"""`pstmo tilt`."""

from __future__ import annotations

import dataclasses
import sys
from itertools import islice
from typing import Annotated

import typer
from tqdm import tqdm

from pstmo_core.cli import lift_options as options
from pstmo_core.cli.app import app, say, words
from pstmo_core.cli.options import Fps, Layout, Model, Size
from pstmo_core.detection.loading import load_detector
from pstmo_core.detection.options import DEFAULT_KIND, DetectorOptions
from pstmo_core.lift.calibration import load_camera_info
from pstmo_core.lift.keypoints_from_images import counted, keypoints_from_images
from pstmo_core.lift.opening import Progress, open_source
from pstmo_core.lift.recording import Recording
from pstmo_core.lift.settings import LiftSettings
from pstmo_core.lift.sources import Images
from pstmo_core.lift.tilt import find_tilt
from pstmo_core.runtime import load_runtime
from pstmo_core.settings import read_assignments
from pstmo_core.streaming.config import StreamConfig

#: Share of the time that finding keypoints in images takes.
_DETECTION = 0.8
#: Degrees of roll that are told.
_ROLLED = 5


@app.command("tilt")
def tilt_command(
    recording: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help="A recording of a fixed camera, of any kind that lift reads."
        ),
    ],
    images: Annotated[
        int, typer.Option(min=1, help="Images to look at, from the beginning, where it has images.")
    ] = 600,
    detector: options.Detector = DEFAULT_KIND,
    detector_option: options.DetectorOptions = [],
    camera_info: options.CameraInfo = "",
    rectified: options.Rectified = None,
    rotation: options.Rotation = StreamConfig.rotation,
    model: Model = "",
    fps: Fps = None,
    size: Size = None,
    layout: Layout = None,
    topic: options.Topic = "",
    threads: options.Threads = 1,
) -> None:
    """Find a camera's tilt from the people that it sees.

    \b
    pstmo tilt shop.mp4
    pstmo lift shop.mp4 -o shop.npz --tilt 24

    The direction in which the network is surest of all poses is taken for up. With several people,
    cameras that look down by 15 to 30 degrees are found within 3 degrees on average, level ones
    come out 5 degrees too steep and steeper ones 7 too level; one person alone gives larger errors.
    Poses gain nearly as much as by the true tilt (docs/benchmarks/tilt.md), but `mounting_height`
    needs a measured one.
    """  # noqa: D301
    settings = LiftSettings(
        model=model, camera_info=camera_info, rectified=rectified, fps=fps, size=size,
        layout=layout, topic=topic, images=images, detector=detector, threads=threads,
        stream=StreamConfig(rotation=rotation),
        detector_options=DetectorOptions(
            **read_assignments(DetectorOptions, words(detector_option), "option of detectors")
            | {"rotation": rotation}
        ),
    )  # fmt: skip
    runtime = load_runtime(model or None, threads)
    shape = "{l_bar}{bar}| [{elapsed}<{remaining}]"
    interval = 0.1 if sys.stderr.isatty() else 10.0  # every line of a log is kept
    with tqdm(total=1.0, delay=1, bar_format=shape, mininterval=interval) as bar:

        def progress(done: float) -> None:
            bar.update(done - bar.n)

        seen, begun = _keypoints(recording, settings, images, progress)
        camera = seen.camera
        if camera_info:
            camera = load_camera_info(camera_info, bool(rectified))
        found = find_tilt(
            seen.clip, runtime, camera, settings.stream,
            lambda share: progress(begun + (1 - begun) * share),
        )  # fmt: skip
    who = "1 person" if found.people == 1 else f"{found.people} people"
    say(
        f"the camera looks down by {found.tilt:.0f} degrees, judged by {who} in "
        f"{counted(found.frames, 'frame')}: --tilt {found.tilt:.0f}, or tilt:={found.tilt:.1f}"
    )
    if abs(found.roll) >= _ROLLED:
        side = "right" if found.roll > 0 else "left"
        say(
            f"upright people lean {abs(found.roll):.0f} degrees to the {side} in its images, which "
            "a tilt does not tell: level the camera, or give its pose by TF"
        )


def _keypoints(
    name: str, settings: LiftSettings, images: int, progress: Progress
) -> tuple[Recording, float]:
    """Return the keypoints of a recording, and which share of all work is done with them."""
    source = open_source(name, "", settings)
    if not isinstance(source, Images):
        return source(lambda share: None), 0.0
    first = dataclasses.replace(
        source,
        frames=lambda: islice(source.frames(), images),
        count=min(images, source.count or images),
        seconds=None,
    )
    detector = load_detector(settings.detector, settings.detector_options)
    return keypoints_from_images(
        first, detector, settings.stream, name, lambda share: progress(_DETECTION * share)
    ), _DETECTION
