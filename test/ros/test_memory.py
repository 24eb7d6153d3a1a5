"""What a node frees goes back to the system, also where something in use lies behind it."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from pstmo_ros.memory import give_back

MEGABYTE = 1 << 20


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def test_freed_memory_is_given_back_although_what_came_last_is_in_use() -> None:
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("the C library is not glibc, which alone can give memory back")
    pieces = [bytes(1000) for _ in range(100_000)]
    last = pieces[-1]
    del pieces
    before = resident()
    give_back()
    assert resident() < before - 50 * MEGABYTE
    assert len(last) == 1000
