"""Reads plain npz files if the sizes that their headers claim are allowed."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from pstmo_core.errors import PstmoError

#: Bytes of all arrays of a file of keypoints or skeletons: an hour of 16 people at 30 frames a
#: second takes 1.4 GB. A file of some kilobytes can claim any size.
MOST_BYTES = 4 << 30
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, RuntimeError, MemoryError,
)  # fmt: skip
_LONGEST = 200
"""Characters of a library's words that are repeated."""
_ZIP = b"PK\x03\x04"


class NpzError(PstmoError):
    """An npz that cannot be read; says why."""


def is_zip(path: Path) -> bool:
    """Tell an npz, which is a zip, by its first bytes.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


def read_plain_npz(path: Path, most_bytes: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """Read the arrays of an npz.

    Raises:
        NpzError: if the file is damaged, claims too much, or holds other things than plain arrays.
        OSError: if it cannot be read.
    """
    try:
        # NumPy leaves a damaged file open when it opens it itself.
        with path.open("rb") as opened:
            require_size(opened, most_bytes)
            with np.load(opened, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except NpzError:
        raise
    except _DAMAGED as error:
        why = str(error)[:_LONGEST]
        raise NpzError(f"is truncated or damaged ({why}): copy or record it again") from error
    except ValueError as error:
        why = str(error)[:_LONGEST]  # NumPy's repeat the head
        raise NpzError(
            f"holds something other than plain arrays ({why}): save it without"
        ) from error


def require_size(file: IO[bytes], most_bytes: int) -> None:
    """Check what the heads of an npz's arrays claim, and go back to its beginning.

    Raises:
        NpzError: if it is more than `most_bytes`.
    """
    total = 0
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as opened:
                total += max(entry.file_size, claimed_bytes(opened))
            if total > most_bytes:
                raise NpzError(
                    f"holds {total / 1e9:.1f} GB of arrays or more, but at most "
                    f"{most_bytes / 1e9:.1f} GB are read: cut it into parts"
                )
    file.seek(0)


def claimed_bytes(opened: IO[bytes]) -> int:
    """Return the bytes that an array's head (npy) claims; 0 where there is no such head."""
    try:
        version = np.lib.format.read_magic(opened)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(opened)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(opened)
    except ValueError:
        return 0
    return int(dtype.itemsize * np.prod(np.array(shape, dtype=object)))
