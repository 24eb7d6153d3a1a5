"""A runtime that measures how long the network takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pstmo_core.runtime import AnyRuntime


class TimedRuntime:
    """Adds up the duration of what another runtime computes; everything else is that one's.

    Args:
        runtime: the other one.
        clock: returns nanoseconds.
    """

    def __init__(
        self, runtime: AnyRuntime, clock: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self._runtime: Any = runtime
        self._clock = clock
        self.nanoseconds = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    def step(self, *inputs: Any, **options: Any) -> Any:
        """See `Runtime.step`."""
        return self._timed(self._runtime.step, *inputs, **options)

    def read(self, *inputs: Any, **options: Any) -> Any:
        """See `LiveRuntime.read`."""
        return self._timed(self._runtime.read, *inputs, **options)

    def _timed(self, work: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        begin = self._clock()
        try:
            return work(*inputs, **options)
        finally:
            self.nanoseconds += self._clock() - begin
