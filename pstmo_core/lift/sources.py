"""The images of an input, one after the other; here those of a file or a folder."""

from __future__ import annotations

import dataclasses
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np

from pstmo_core.camera import Camera
from pstmo_core.images import ImageError
from pstmo_core.images.compressed import read_image
from pstmo_core.lift.input_kinds import IMAGE_SUFFIXES, SourceError

USUAL_RATE = 25.0
"""Frames per second, where an input does not say when its images were taken."""
#: How many times a detector sees a single image: it searches another part each time, and looks
#: closer at those whom it has found.
_LOOKS = 8

#: Stamp in nanoseconds, and image (H, W, 3) uint8 BGR.
Frame = tuple[int, np.ndarray]


@dataclass(frozen=True)
class Images:
    """Images of one camera. They are read again each time that `frames` is called."""

    frames: Callable[[], Iterator[Frame]]
    """Images that cannot be decoded are left out and counted in `faults`."""
    count: int | None = None
    """Number of images that the input claims to have; None where it is not known."""
    seconds: float | None = None
    """How long it claims to last; None where it is not known. Some videos do not say how many
    images they have: `count` is then what it would be at a constant frame rate."""
    live: bool = False
    """Whether they come from a camera now, and end when the user says so."""
    looks: int = 1
    """How many times each image is shown to the detector."""
    camera: Camera | None = None
    """The calibration that came with them, if one did."""
    frame_id: str = ""
    """Name of the camera's optical frame, where the input is a bag."""
    faults: Counter[str] = field(default_factory=Counter)
    """Why images were left out in the last pass, with their number."""
    stretched: bool = False
    """Whether the input's pixels are not square, and its images were stretched so that they are."""
    notes: tuple[str, ...] = ()
    """Notes for the user: sentences."""

    def of_one_size(self) -> Iterator[Frame]:
        """Go through the images that are as large as the first; others count as `faults`."""
        self.faults.clear()
        first = None
        for stamp, image in self.frames():
            height, width = image.shape[:2]
            first = first or (width, height)
            if (width, height) == first:
                yield stamp, image
            else:
                self.faults[f"of {width} x {height} pixels, not {first[0]} x {first[1]}"] += 1


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder, in the order of the numbers in their names."""
    images = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGE_SUFFIXES and not file.is_fifo()
    ]

    def order(file: Path) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", file.name)
        return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]

    return sorted(images, key=order)


def folder_images(folder: Path, fps: float | None) -> Images:
    """Return the images of a folder, taken at `fps` frames per second.

    Raises:
        SourceError: if `fps` is not given.
    """
    if fps is None:
        raise SourceError(f"{folder}: images do not say when they were taken, give --fps")
    return _images_of(image_files(folder), fps)


def still_image(path: Path) -> Images:
    """Return a single image as a recording of one frame."""
    return dataclasses.replace(_images_of([path], USUAL_RATE), looks=_LOOKS)


def _images_of(files: list[Path], fps: float) -> Images:
    opencv()
    faults = Counter[str]()

    def frames() -> Iterator[Frame]:
        for index, file in enumerate(files):
            try:
                image = read_image(file)
            except (ImageError, OSError) as error:  # noqa: PERF203  (decoding takes far longer)
                why = error.strerror if isinstance(error, OSError) else error
                faults[f"{file.name} {why}"] += 1
            else:
                yield round(index * 1e9 / fps), image

    return Images(frames, len(files), faults=faults)


def opencv() -> ModuleType:
    """Return OpenCV, which decodes images.

    Raises:
        SourceError: if it is not installed.
    """
    # What FFmpeg and OpenCV print of a damaged file would be between the user and our sentence.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
    try:
        import cv2
    except ImportError as error:
        raise SourceError(
            f"videos, cameras and images need OpenCV, which is not installed for {sys.executable}: "
            "pip install opencv-python-headless"
        ) from error
    return cv2
