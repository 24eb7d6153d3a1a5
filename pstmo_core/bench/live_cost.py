"""The cost of a step and of a clip, with a streaming network and with a window network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.bench.latency_calls import sequences_of, stream_step
from pstmo_core.bench.report import percentiles
from pstmo_core.bench.streams_report import costs
from pstmo_core.keypoints.clip import load_clip
from pstmo_core.keypoints.recorded import Clip
from pstmo_core.model.complexity import measure
from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import LiveRuntime, Runtime, load_runtime, load_window_runtime
from pstmo_core.runtime.base import RuntimeLoadError
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip
from pstmo_core.streaming.lifter import StreamLifter

WINDOW, LIVE, READING = "window", "live", "reading"
#: The authors' network whose forward a step is compared with.
AUTHORS = ModelConfig(frames=243, encoding="screen", mofa_anchor="first")
#: Frames that fill a person's memory before anything is timed, and their seconds apart.
_FILLED, _DT = 100, 1 / 30


@dataclass
class Case:
    """Something that is timed again and again."""

    network: str
    """`WINDOW` or `LIVE`, or `READING`: as many numbers are read as the latter has weights."""
    people: int
    run: Callable[[], object]
    times: list[float] = field(default_factory=list)

    def turn(self, seconds: float) -> None:
        """Call it for a while, and at least twice; the first call finds cold caches."""
        self.run()
        end = time.perf_counter() + seconds
        while True:
            begin = time.perf_counter()
            self.run()
            now = time.perf_counter()
            self.times.append(now - begin)
            if now > end:
                return

    def result(self) -> dict[str, Any]:
        """Return what was measured, for a JSON file."""
        times = np.array(self.times)
        return {
            "network": self.network, "people": self.people, "calls": len(times),
            **percentiles(times), "fastest_ms": float(times.min()) * 1e3,
        }  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The two networks that are compared."""

    live_path: Path
    window_path: Path
    live: LiveRuntime
    window: Runtime

    @classmethod
    def load(cls, live: Path, window: Path, threads: int, backend: str) -> Pair:
        """Load them.

        Raises:
            RuntimeLoadError: also if a file holds a network of the other kind.
        """
        runtime = load_runtime(live, threads, backend)
        if not isinstance(runtime, LiveRuntime):
            raise RuntimeLoadError(f"{live}: holds a network that lifts windows, not STMO-Live")
        return cls(live, window, runtime, load_window_runtime(window, threads, backend))

    def counts(self) -> dict[str, float]:
        """Return parameters and multiply-accumulates of a new frame, in millions, and kB a person.

        With them the multiply-accumulates of the authors' forward of one window.
        """
        live, window = costs(self.live_path), costs(self.window_path)
        return {
            "live_parameters": live.parameters, "window_parameters": window.parameters,
            "live_mmacs": live.newest, "window_mmacs": window.newest,
            "live_kb": self.live.memory(1).bytes_per_person / 1e3, "window_kb": window.state_kb,
            "authors_mmacs": measure(AUTHORS).macs / 1e6,
        }  # fmt: skip

    def steps(self, people: tuple[int, ...]) -> list[Case]:
        """Return a step of the newest frame for numbers of people, of both networks."""
        return [
            Case(name, count, make(count))
            for count in people
            for name, make in ((WINDOW, self._window_step), (LIVE, self._live_step))
        ]

    def reading(self) -> Case:
        """Return what no step in float32 can do without: reading all weights once."""
        weights = np.ones(round(costs(self.live_path).parameters * 1e6), np.float32)
        return Case(READING, 1, weights.max)

    def clips(self) -> list[Case]:
        """Return the lift of the shipped clip of keypoints with default settings, by both."""
        clip = load_clip()
        config = StreamConfig(max_people=len(clip.ids))
        pairs = (WINDOW, self.window), (LIVE, self.live)
        return [
            Case(name, len(clip.ids), lambda each=runtime: lift_clip(clip, each, config))  # type: ignore[misc]
            for name, runtime in pairs
        ]

    def _window_step(self, people: int) -> Callable[[], object]:
        frames = self.window.config.frames
        return stream_step(
            self.window, sequences_of(self.window.config, people, frames), frames - 1
        )

    def _live_step(self, people: int) -> Callable[[], object]:
        memory, rows = self.live.memory(people), np.arange(people)
        frames = sequences_of(self.live.config, people, _FILLED)
        dt = np.full((people, _FILLED), _DT, np.float32)
        self.live.read(frames, dt, memory, rows)
        newest, since = frames[:, :1], dt[:, :1]
        return lambda: self.live.read(newest, since, memory, rows)


def run_in_turns(cases: list[Case], turns: int, seconds: float) -> Iterator[None]:
    """Time cases in turns, in an order that is redrawn for each; yields after each turn."""
    for case in cases:
        case.run()
    order = np.random.default_rng(0)
    for _ in range(turns):
        for index in order.permutation(len(cases)):
            cases[index].turn(seconds)
        yield


def long_stream(runtime: LiveRuntime, frames: int) -> Iterator[dict[str, float] | None]:
    """Push the shipped clip over and over, with new people each time.

    Yields None after each frame, and at last the process's MiB after a tenth of them and at the
    end.
    """
    clip: Clip = load_clip()
    lifter = StreamLifter(runtime, StreamConfig(max_people=len(clip.ids)))
    period, early = int(clip.stamps[-1]) + 2_000_000_000, 0.0
    recorded = list(clip)
    for index in range(frames):
        turn, frame = index // len(recorded), recorded[index % len(recorded)]
        ids = tuple(f"{name} {turn}" for name in frame.ids)
        lifter.push(replace(frame, stamp=frame.stamp + turn * period, ids=ids))
        if index == frames // 10:
            early = _mebibytes()
        yield None
    yield {"frames": frames, "early_mib": early, "end_mib": _mebibytes()}


def _mebibytes() -> float:
    """Return what this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
