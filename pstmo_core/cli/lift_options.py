"""The options of `pstmo lift`, as typer declares them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.cli.app import LIST
from pstmo_core.cli.options import option
from pstmo_core.detection.options import KINDS
from pstmo_core.lift.settings import FORMATS, MOST_PEOPLE, LiftSettings
from pstmo_core.runtime import BACKENDS, PRECISIONS
from pstmo_core.streaming.config import StreamConfig

Inputs = Annotated[
    list[str],
    typer.Argument(
        help="Videos, images, folders of images, keypoint files of any format in docs/formats.md, "
        "rosbag2 bags (sqlite3, mcap), or a camera: its number, device file or address.",
        metavar="INPUT...",
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        help=f"Output file; its suffix ({', '.join(FORMATS)}) is the format. A folder for several "
        "inputs. Bags are folders, as with ros2 bag.",
    ),
]
Formats = Annotated[
    list[str],
    typer.Option(
        "--format", metavar=LIST, help=f"Formats to write: {', '.join(FORMATS.values())}."
    ),
]
Overlay = Annotated[
    bool,
    typer.Option(
        "--overlay", help="Also write an mp4 (of an image, a png): images, keypoints, skeletons."
    ),
]
Detector = Annotated[
    str,
    typer.Option(
        help=f"Keypoint detector for images: {', '.join(KINDS)}. simulation finds only the "
        "rendered people of the virtual camera."
    ),
]
DetectorOptions = Annotated[
    list[str],
    typer.Option(
        metavar="NAME=VALUE,...",
        help="Options of the detector, e.g. pose_model=lightning,search_every=3; "
        "config/detector.yaml explains them.",
    ),
]
Focal = Annotated[float, option(StreamConfig, "focal")]
CameraInfo = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="Calibration as camera_calibration, ros2 topic echo or OpenCV write it (YAML); "
        "it gives root positions.",
    ),
]
Rectified = Annotated[
    bool | None,
    typer.Option(
        "--rectified/--no-rectified",
        help="Whether images were rectified, so that the calibration's projection matrix is used; "
        "by default, those of a bag's topic image_rect... were.",
    ),
]
Height = Annotated[float, option(StreamConfig, "height")]
Rotation = Annotated[int, option(StreamConfig, "rotation")]
LookAhead = Annotated[int | None, option(LiftSettings, "look_ahead")]
Tilt = Annotated[
    float | None,
    typer.Option(
        min=-90, max=90, help="Degrees by which the camera looks down; not known by default."
    ),
]
Topic = Annotated[str, typer.Option(help="Which topic of a bag to lift.")]
Images = Annotated[
    int | None, typer.Option(min=1, help="Images to take from a camera; until Ctrl-C by default.")
]
Workers = Annotated[int, typer.Option(min=1, help="Worker processes, for many inputs.")]
Ray = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="Lift on a Ray cluster: HOST:PORT, auto for the running one, local for this "
        "machine's cores.",
    ),
]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads of each network.")]
Backend = Annotated[
    str, typer.Option(help=f"auto, or one of {', '.join(BACKENDS)}, which it tries in turn.")
]
Precision = Annotated[
    str, typer.Option(help=f"Precision of matrix products: {', '.join(PRECISIONS)}.")
]
MaxPeople = Annotated[
    int | None,
    typer.Option(min=1, help=f"People lifted at once; all, up to {MOST_PEOPLE}, by default."),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Lift again what is done, and replace files of another origin."),
]
