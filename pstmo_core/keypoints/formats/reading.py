"""Keypoint files of any known format, told apart by their content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pstmo_core.keypoints.formats import (
    alphapose,
    coco,
    gastnet,
    lists,
    mediapipe,
    mmpose,
    openpose,
    table,
    tfjs,
    videopose3d,
)
from pstmo_core.keypoints.formats.found import FormatError, Found
from pstmo_core.keypoints.npz import bounded
from pstmo_core.keypoints.npz.safe_unpickle import UnpickleError, read_npz

#: JSON formats in the order in which they are tried; of the last, only the shape of numbers speaks.
_JSON = (openpose, mmpose, coco, gastnet, alphapose, mediapipe, tfjs, lists)
NAMES = tuple(module.NAME for module in (*_JSON, table, videopose3d))
PAGE = "docs/formats.md shows an example of each format"
#: Bytes of a text file of keypoints: an hour of one person's COCO results at 30 frames a second
#: takes 60 MB. Reading JSON takes about ten times as much memory.
MOST_BYTES = 1 << 29
#: Files of a folder of OpenPose: a day at 30 frames a second.
MOST_FILES = 2_600_000
#: What a file that breaks its format can make its reader raise. JSON nests as deep as Python's
#: stack, and whole numbers of more digits than Python reads are no JSON here.
_BROKEN = (
    KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError,
)  # fmt: skip


def read_text(path: Path) -> Found:
    """Read a file of JSON or CSV.

    Raises:
        FormatError: if it is of no known format, or breaks its own.
        OSError: if it cannot be read.
    """
    data = _bounded(path)
    text = data.decode("utf-8-sig", "replace") if table_like(data) else None
    if text is not None:
        return _guarded(table, table.read, text)
    return _read_json(data)


def table_like(data: bytes) -> bool:
    """Tell a table from other texts by its first line."""
    try:
        return table.fits(data[: 1 << 16].decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return error.start > 0 and table.fits(data[: error.start].decode("utf-8-sig"))


def read_folder(path: Path) -> Found:
    """Read a folder of OpenPose.

    Raises:
        FormatError: if it is none.
        OSError: if it cannot be read.
    """
    files = sorted(
        file for file in path.iterdir() if file.name.endswith(openpose.SUFFIX) and file.is_file()
    )
    if not 0 < len(files) <= MOST_FILES:
        raise FormatError(f"holds {len(files)} files *{openpose.SUFFIX}; {PAGE}")
    contents = {}
    for file in files:
        try:
            contents[file.name] = json.loads(_bounded(file))
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{file.name}: is not valid JSON ({error})") from error
        if not openpose.fits(contents[file.name]):
            raise FormatError(f"{file.name}: is none of OpenPose; {PAGE}")
    return _guarded(openpose, openpose.read_files, contents)


def read_pickled(path: Path) -> Found:
    """Read an npz of VideoPose3D.

    Raises:
        FormatError: if it is none.
        OSError: if it cannot be read.
    """
    try:
        content = read_npz(path, bounded.MOST_BYTES)
    except UnpickleError as error:
        raise FormatError(str(error).removeprefix(f"{path}: ")) from error
    return _guarded(videopose3d, videopose3d.read, content)


def _bounded(path: Path) -> bytes:
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise FormatError(
            f"has {size / 1e6:.0f} MB, but at most {MOST_BYTES / 1e6:.0f} MB of text are read: cut "
            "it into parts, or save it as npz"
        )
    return path.read_bytes()


def _read_json(data: bytes) -> Found:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"is neither npz nor valid JSON nor CSV ({error}): record or copy it again; {PAGE}"
        ) from error
    module = next((each for each in _JSON if _fits(each, content)), None)
    if module is None:
        raise FormatError(f"is JSON of no known format. Read are {'; '.join(NAMES)}. {PAGE}")
    return _guarded(module, module.read, content)


def _fits(module: Any, content: Any) -> bool:
    try:
        return bool(module.fits(content))
    except _BROKEN:
        return False


def _guarded(module: Any, read: Any, content: Any) -> Found:
    """Read by a module; whatever a file that breaks its format raises becomes one sentence."""
    try:
        found: Found = read(content)
    except FormatError:
        raise
    except _BROKEN as error:
        why = f"has no {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(f"breaks its format, {module.NAME}: {why}; {PAGE}") from error
    return found
