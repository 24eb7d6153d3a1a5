"""Whether the machine leaves a test the time that bounds on time need."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np

_NAP = 0.01
_LATE = 0.05
"""Seconds. One nap in a hundred that is longer by so much: the processors are rationed."""
_IDLE = 0.2
"""Share of the processors' time. Where less was idle, others wanted it."""
_STAT = Path("/proc/stat")


class OwnTime:
    """Looks meanwhile whether there is time to spare.

    Bounds on latency mean something only where there is `enough`: on a machine that is busy with
    other things, answers are late without anybody's fault.
    """

    def __enter__(self) -> OwnTime:
        self._late: list[float] = []
        self._before = _ticks()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._nap)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        idle, total = (after - b for after, b in zip(_ticks(), self._before, strict=True))
        self._idle = idle / total if total else 1.0

    @property
    def enough(self) -> bool:
        """Whether there was time enough for bounds on time."""
        return self._idle > _IDLE and bool(np.percentile(self._late, 99) < _LATE)

    def _nap(self) -> None:
        while not self._ended.is_set():
            began = time.monotonic()
            time.sleep(_NAP)
            self._late.append(time.monotonic() - began - _NAP)


def _ticks() -> tuple[int, int]:
    """Return how long the processors were idle, and all their time; zeros if nobody tells."""
    try:
        spent = [int(word) for word in _STAT.read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError):
        return 0, 0
    return spent[3] + spent[4], sum(spent)
