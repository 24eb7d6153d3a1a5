"""Outputs that are there whole or not at all, their folders made where they are missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pstmo_core import whole


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Do as `pstmo_core.whole.whole_file`, in a folder that need not be there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole.whole_file(path) as partial:
        yield partial


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Do the same for a folder, which the user of the path makes; one that is there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, old = (path.with_name(f"{path.name}.{word}") for word in ("partial", "old"))
    for left in (partial, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        yield partial
        if path.exists():
            path.rename(old)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
