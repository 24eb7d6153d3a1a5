"""What an input is, and the images of those that hold images, one after the other."""

from __future__ import annotations

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
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.formats.openpose import SUFFIX as OPENPOSE
from pstmo_core.keypoints.formats.reading import PAGE, table_like

KEYPOINTS, VIDEO, CAMERA, FOLDER, BAG = "keypoints", "video", "camera", "folder", "bag"
#: Kinds that hold nothing but images.
WITH_IMAGES = (VIDEO, CAMERA, FOLDER)
_KEYPOINTS = (".npz", ".json", ".csv", ".tsv")
#: How files begin: npz; mcap, SQLite; Matroska, Ogg, Flash.
_SIGNS = {
    b"PK\x03\x04": KEYPOINTS, b"\x89MCAP0": BAG, b"SQLite format 3\0": BAG,
    b"\x1aE\xdf\xa3": VIDEO, b"OggS": VIDEO, b"FLV\x01": VIDEO,
}  # fmt: skip
#: Bytes of a file that are looked at to tell what it is.
_BEGINNING = 1 << 16
_BAGS = (".mcap", ".db3")
_VIDEOS = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".ts", ".mts", ".ogv",
)  # fmt: skip
_IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_USUAL_RATE = 25.0
#: How addresses begin at which a file may lie.
_OF_FILES = ("http://", "https://", "file://")
_PATIENCE = 10_000
"""Milliseconds that a network camera has to answer."""

#: Stamp in nanoseconds, and image (H, W, 3) uint8 BGR.
Frame = tuple[int, np.ndarray]


class SourceError(PstmoError):
    """An input that cannot be read; says what is wrong with it."""


@dataclass(frozen=True)
class Images:
    """Images of one camera. They are read again each time that `frames` is called."""

    frames: Callable[[], Iterator[Frame]]
    """Images that cannot be decoded are left out and counted in `faults`."""
    count: int | None = None
    """Number of images that the input claims to have; None where it is not known."""
    live: bool = False
    """Whether they come from a camera now, and end when the user says so."""
    camera: Camera | None = None
    """The calibration that came with them, if one did."""
    frame_id: str = ""
    """Name of the camera's optical frame, where the input is a bag."""
    faults: Counter[str] = field(default_factory=Counter)
    """Why images were left out in the last pass, with their number."""
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


def without_password(source: str) -> str:
    """Return what may be shown and stored of an input: rtsp://user:***@host/... of an address."""
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", source)


def kind_of(source: str) -> str:
    """Say what an input is: keypoints, video, camera, folder or bag.

    Raises:
        SourceError: if it is missing, empty or of no known kind.
    """
    path = Path(source)
    if "://" in source or path.is_char_device():
        return CAMERA
    if source.isdecimal() and not path.exists():  # folders of images have numbers for names, too
        return CAMERA
    if not path.exists():
        raise SourceError(f"{source}: there is no such file or folder")
    if path.is_dir():
        return _kind_of_folder(path)
    if not path.is_file():
        raise SourceError(f"{source}: is neither a file nor a folder")
    if not path.stat().st_size:
        raise SourceError(f"{source}: the file is empty; copy or record it again")
    with path.open("rb") as file:
        data = file.read(_BEGINNING)
    return _kind_of_content(path, data)


def _kind_of_folder(path: Path) -> str:
    names = [entry.name for entry in path.iterdir()]
    suffixes = {Path(name).suffix.lower() for name in names}
    if "metadata.yaml" in names:
        return BAG
    if any(name.endswith(OPENPOSE) for name in names):
        return KEYPOINTS
    if suffixes & set(_IMAGES):
        return FOLDER
    if suffixes & set(_BAGS):
        raise SourceError(
            f"{path}: the bag has no metadata.yaml; `ros2 bag reindex {path}` makes it again"
        )
    raise SourceError(
        f"{path}: the folder holds neither images ({', '.join(_IMAGES)}), nor a bag's "
        f"metadata.yaml, nor OpenPose's *{OPENPOSE}"
    )


