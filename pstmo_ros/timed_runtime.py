"""A runtime that says how long the network took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pstmo_core.runtime.base import Runtime


class TimedRuntime:
    """Adds up the duration of another runtime's steps; everything else is that one's.

    Args:
        runtime: the other one.
        clock: returns nanoseconds.
    """

    def __init__(self, runtime: Runtime, clock: Callable[[], int] = time.perf_counter_ns) -> None:
        self._runtime = runtime
        self._clock = clock
        self.nanoseconds = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def step(self, *inputs: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        """See `Runtime.step`."""
        begin = self._clock()
        try:
            return self._runtime.step(*inputs, **options)
        finally:
            self.nanoseconds += self._clock() - begin
