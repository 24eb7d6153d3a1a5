"""A real file system of some mebibytes, which can be filled."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_PAGE = 4096


class SmallDisk:
    """A file system of its own at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self, room: int = 0) -> None:
        """Leave room for so many bytes."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(_PAGE))
        os.truncate(self._ballast, self._ballast.stat().st_size - room // _PAGE * _PAGE)

    def free(self) -> None:
        """Have it empty but for what the test wrote."""
        self._ballast.unlink()

    def contents(self) -> dict[str, bytes]:
        """Return what all files hold, hidden ones too, but for what fills the disk."""
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in found
            if path != self._ballast
        }


@contextmanager
def small_disk(folder: Path, mebibytes: int = 4) -> Iterator[SmallDisk]:
    """Mount a file system in memory at a new folder, or skip the test where that is not allowed."""
    folder.mkdir()
    size = f"size={mebibytes}m"
    command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a small file system, as root has it")
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: what failed to write may still hold its file open.
        subprocess.run(["umount", "-l", str(folder)], check=True)