def _kind_of_content(path: Path, data: bytes) -> str:
    """Tell a file by its beginning; where that says nothing, by its suffix."""
    suffix = path.suffix.lower()
    begins = next((kind for sign, kind in _SIGNS.items() if data.startswith(sign)), None)
    if begins:
        return begins
    if suffix in _VIDEOS:
        return VIDEO
    if suffix in _KEYPOINTS or data.lstrip()[:1] in (b"[", b"{") or table_like(data):
        return KEYPOINTS
    if suffix in _BAGS:
        return BAG
    if data[4:8] == b"ftyp" or data[:4] == b"RIFF":
        return VIDEO
    if suffix in (".h5", ".slp", ".pkl", ".pt"):
        raise SourceError(f"{path}: {suffix} files are not read, export CSV or JSON; {PAGE}")
    if suffix in _IMAGES:
        raise SourceError(f"{path}: is a single image; give the folder in which it lies, and --fps")
    known = ", ".join((*_KEYPOINTS, *_BAGS, *_VIDEOS))
    raise SourceError(
        f"{path}: is of no known kind; lifted are files that end in {known}, folders of images, "
        f"bags, numbers of cameras and addresses of streams; {PAGE}"
    )


def image_files(folder: Path) -> list[Path]:
    """Return the images of a folder, in the order of the numbers in their names."""
    images = [file for file in folder.iterdir() if file.suffix.lower() in _IMAGES]

    def order(file: Path) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", file.name)
        return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]

    return sorted(images, key=order)


def folder_images(folder: Path, fps: float | None) -> Images:
    """Return the images of a folder, taken at `fps` frames a second.

    Raises:
        SourceError: if `fps` is not given.
    """
    if fps is None:
        raise SourceError(f"{folder}: images do not say when they were taken, give --fps")
    cv2 = _opencv()
    files = image_files(folder)
    faults = Counter[str]()

    def frames() -> Iterator[Frame]:
        for index, file in enumerate(files):
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if image is None:
                faults[f"{file.name} is no image that can be read"] += 1
            else:
                yield round(index * 1e9 / fps), image

    return Images(frames, len(files), faults=faults)


def video_images(path: Path, fps: float | None) -> Images:
    """Return the images of a video at its own time stamps, or at `fps` frames a second.

    Raises:
        SourceError: if it cannot be opened.
    """
    capture = _open_video(path)
    count = int(capture.get(_opencv().CAP_PROP_FRAME_COUNT))
    capture.release()

    def frames() -> Iterator[Frame]:
        return _video_frames(path, fps)

    return Images(frames, count if count > 0 else None)


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
        fps: images a second to ask it for.

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


def _open_video(path: Path) -> Any:
    cv2 = _opencv()
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise SourceError(
            f"{path}: is no video that can be decoded, or its beginning or index is lost; copy or "
            "record it again"
        )
    return capture


def _video_frames(path: Path, fps: float | None) -> Iterator[Frame]:
    cv2 = _opencv()
    capture = _open_video(path)
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        step = 1e9 / (fps or (rate if 0 < rate < 1e4 else _USUAL_RATE))
        index, last = 0, -1
        while True:
            there, image = capture.read()
            if not there:
                return
            own = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            # Some files have no stamps, or the same one again and again.
            stamp = round(index * step) if fps else own if own > last else last + round(step)
            yield stamp, image
            index, last = index + 1, stamp
    finally:
        capture.release()


def _opencv() -> ModuleType:
    # What FFmpeg and OpenCV print of a damaged file would be between the user and our sentence.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    try:
        import cv2
    except ImportError as error:
        raise SourceError(
            f"videos, cameras and images need OpenCV, which is not installed for {sys.executable}: "
            "pip install opencv-python-headless"
        ) from error
    return cv2
