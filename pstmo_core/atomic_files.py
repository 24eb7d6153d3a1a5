"""Atomic writes: a file or folder appears complete under its name, or not at all.

Data are written into the same folder under a hidden, random, temporary name. The temporary file is
created exclusively (no link is followed, nothing existing is touched) and stays locked as long as
its writer lives; the kernel drops the lock when the writer dies. So a temporary file without a lock
was left by a killed run, and the next run removes it, on whatever machine it runs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pstmo_core.errors import PstmoError

_TEMPORARY = re.compile(r"\.pstmo-[0-9a-f]{16}\.tmp(\.\w{1,8})?")
#: Folders in which this process has looked for what killed runs left.
_tidied: set[Path] = set()


#: What the system says when there is no room for a file, or the disk fails.
_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS))
#: Bytes below which a disk counts as full: writers give back what they could not finish.
_FULL = 1 << 20


class OutputError(PstmoError):
    """An output that would destroy something of the user's; says what, and what to do."""


class NoRoomError(OutputError, OSError):
    """The disk took no more; what was there before is whole."""

    def __init__(self, path: Path, why: str, number: int | None = None) -> None:
        kept = "what was there is unchanged" if os.path.lexists(path) else "nothing is left of it"
        super().__init__(f"{path}: cannot be written ({why}); {kept}")
        self.errno = number


def check_output(path: Path, inputs: Iterable[Path | str] = ()) -> None:
    """Check that a file may be written: a new one, or in place of a plain file that is no input.

    Args:
        path: the output.
        inputs: what the command reads; those that do not exist do not count.

    Raises:
        OutputError: if the output is an input, by whatever path, lies in one, or is no plain file.
    """
    refuse_inputs(path, inputs)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise OutputError(f"{path}: is a folder; name a file")
        if not stat.S_ISREG(mode):
            raise OutputError(f"{path}: is a device or a pipe; name a file")
        if not mode & 0o222:
            raise OutputError(f"{path}: is write-protected; name another file, or chmod u+w it")


def refuse_inputs(path: Path, inputs: Iterable[Path | str]) -> None:
    """Check that writing a file or folder replaces no input.

    Raises:
        OutputError: if it is one of the inputs, by whatever path, or a folder with one in it.
    """
    written = path.resolve()
    for given in inputs:
        read = Path(given).resolve()
        if not read.exists():
            continue
        same = path.exists() and path.samefile(read)
        if same or read == written or written in read.parents:
            raise OutputError(f"{path}: would replace an input, {given}; name another output")


def check_folder(folder: Path) -> None:
    """Check that files can be made in a folder or, where it is missing, that it can be made.

    Raises:
        OutputError: if they cannot.
    """
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir():
            raise OutputError(f"{there}: is not a folder; name another output")
        temporary, descriptor = _create_file(there / "probe", 0o600)
        os.close(descriptor)
        temporary.unlink()
    except OSError as error:
        why = error.strerror or error
        raise OutputError(f"{folder}: cannot be written to ({why}); name another output") from error


@contextmanager
def atomic_file(path: Path | str, mode: int = 0o666) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` when all went well and vanishes otherwise.

    The folder is made where it is missing. A file that is there keeps its permissions; of a link,
    the link is replaced and not the file that it leads to.

    Args:
        path: the file.
        mode: permissions of a new file, less the process's umask.

    Raises:
        OutputError: if `path` is no plain file, or the disk is full (`NoRoomError`).
        OSError: if it cannot be written.
    """
    path = Path(path)
    check_output(path)
    _make_folder(path.parent)
    _remove_abandoned(path.parent)
    temporary, descriptor = _create_file(path, mode)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.fchmod(descriptor, stat.S_IMODE(path.stat().st_mode))
        with _naming(path, temporary):
            yield temporary
            _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(descriptor)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputError(f"{folder}: is not a folder; name another output") from error


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically, in UTF-8; errors as of `atomic_file`."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


@contextmanager
def atomic_folder(path: Path | str, is_ours: Callable[[Path], bool]) -> Iterator[Path]:
    """Give a path to make a folder at, which becomes `path` when all went well, else vanishes.

    An output of ours that is there is replaced as a whole.

    Args:
        path: the folder.
        is_ours: tells of the folder that is there whether it may be replaced.

    Raises:
        OutputError: if something is there that may not be replaced.
        OSError: if it cannot be written.
    """
    path = Path(path)
    if (path.exists() or path.is_symlink()) and not (
        path.is_dir() and not path.is_symlink() and is_ours(path)
    ):
        raise OutputError(f"{path}: exists and is not an output of this command; name another one")
    _make_folder(path.parent)
    _remove_abandoned(path.parent)
    temporary, descriptor = _create_folder(path)
    try:
        with _naming(path, temporary):
            yield temporary / path.name
        with contextlib.ExitStack() as stack:
            if path.exists():
                # The old one waits beside the new one, and goes with the temporary folder.
                old = temporary / ("old" if path.name != "old" else "was")
                path.rename(old)
                stack.callback(_put_back, old, path)
            (temporary / path.name).rename(path)
            stack.pop_all()
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def _naming(path: Path, temporary: Path) -> Iterator[None]:
    """Make errors for lack of space name the output; the system's name none, or a temporary file.

    Libraries raise errors of their own. If the disk is full, that is taken to be the cause.
    """
    try:
        yield
    except PstmoError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise NoRoomError(path, error.strerror or str(error), error.errno) from error
        if not _is_full(temporary):
            raise
        raise NoRoomError(path, os.strerror(errno.ENOSPC), errno.ENOSPC) from error


def _is_full(path: Path) -> bool:
    """Tell whether a file's disk has next to nothing left for this user."""
    try:
        status = os.statvfs(path)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < _FULL and status.f_blocks > 0


def _put_back(old: Path, path: Path) -> None:
    if not path.exists():
        old.rename(path)


def _temporary_name(path: Path) -> Path:
    """Return a name in the same folder that nobody has, with the suffix by which writers go."""
    suffix = path.suffix if re.fullmatch(r"\.\w{1,8}", path.suffix) else ""
    return path.with_name(f".pstmo-{secrets.token_hex(8)}.tmp{suffix}")


def _create_file(path: Path, mode: int) -> tuple[Path, int]:
    while True:
        temporary = _temporary_name(path)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(temporary, flags, mode)
        if _hold(temporary, descriptor):
            return temporary, descriptor


def _create_folder(path: Path) -> tuple[Path, int]:
    while True:
        temporary = _temporary_name(path)
        temporary.mkdir()
        descriptor = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if _hold(temporary, descriptor):
            return temporary, descriptor


def _hold(path: Path, descriptor: int) -> bool:
    """Lock what was just created; False if another process's tidying was quicker."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    except OSError:  # a file system without locks: nothing is tidied there
        return True
    try:
        still = os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        still = False
    if not still:
        os.close(descriptor)
    return still


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed runs of this user left in a folder, once a process."""
    folder = folder.resolve()
    if folder in _tidied:
        return
    _tidied.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(folder / entry.name)


def _remove_if_abandoned(path: Path) -> None:
    status = path.lstat()
    kind = stat.S_IFMT(status.st_mode)
    if status.st_uid != os.geteuid() or kind not in (stat.S_IFREG, stat.S_IFDIR):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError: somebody writes it
        if kind == stat.S_IFDIR:
            shutil.rmtree(path)
        else:
            path.unlink()
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk: a loss of power costs no output."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError:
        if path.is_file():
            raise
        # Some file systems cannot sync folders.
    finally:
        os.close(descriptor)
