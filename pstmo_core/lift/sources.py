"""The images of an input, one after the other: of a file, a folder, a video or a camera."""

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
from typing import Any

import numpy as np

from pstmo_core.camera import Camera
from pstmo_core.images import ImageError
from pstmo_core.images.compressed import MOST_PIXELS_OF_FILES, read_image
from pstmo_core.lift.input_kinds import IMAGE_SUFFIXES, SourceError, without_password

_USUAL_RATE, _FASTEST = 25.0, 1e4
#: How many times a detector sees a single image: it searches another part each time, and looks
#: closer at those whom it has found.
_LOOKS = 8
#: Nanoseconds of the latest stamp: 146 years, so that differences of stamps fit into 64 bits.
_LATEST = 1 << 62
#: How far pixels may be from square, and a ratio of their sides that no camera has.
_SQUARE, _MOST_STRETCHED = 0.01, 4.0
#: How addresses begin at which a file may lie.
_OF_FILES = ("http://", "https://", "file://")
_PATIENCE = 10_000
"""Milliseconds that a network camera has to answer."""

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
    """What a user should hear of: sentences."""

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
    return dataclasses.replace(_images_of([path], _USUAL_RATE), looks=_LOOKS)


def _images_of(files: list[Path], fps: float) -> Images:
    _opencv()
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


def video_images(path: Path, fps: float | None) -> Images:
    """Return the images of a video at its own time stamps, or at `fps` frames per second.

    They are upright and have square pixels, as players show them.

    Raises:
        SourceError: if it cannot be opened.
    """
    capture = _open_video(path)
    cv2 = _opencv()
    count, rate = (capture.get(what) for what in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS))
    stretched = _stretch(capture) is not None
    capture.release()

    def frames() -> Iterator[Frame]:
        return _video_frames(path, fps)

    return Images(
        frames,
        count=int(count) if count > 0 else None,
        seconds=count / rate if count > 0 and 0 < rate < _FASTEST and not fps else None,
        stretched=stretched,
        notes=("its pixels are not square: images were stretched, as players do",) * stretched,
    )


def camera_images(
    device: int | str,
    clock: Callable[[], int],
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> Images:
    """Return the images of a camera as they come.

    Args:
        device: number of a connected camera, its file (/dev/video0) or an address (rtsp://...).
        clock: gives the time in nanoseconds at which an image has come.
        frames: number of images to take; None: until the user interrupts.
        size: width and height to ask a connected camera for; it may give others.
        fps: images per second to ask it for.

    Raises:
        SourceError: if there is no such camera, or it falls silent.
    """
    _opencv()
    shown = without_password(str(device))

    def images() -> Iterator[Frame]:
        capture = _open_camera(device, size, fps)
        try:
            taken = 0
            while frames is None or taken < frames:
                there, image = capture.read()
                if not there:
                    raise SourceError(f"{shown}: the camera sends no images any more")
                taken += 1
                yield clock(), image
        finally:
            capture.release()

    return Images(images, frames, live=True)


def _open_camera(device: int | str, size: tuple[int, int] | None, fps: float | None) -> Any:
    cv2 = _opencv()
    shown = without_password(str(device))
    if isinstance(device, str) and "://" in device:
        patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _PATIENCE, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        capture = cv2.VideoCapture(device, cv2.CAP_FFMPEG, [*patience, _PATIENCE])
    else:
        capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        if isinstance(device, str) and "://" in device:
            raise SourceError(
                f"{shown}: no stream is to be opened there; check address, network and password"
            )
        raise SourceError(
            f"{shown}: there is no camera of this number or name, it is in use, or you may not "
            "open it (on Linux, members of the group video may)"
        )
    if str(device).startswith(_OF_FILES) and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        # Images of a file come as fast as they are read: when they arrive says nothing.
        capture.release()
        raise SourceError(f"{shown}: is a recorded video, not a stream; give it as a file")
    for what, value in (
        (cv2.CAP_PROP_FRAME_WIDTH, size and size[0]),
        (cv2.CAP_PROP_FRAME_HEIGHT, size and size[1]),
        (cv2.CAP_PROP_FPS, fps),
    ):
        if value:
            capture.set(what, value)
    return capture


def _require_size(capture: Any, shown: str) -> None:
    """Check how large the images become before one is decoded."""
    cv2 = _opencv()
    width, height = _stretch(capture) or (
        int(capture.get(which)) for which in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if width * height > MOST_PIXELS_OF_FILES:
        capture.release()
        raise SourceError(
            f"{shown}: has images of {width} x {height} pixels, but at most "
            f"{MOST_PIXELS_OF_FILES} pixels are decoded: make them smaller"
        )


def _open_video(path: Path) -> Any:
    cv2 = _opencv()
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise SourceError(
            f"{path}: is no video that can be decoded, or its beginning or index is lost; copy or "
            "record it again"
        )
    _require_size(capture, str(path))
    return capture


def _video_frames(path: Path, fps: float | None) -> Iterator[Frame]:
    cv2 = _opencv()
    capture = _open_video(path)
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        step = 1e9 / (fps or (rate if 0 < rate < _FASTEST else _USUAL_RATE))
        size = _stretch(capture)
        index, last = 0, -1
        while True:
            there, image = capture.read()
            if not there:
                return
            own = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            # Some files have no stamps, or the same one again and again.
            stamp = round(index * step) if fps else own if own > last else last + round(step)
            if stamp > _LATEST:
                raise SourceError(
                    f"{path}: an image is stamped {stamp / 3.2e16:.0f} years after the beginning, "
                    "so the stamps are damaged: give --fps, which counts instead"
                )
            yield stamp, image if size is None else cv2.resize(image, size)
            index, last = index + 1, stamp
    finally:
        capture.release()


def _stretch(capture: Any) -> tuple[int, int] | None:
    """Return the width and height at which a video's pixels are square; None if they are."""
    cv2 = _opencv()
    width, height, across, down = (
        capture.get(what)
        for what in (
            cv2.CAP_PROP_FRAME_WIDTH,
            cv2.CAP_PROP_FRAME_HEIGHT,
            cv2.CAP_PROP_SAR_NUM,
            cv2.CAP_PROP_SAR_DEN,
        )
    )
    if across <= 0 or down <= 0:
        return None
    wide = across / down
    if capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180:  # images are turned before they come
        wide = 1 / wide
    if abs(wide - 1) < _SQUARE or not 1 / _MOST_STRETCHED < wide < _MOST_STRETCHED:
        return None
    return round(width * max(wide, 1)), round(height * max(1 / wide, 1))


def _opencv() -> ModuleType:
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
