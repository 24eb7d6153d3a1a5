"""What is timed of a network: a stream's steps, a recorded clip, a window with nothing kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pstmo_core.bench.networks import Network
from pstmo_core.encoding import input_shape
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.kept import KeptRows, Windows
from pstmo_core.streaming.lifter import MOST_AT_ONCE

CENTRE, NEWEST = "step, centre", "step, newest"
"""The pose of the window's centre frame by MOFA, as the paper's; of its newest one, without."""
CLIP_CENTRE, CLIP_NEWEST = "clip, centre", "clip, newest"
WINDOW, PLAIN, AGAINST = "whole window", "plain", "against"
KINDS = {
    CENTRE: "step, centre frame",
    NEWEST: "step, newest frame",
    CLIP_CENTRE: "clip, centre frames",
    CLIP_NEWEST: "clip, newest frames",
    WINDOW: "whole window",
    PLAIN: "plain",
    AGAINST: "compared code",
}
"""What is timed, and its name in a report."""


@dataclass(frozen=True)
class Call:
    """A call that is to be timed."""

    kind: str
    people: int
    macs: int
    """Multiply-accumulates that it needs, for a clip those of one window."""
    run: Callable[[], Any]
    repeats: int = 1
    """Windows of one person in a call, by which its duration is divided."""
    difference: float = 0.0
    """Largest difference from the network in torch on the same windows, in metres."""


def calls_of(network: Network, runtime: Runtime, people: tuple[int, ...]) -> list[Call]:
    """Return what is timed of a backend, each compared with the network in torch."""
    newest = network.config.frames - 1
    macs = network.macs
    calls = []
    for kind, frame, each in ((CENTRE, None, macs.centre), (NEWEST, newest, macs.newest)):
        for count in people:
            windows = _windows(network, count)
            run = _step(runtime, windows, frame)
            expected = _expected(network, windows, frame)
            calls.append(Call(kind, count, count * each, run, 1, _apart(run(), expected)))
    clip = _windows(network, 1, network.config.frames - 1 + MOST_AT_ONCE)[0]
    windows = np.lib.stride_tricks.sliding_window_view(clip, network.config.frames, 0)
    windows = np.moveaxis(windows, -1, 1)
    for kind, frame, each in ((CLIP_CENTRE, None, macs.centre), (CLIP_NEWEST, newest, macs.newest)):
        run = _clip(runtime, clip, frame)
        difference = _apart(run(), _expected(network, windows, frame))
        calls.append(Call(kind, 1, each, run, MOST_AT_ONCE, difference))
    window = _windows(network, 1)
    difference = _apart(runtime.lift(window), _expected(network, window, None))
    calls.append(Call(WINDOW, 1, macs.plain, lambda: runtime.lift(window), 1, difference))
    return calls


def plain_call(network: Network, kind: str, forward: Callable[..., Any]) -> Call:
    """Return the call of a forward of torch, that of one window."""
    window = torch.from_numpy(_windows(network, 1))

    def run() -> object:
        with torch.no_grad():
            return forward(window)

    return Call(kind, 1, network.macs.plain, run)


def _windows(network: Network, count: int, frames: int | None = None) -> np.ndarray:
    config = network.config
    shape = (count, frames or config.frames, *input_shape(config.encoding))
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def _step(runtime: Runtime, windows: np.ndarray, frame: int | None) -> Callable[[], np.ndarray]:
    """Return a call that lifts everybody's window as a stream does: one new frame each."""
    numbers = np.arange(windows.shape[0] * windows.shape[1]).reshape(windows.shape[:2])
    return _lifting(
        runtime, windows.reshape(-1, *windows.shape[2:]), numbers, numbers[:, -1], frame
    )


def _clip(runtime: Runtime, clip: np.ndarray, frame: int | None) -> Callable[[], np.ndarray]:
    """Return a call that lifts the last `MOST_AT_ONCE` frames (N, rows, channels) of a clip."""
    length = len(clip) - MOST_AT_ONCE + 1
    starts = np.arange(MOST_AT_ONCE)[:, None]
    new = np.arange(length - 1, len(clip))
    return _lifting(runtime, clip, starts + np.arange(length), new, frame)


def _lifting(
    runtime: Runtime, frames: np.ndarray, index: np.ndarray, new: np.ndarray, frame: int | None
) -> Callable[[], np.ndarray]:
    rows = KeptRows(len(frames), runtime.kept_width)
    everything, passing = np.arange(len(frames)), frames[:0]
    rows.lift([Windows(index[:1], everything, frames, passing)], runtime, frame)
    step = Windows(index, np.ascontiguousarray(new), frames[new], passing)
    return lambda: rows.lift([step], runtime, frame)


@torch.inference_mode()
def _expected(network: Network, windows: np.ndarray, frame: int | None) -> np.ndarray:
    all_frames, target = network.model(torch.from_numpy(np.ascontiguousarray(windows)))
    return (target if frame is None else all_frames[:, frame]).numpy()


def _apart(poses: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(poses - expected).max())
