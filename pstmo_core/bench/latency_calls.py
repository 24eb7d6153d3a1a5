"""The calls that are timed: a stream's step, a recorded clip, a window without a cache."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pstmo_core.bench.networks import Network
from pstmo_core.encoding import input_shape
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.embedding_cache import EmbeddingCache, PendingWindows
from pstmo_core.streaming.lifter import MOST_AT_ONCE

CENTRE, NEWEST = "step, centre", "step, newest"
"""The pose of the window's centre frame by MOFA, as the paper's; of its newest one, without."""
CLIP_CENTRE, CLIP_NEWEST = "clip, centre", "clip, newest"
WINDOW, PLAIN, BASELINE = "whole window", "plain", "baseline"
KINDS = {
    CENTRE: "step, centre frame",
    NEWEST: "step, newest frame",
    CLIP_CENTRE: "clip, centre frames",
    CLIP_NEWEST: "clip, newest frames",
    WINDOW: "whole window",
    PLAIN: "plain",
    BASELINE: "compared code",
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
    frames, macs = network.config.frames, network.macs
    clip = frames - 1 + MOST_AT_ONCE
    calls = []
    for kind, counts, length, frame, each in (
        (CENTRE, people, frames, None, macs.centre),
        (NEWEST, people, frames, frames - 1, macs.newest),
        (CLIP_CENTRE, (1,), clip, None, macs.centre),
        (CLIP_NEWEST, (1,), clip, frames - 1, macs.newest),
    ):
        for count in counts:
            run = stream_step(runtime, sequences_of(network.config, count, length), frame)
            difference = _apart(run(), _expected(network, count, length, frame))
            calls.append(Call(kind, count, count * each, run, length - frames + 1, difference))
    window = sequences_of(network.config, 1, frames)
    difference = _apart(runtime.lift(window), _expected(network, 1, frames, None))
    calls.append(Call(WINDOW, 1, macs.plain, lambda: runtime.lift(window), 1, difference))
    return calls


def plain_call(network: Network, kind: str, forward: Callable[..., Any]) -> Call:
    """Return the call of a forward of torch, that of one window."""
    window = torch.from_numpy(sequences_of(network.config, 1, network.config.frames))

    def run() -> object:
        with torch.no_grad():
            return forward(window)

    return Call(kind, 1, network.macs.plain, run)


def sequences_of(config: ModelConfig | LiveConfig, count: int, length: int) -> np.ndarray:
    """Return encoded frames (count, length, rows, channels), the same ones each time."""
    shape = (count, length, *input_shape(config.encoding))
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def _windows_of(sequences: np.ndarray, frames: int) -> np.ndarray:
    """Return all windows (N, frames, ...) of sequences (count, length, ...)."""
    windows = np.lib.stride_tricks.sliding_window_view(sequences, frames, 1)
    return np.moveaxis(windows, -1, 2).reshape(-1, frames, *sequences.shape[2:])


def stream_step(
    runtime: Runtime, sequences: np.ndarray, frame: int | None
) -> Callable[[], np.ndarray]:
    """Return a call that lifts all windows of sequences as a stream does.

    New is each window's last frame: one of each person, or those of a clip.
    """
    frames = runtime.config.frames
    numbers = np.arange(sequences.shape[0] * sequences.shape[1]).reshape(sequences.shape[:2])
    index, new = _windows_of(numbers, frames), numbers[:, frames - 1 :].ravel()
    flat = sequences.reshape(-1, *sequences.shape[2:])
    rows = EmbeddingCache(runtime.row_width)
    rows.reserve(len(flat))
    rows.lift([PendingWindows(index[:1], numbers.ravel(), flat, flat[:0])], runtime, frame)
    step = PendingWindows(index, new, flat[new], flat[:0])
    return lambda: rows.lift([step], runtime, frame)


def _expected(network: Network, count: int, length: int, frame: int | None) -> np.ndarray:
    all_frames, target = _poses(network, count, length)
    return target if frame is None else all_frames[:, frame]


@functools.lru_cache(maxsize=8)  # every backend is compared with the same poses
@torch.inference_mode()
def _poses(network: Network, count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """What the network in torch makes of all windows of sequences."""
    windows = _windows_of(sequences_of(network.config, count, length), network.config.frames)
    all_frames, target = network.model(torch.tensor(windows))
    return all_frames.numpy(), target.numpy()


def _apart(poses: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(poses - expected).max())
