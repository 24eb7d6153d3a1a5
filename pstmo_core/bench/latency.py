"""Measures the time of one step of a stream: networks x people x backend x precision x threads.

Everything about one network is loaded at once and measured in turns, in an order that is redrawn
for each turn, so that whatever else the machine does falls on all alike.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pstmo_core.bench.latency_calls import BASELINE, PLAIN, Call, calls_of, plain_call
from pstmo_core.bench.latency_profile import profile_step
from pstmo_core.bench.networks import Network
from pstmo_core.bench.peak import MatrixPeak
from pstmo_core.bench.report import percentiles
from pstmo_core.errors import PstmoError
from pstmo_core.runtime import load_window_runtime

_WARM_UP = 5
"""Calls before anything is counted."""


@dataclass(frozen=True)
class Matrix:
    """What is measured, every combination of it."""

    people: tuple[int, ...] = (1, 4, 16)
    backends: tuple[str, ...] = ("onnxruntime", "openvino", "torch")
    precisions: tuple[str, ...] = ("fp32", "bf16")
    threads: tuple[int, ...] = (1,)
    turns: int = 10
    seconds: float = 0.1
    """Of each case in each turn."""


@dataclass
class Case:
    """One thing that is timed again and again."""

    call: Call
    backend: str
    precision: str
    threads: int
    memory: int
    """Bytes by which the process grew when the runtime was loaded and had run."""
    times: list[float] = field(default_factory=list)

    def turn(self, seconds: float) -> None:
        """Call it for a while, and at least twice; the first call finds cold caches."""
        torch.set_num_threads(self.threads)
        self.call.run()
        end = time.perf_counter() + seconds
        while True:
            begin = time.perf_counter()
            self.call.run()
            now = time.perf_counter()
            self.times.append((now - begin) / self.call.repeats)
            if now > end:
                return

    def result(self, peak: MatrixPeak) -> dict[str, Any]:
        """Return what was measured, for a JSON file."""
        times = np.array(self.times)
        return {
            "kind": self.call.kind,
            "backend": self.backend,
            "precision": self.precision,
            "threads": self.threads,
            "people": self.call.people,
            "calls": len(times),
            **percentiles(times),
            "fastest_ms": float(times.min()) * 1e3,
            "memory_mib": self.memory / 2**20,
            "mmacs": self.call.macs / 1e6,
            "peak_gmacs_per_s": peak.macs_per_second / 1e9,
            "share_of_peak": self.call.macs / float(times.min()) / peak.macs_per_second,
            "difference": self.call.difference,
        }


@dataclass(frozen=True)
class Measured:
    """The results of one network, as they go into a JSON file."""

    network: str
    frames: int
    cases: list[dict[str, Any]]
    left_out: list[str]
    """What could not be run here, and why."""
    profile: dict[str, float]
    """Milliseconds of each kind of operation, see `profile_step`."""


def measure_network(
    network: Network, matrix: Matrix, baseline: Callable[[int], Callable[..., Any]] | None
) -> Iterator[Measured | None]:
    """Measure one network; yields None after each turn and at last the results.

    Raises:
        PstmoError: if no backend can run it here.
    """
    cases, left_out = _cases(network, matrix)
    if not cases:
        raise PstmoError(f"nothing can be measured: {'; '.join(left_out)}")
    for threads in matrix.threads:
        cases.append(_compared(plain_call(network, PLAIN, network.plain), threads))
        if baseline is not None and network.config.encoding == "screen":
            forward = baseline(network.config.frames)
            cases.append(_compared(plain_call(network, BASELINE, forward), threads))
    peaks = {(c.precision, c.threads): MatrixPeak(c.precision, c.threads) for c in cases}
    order = np.random.default_rng(0)
    for _ in range(matrix.turns):
        for index in order.permutation(len(cases)):
            cases[index].turn(matrix.seconds)
        for peak in peaks.values():
            peak.measure()
        yield None
    results = [case.result(peaks[case.precision, case.threads]) for case in cases]
    profile = profile_step(network)
    yield Measured(network.name, network.config.frames, results, left_out, profile)


def _cases(network: Network, matrix: Matrix) -> tuple[list[Case], list[str]]:
    cases: list[Case] = []
    left_out: list[str] = []
    for threads in matrix.threads:
        for backend in matrix.backends:
            for precision in matrix.precisions:
                before = _resident()
                try:
                    runtime = load_window_runtime(network.path, threads, backend, precision)
                except PstmoError as error:
                    left_out.append(f"{backend} {precision}: {error}")
                    continue
                calls = calls_of(network, runtime, matrix.people)
                _warm_up(calls)
                memory = _resident() - before
                cases += [Case(call, backend, precision, threads, memory) for call in calls]
    return cases, left_out


def _compared(call: Call, threads: int) -> Case:
    before = _resident()
    _warm_up([call])
    return Case(call, "--", "fp32", threads, _resident() - before)


def _warm_up(calls: list[Call]) -> None:
    for call in calls:
        for _ in range(_WARM_UP):
            call.run()


def _resident() -> int:
    """Return the bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
