"""Measures the machine's peak of multiply-accumulates per second: large matrix products."""

from __future__ import annotations

import time

import torch

_SIZE = 768
"""Large enough for the peak, small enough to end before others get the processor."""
_PRODUCTS = 5
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class MatrixPeak:
    """A matrix product of a precision on a number of CPU threads, to be timed now and then.

    The best of all times is the peak: whatever else ran on the machine only made it slower.
    """

    def __init__(self, precision: str, threads: int) -> None:
        self._threads = threads
        kind = _TYPES[precision]
        self._left = torch.randn(_SIZE, _SIZE).to(kind)
        self._right = torch.randn(_SIZE, _SIZE).to(kind)
        self._out = torch.empty(_SIZE, _SIZE, dtype=kind)
        self._best = float("inf")
        self.measure()

    def measure(self) -> None:
        """Time some products."""
        torch.set_num_threads(self._threads)
        for _ in range(_PRODUCTS):
            begin = time.perf_counter()
            torch.mm(self._left, self._right, out=self._out)
            self._best = min(self._best, time.perf_counter() - begin)

    @property
    def macs_per_second(self) -> float:
        """The best so far."""
        return float(_SIZE**3 / self._best)
