"""Files that only this user may write: checked, locked between processes, written atomically.

An engine file is code that the GPU runs, and reading one makes TensorRT run code too. So a folder
or file that belongs to somebody else, or that somebody else may write, is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from pstmo_core.errors import PstmoError

#: What the name of a file ends in while it is written. A process that is killed leaves such a file,
#: which is never read.
PARTIAL = ".partial"


class EngineError(PstmoError):
    """An engine that cannot be built, read or trusted, with the reason."""


class EngineFolderError(EngineError):
    """A folder or file of engines that somebody else might have written."""


@contextlib.contextmanager
def locked(path: Path, say: Callable[[str], object]) -> Iterator[None]:
    """Hold a lock that the kernel drops when its holder dies."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another process or thread works on this engine: waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Tell whether the file that is locked is the one that others find: `clear` deletes it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def read_own(path: Path) -> bytes:
    """Read a file if it is this user's alone, judged and read through one descriptor."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        require_own(path, os.fstat(file.fileno()))
        return file.read()


def require_own(path: Path, status: os.stat_result) -> None:
    """Check that a file or folder of this status is one that only this user may write.

    Raises:
        EngineFolderError: if it is not.
    """
    if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
        raise EngineFolderError(f"{path} is neither a folder nor a file, but a link or a device")
    if status.st_uid != os.geteuid():
        raise EngineFolderError(
            f"{path} belongs to user {status.st_uid}, this program runs as user {os.geteuid()}; "
            "an engine is code, and that of somebody else is not run"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EngineFolderError(
            f"{path} may be written by others; an engine is code: chmod go-w it, or delete it"
        )


def write_durably(path: Path, data: bytes) -> None:
    """Write a file atomically, also across a loss of power."""
    partial = path.with_name(path.name + PARTIAL)
    partial.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
