"""How long one step of a stream takes: networks x people x backend x precision x threads.

Everything about one network is loaded at once and measured in turns, in an order that is drawn anew
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

from pstmo_core.bench.networks import Network
from pstmo_core.bench.peak import MatrixPeak
from pstmo_core.bench.report import percentiles
from pstmo_core.encoding import input_shape
from pstmo_core.errors import PstmoError
from pstmo_core.runtime import Runtime, load_runtime
from pstmo_core.streaming.kept import KeptRows, Windows

STEP, WINDOW, AGAINST = "step", "whole window", "against"
_WARM_UP = 5
"""Calls before anything is counted."""


@dataclass(frozen=True)
class Matrix:
    """What is measured, every combination of it."""

    people: tuple[int, ...] = (1, 4, 16)
    backends: tuple[str, ...] = ("onnxruntime", "torch")
    precisions: tuple[str, ...] = ("fp32", "bf16")
    threads: tuple[int, ...] = (1,)
    turns: int = 10
    seconds: float = 0.1
    """Of each case in each turn."""


@dataclass
class Case:
    """One thing that is timed again and again."""

    kind: str
    backend: str
    precision: str
    threads: int
    people: int
    macs: int
    """Multiply-accumulates that it needs for all people."""
    memory: int
    """Bytes by which the process grew when the runtime was loaded and had run once."""
    call: Callable[[], object]
    times: list[float] = field(default_factory=list)

    def turn(self, seconds: float) -> None:
        """Call it for a while, and at least twice; the first call finds cold caches."""
        torch.set_num_threads(self.threads)
        self.call()
        end = time.perf_counter() + seconds
        while True:
            begin = time.perf_counter()
            self.call()
            now = time.perf_counter()
            self.times.append(now - begin)
            if now > end:
                return


@dataclass(frozen=True)
class Measured:
    """The results of one network, as they go into a JSON file."""

    network: str
    frames: int
    cases: list[dict[str, Any]]
    left_out: list[str]
    """What could not be run here, and why."""


def measure_network(
    network: Network, matrix: Matrix, against: Callable[[int], Callable[..., Any]] | None
) -> Iterator[Measured | None]:
    """Measure one network; yields None after each turn and at last the results."""
    cases, left_out = _cases(network, matrix)
    if against is not None and network.config.encoding == "screen":
        cases += [_against(network, against, threads) for threads in matrix.threads]
    if not cases:
        raise PstmoError(f"nothing can be measured: {'; '.join(left_out)}")
    peaks = {(c.precision, c.threads): MatrixPeak(c.precision, c.threads) for c in cases}
    order = np.random.default_rng(0)
    for _ in range(matrix.turns):
        for index in order.permutation(len(cases)):
            cases[index].turn(matrix.seconds)
        for peak in peaks.values():
            peak.measure()
        yield None
    results = [_result(case, peaks[case.precision, case.threads]) for case in cases]
    yield Measured(network.name, network.config.frames, results, left_out)


def _cases(network: Network, matrix: Matrix) -> tuple[list[Case], list[str]]:
    cases: list[Case] = []
    left_out: list[str] = []
    for threads in matrix.threads:
        for backend in matrix.backends:
            for precision in matrix.precisions:
                before = _resident()
                try:
                    runtime = load_runtime(network.path, threads, backend, precision)
                except PstmoError as error:
                    left_out.append(f"{backend} {precision}: {error}")
                    continue
                calls = _calls(network, runtime, matrix.people)
                memory = _resident() - before
                cases += [
                    Case(kind, backend, precision, threads, people, macs, memory, call)
                    for kind, people, macs, call in calls
                ]
    return cases, left_out


def _calls(
    network: Network, runtime: Runtime, people: tuple[int, ...]
) -> list[tuple[str, int, int, Callable[[], object]]]:
    """Return what is timed of a runtime, each called a few times already."""
    calls: list[tuple[str, int, int, Callable[[], object]]] = [
        (STEP, count, count * network.step_macs, _step(runtime, count)) for count in people
    ]
    window = _windows(runtime, 1)
    calls.append((WINDOW, 1, network.window_macs, lambda: runtime.lift(window)))
    for _, _, _, call in calls:
        for _ in range(_WARM_UP):
            call()
    return calls


def _windows(runtime: Runtime, count: int) -> np.ndarray:
    config = runtime.config
    shape = (count, config.frames, *input_shape(config.encoding))
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def _step(runtime: Runtime, people: int) -> Callable[[], object]:
    """Return a call that lifts everybody's window as a stream does: one new frame each."""
    windows = _windows(runtime, people)
    numbers = np.arange(windows.shape[0] * windows.shape[1]).reshape(windows.shape[:2])
    rows = KeptRows(numbers.size, runtime.kept_width)
    passing = windows[:0, 0]
    frames = windows.reshape(-1, *windows.shape[2:])
    rows.lift([Windows(numbers, numbers.ravel(), frames, passing)], runtime, None)
    newest = np.ascontiguousarray(numbers[:, -1])
    step = Windows(numbers, newest, frames[newest], passing)
    return lambda: rows.lift([step], runtime, None)


def _against(network: Network, make: Callable[[int], Callable[..., Any]], threads: int) -> Case:
    before = _resident()
    forward = make(network.config.frames)
    window = torch.rand(1, network.config.frames, 17, 2) * 2 - 1

    def call() -> object:
        with torch.no_grad():
            return forward(window)

    for _ in range(_WARM_UP):
        call()
    memory = _resident() - before
    return Case(AGAINST, "--", "fp32", threads, 1, network.window_macs, memory, call)


def _result(case: Case, peak: MatrixPeak) -> dict[str, Any]:
    times = np.array(case.times)
    return {
        "kind": case.kind,
        "backend": case.backend,
        "precision": case.precision,
        "threads": case.threads,
        "people": case.people,
        "calls": len(times),
        **percentiles(times),
        "fastest_ms": float(times.min()) * 1e3,
        "memory_mib": case.memory / 2**20,
        "mmacs": case.macs / 1e6,
        "peak_gmacs_per_s": peak.macs_per_second / 1e9,
        "share_of_peak": case.macs / float(times.min()) / peak.macs_per_second,
    }


def _resident() -> int:
    """Return the bytes that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
