"""Recognises the kind of an input: keypoints, a video, a camera, images or a bag."""

from __future__ import annotations

import re
from pathlib import Path

from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.formats.openpose import SUFFIX as OPENPOSE
from pstmo_core.keypoints.formats.reading import FOLDER_SUFFIXES, PAGE, table_like

KEYPOINTS, VIDEO, CAMERA, BAG = "keypoints", "video", "camera", "bag"
FOLDER, IMAGE = "folder", "image"
#: Kinds that hold nothing but images.
WITH_IMAGES = (VIDEO, CAMERA, FOLDER, IMAGE)
#: Suffixes of images.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_KEYPOINTS = (".npz", ".json", ".csv", ".tsv", ".jsonl", ".ndjson", ".npy")
#: How files begin: npz, gzip, npy; mcap, SQLite; Matroska, Ogg, Flash, GIF.
_SIGNS = {
    b"PK\x03\x04": KEYPOINTS, b"\x1f\x8b": KEYPOINTS, b"\x93NUMPY": KEYPOINTS,
    b"\x89MCAP0": BAG, b"SQLite format 3\0": BAG,
    b"\x1aE\xdf\xa3": VIDEO, b"OggS": VIDEO, b"FLV\x01": VIDEO, b"GIF8": VIDEO,
}  # fmt: skip
#: Bytes of a file that are looked at to tell what it is.
_BEGINNING = 1 << 16
_BAGS = (".mcap", ".db3")
_VIDEOS = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".ts", ".mts", ".ogv",
    ".gif",
)  # fmt: skip


class SourceError(PstmoError):
    """An input that cannot be read; says what is wrong with it."""


def without_password(source: str) -> str:
    """Return what may be shown and stored of an input: rtsp://user:***@host/... of an address."""
    return re.sub(r"(://[^/@:]*):[^/]*@", r"\1:***@", source)


def kind_of(source: str) -> str:
    """Say what an input is: keypoints, video, camera, folder of images, image or bag.

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
    if suffixes & set(IMAGE_SUFFIXES):
        return FOLDER
    if suffixes & set(_BAGS):
        raise SourceError(
            f"{path}: the bag has no metadata.yaml; `ros2 bag reindex {path}` makes it again"
        )
    if any(name.endswith(FOLDER_SUFFIXES) for name in names):
        return KEYPOINTS
    raise SourceError(
        f"{path}: the folder holds neither images ({', '.join(IMAGE_SUFFIXES)}), nor a bag's "
        f"metadata.yaml, nor keypoints (*{', *'.join(FOLDER_SUFFIXES)})"
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
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _kind_of_webp(path, data)
    if data[4:8] == b"ftyp" or data[:4] == b"RIFF":
        return VIDEO
    if suffix in (".h5", ".slp", ".pkl", ".pt"):
        raise SourceError(f"{path}: {suffix} files are not read, export CSV or JSON; {PAGE}")
    if suffix in IMAGE_SUFFIXES:
        return IMAGE
    known = ", ".join((*_KEYPOINTS, *_BAGS, *_VIDEOS))
    raise SourceError(
        f"{path}: is of no known kind; lifted are files that end in {known}, images, folders "
        f"of them, bags, numbers of cameras and addresses of streams; {PAGE}"
    )


def _kind_of_webp(path: Path, data: bytes) -> str:
    if data[12:16] == b"VP8X" and len(data) > 20 and data[20] & 2:
        raise SourceError(
            f"{path}: WebP with several images cannot be read: make a video or a GIF of it"
        )
    return IMAGE
