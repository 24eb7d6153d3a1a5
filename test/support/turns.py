"""Tests of several processes take turns: some need the machine to themselves."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(folder: Path, alone: bool) -> Iterator[None]:
    """Wait until a test may begin; its turn ends with the block.

    Tests run beside one another, but for one that is alone: it waits until those that run have
    ended, and the next ones wait for it.

    Args:
        folder: one that all processes of this run share.
        alone: whether the test needs the machine to itself.
    """
    with (folder / "room").open("w") as room:
        # Who waits for an empty room holds the door, so that nobody else goes in meanwhile.
        with (folder / "door").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
