"""Keypoint files of any known format, told apart by their content."""

from __future__ import annotations

import csv
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.keypoints.formats import (
    alphapose,
    coco,
    gastnet,
    lists,
    mediapipe,
    mmpose,
    objects,
    openpose,
    table,
    tfjs,
    videopose3d,
    yolo,
)
from pstmo_core.keypoints.formats.found import FormatError, Found
from pstmo_core.keypoints.npz import bounded
from pstmo_core.keypoints.npz.safe_unpickle import UnpickleError, read_npz

#: JSON formats in the order in which they are tried; of the last, only the shape of numbers speaks.
_JSON = (openpose, coco, mmpose, gastnet, alphapose, mediapipe, objects, tfjs, lists)
NAMES = tuple(module.NAME for module in (*_JSON, table, yolo, videopose3d))
PAGE = "docs/formats.md shows an example of each format"
#: Bytes of a text file of keypoints: an hour of one person's COCO results at 30 frames per second
#: takes 60 MB. Reading JSON takes about ten times as much memory.
MOST_BYTES = 1 << 29
#: Files of a folder, each of a frame: a day at 30 frames per second.
MOST_FILES = 2_600_000
#: Ends of the names of files that hold a frame each, in the order in which a folder is asked.
FOLDER_SUFFIXES = (openpose.SUFFIX, ".json", yolo.SUFFIX)
_TOO_LARGE = "has {} MB, but at most {} MB of text are read: cut it into parts, or save it as npz"
_GZIP, _NPY, _UTF16 = b"\x1f\x8b", b"\x93NUMPY", (b"\xff\xfe", b"\xfe\xff")
#: How files begin that many have and that are not read.
_FOREIGN = {
    b"\x89HDF": "HDF5 (as DeepLabCut's .h5 and SLEAP's .slp)", b"\x80": "a pickle of Python",
}  # fmt: skip
#: What a file that breaks its format can make its reader raise. JSON nests as deep as Python's
#: stack, and whole numbers of more digits than Python reads are no JSON here.
_BROKEN = (
    KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError,
    csv.Error,
)  # fmt: skip


def read_file(path: Path) -> Found:
    """Read a file of JSON, CSV or one array (npy); also where gzip has compressed it.

    Raises:
        FormatError: if it is of no known format, or breaks its own.
        OSError: if it cannot be read.
    """
    data = _uncompressed(_bounded(path))
    if not data.strip():
        raise FormatError("is empty: record or copy it again")
    foreign = next((name for sign, name in _FOREIGN.items() if data.startswith(sign)), None)
    if foreign:
        raise FormatError(f"is {foreign}, which is not read: export CSV or JSON; {PAGE}")
    if data.startswith(_NPY):
        return _guarded(lists, lists.read, _read_array(path))
    return _guarded(table, table.read, _decoded(data)) if table_like(data) else _read_json(data)


def table_like(data: bytes) -> bool:
    """Tell a table from other texts by its first line."""
    begins = data[: 1 << 16]
    if begins.startswith(_UTF16):
        return table.fits(begins[: len(begins) // 2 * 2].decode("utf-16", "replace"))
    try:
        return table.fits(begins.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return error.start > 0 and table.fits(begins[: error.start].decode("utf-8-sig"))


def read_folder(path: Path) -> Found:
    """Read a folder of files of one frame each: OpenPose, other JSON, or YOLO's labels.

    Raises:
        FormatError: if it is none.
        OSError: if it cannot be read.
    """
    files = (file for file in path.iterdir() if not file.name.startswith(".") and file.is_file())
    names = sorted(file.name for file in files)
    of_kind = {end: [n for n in names if n.endswith(end)] for end in FOLDER_SUFFIXES}
    suffix = next((end for end in FOLDER_SUFFIXES if of_kind[end]), openpose.SUFFIX)
    if not 0 < len(of_kind[suffix]) <= MOST_FILES:
        raise FormatError(f"holds {len(of_kind[suffix])} files *{suffix}; {PAGE}")
    if suffix == yolo.SUFFIX:
        texts = {name: _decoded(_bounded(path / name)) for name in of_kind[suffix]}
        return _guarded(yolo, yolo.read_files, texts)
    contents = {name: _parsed(_bounded(path / name), name) for name in of_kind[suffix]}
    strange = next((name for name, content in contents.items() if not openpose.fits(content)), None)
    if strange is None:
        return _guarded(openpose, openpose.read_files, contents)
    if suffix == openpose.SUFFIX:
        raise FormatError(f"{strange}: is none of OpenPose; {PAGE}")
    return _guarded(objects, objects.read_folder, contents)


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
        raise FormatError(_TOO_LARGE.format(f"{size / 1e6:.0f}", f"{MOST_BYTES / 1e6:.0f}"))
    return path.read_bytes()


def _uncompressed(data: bytes) -> bytes:
    """Return what gzip has compressed, other bytes as they are."""
    if not data.startswith(_GZIP):
        return data
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unzip.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise FormatError(f"is damaged ({error}): copy it again") from error
    if unzip.unconsumed_tail:
        raise FormatError(_TOO_LARGE.format("more", f"{MOST_BYTES / 1e6:.0f}"))
    if not unzip.eof:
        raise FormatError("is cut off: copy it again")
    return plain


def _decoded(data: bytes) -> str:
    """Return a text: Unicode as its beginning says, what is no UTF-8 replaced."""
    return data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig", "replace")


def _read_array(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            # NumPy takes the memory that the head claims before it looks for the content.
            if bounded.claimed_bytes(file) > path.stat().st_size:
                raise FormatError("is a truncated array: copy or save it again")
            file.seek(0)
            return np.load(file, allow_pickle=False)
    except FormatError:
        raise
    except (ValueError, EOFError) as error:
        raise FormatError(f"is no plain array ({error}): save it again, or as npz") from error


def _read_json(data: bytes) -> Found:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        content = _json_lines(data)
        if content is None:
            raise FormatError(
                f"is neither npz nor valid JSON nor CSV ({error}): record or copy it again; {PAGE}"
            ) from error
    module = next((each for each in _JSON if _fits(each, content)), None)
    if module is None:
        known = "; ".join(name.partition(":")[0] for name in NAMES)
        raise FormatError(f"is JSON of no known format. Read are {known}. {PAGE}")
    return _guarded(module, module.read, content)


def _parsed(data: bytes, name: str) -> Any:
    """Return what a file of a folder holds."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{name}: is not valid JSON ({error})") from error


def _json_lines(data: bytes) -> list[Any] | None:
    """Return the values of a text that has one in each line, None where it is no such text."""
    try:
        lines = data.decode("utf-8-sig").splitlines()
        values = [json.loads(line) for line in lines if line.strip()]
    except (ValueError, RecursionError):
        return None
    return values if len(values) > 1 and isinstance(values[0], (list, dict)) else None


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
