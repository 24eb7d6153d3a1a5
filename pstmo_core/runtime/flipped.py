"""Lifting with flip averaging: each person is lifted twice, once as in a mirror (section 4.1).

A network does not treat left and right quite alike. The mean of its two answers is calmer and more
accurate than one of them (docs/backends.md says by how much); the price is two lifts per person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pstmo_core.encoding import get_encoding
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.runtime.base import LoadedNetwork, Runtime
from pstmo_core.runtime.live.base import LiveRuntime
from pstmo_core.runtime.live.memory import LiveMemory
from pstmo_core.skeleton import mirror_order

_MIRRORED = mirror_order()


def flipped(runtime: Runtime | LiveRuntime) -> Runtime | LiveRuntime:
    """Return a runtime that averages both ways, and describes itself as the network given."""
    if isinstance(runtime.config, LiveConfig):
        return FlippedLiveRuntime(runtime)
    return FlippedRuntime(runtime)


class FlippedRuntime(Runtime):
    """A network of windows; a kept row is a frame's row followed by its mirror image's."""

    def __init__(self, runtime: Runtime) -> None:
        _say_the_same(self, runtime)
        self.config, self.row_width = runtime.config, 2 * runtime.row_width
        self.batch = max(1, runtime.batch // 2)
        self._runtime, self._encoding = runtime, get_encoding(runtime.config.encoding)

    def describe(self) -> str:
        """See `LoadedNetwork.describe`."""
        return self._runtime.describe()

    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Runtime.step`."""
        new, old = len(fresh), len(kept)
        both = np.concatenate([fresh, self._encoding.mirror(fresh, np)])
        # Kept rows alternate; new ones come all as they are, and then all mirrored.
        straight = np.where(index < old, 2 * index, index + old)
        mirrored = np.where(index < old, 2 * index + 1, index + old + new)
        index = np.concatenate([straight, mirrored])
        kept = kept.reshape(2 * old, self._runtime.row_width)
        poses, rows = self._runtime.step(both, kept, index, frame)
        return mean_of_flipped(*np.split(poses, 2)), np.concatenate([rows[:new], rows[new:]], 1)


class FlippedLiveRuntime(LiveRuntime):
    """A streaming network; people's rows in memory alternate with those of their mirror images."""

    def __init__(self, runtime: LiveRuntime) -> None:
        _say_the_same(self, runtime)
        self.config = runtime.config
        self._runtime, self._encoding = runtime, get_encoding(runtime.config.encoding)

    def describe(self) -> str:
        """See `LoadedNetwork.describe`."""
        return self._runtime.describe()

    def memory(self, people: int) -> LiveMemory:
        """See `LiveRuntime.memory`."""
        return _TwofoldMemory(self.config, 2 * people)

    def read(
        self,
        frames: np.ndarray,
        dt: np.ndarray,
        memory: LiveMemory,
        rows: np.ndarray,
        heads: Sequence[int] = (0,),
        keep: bool = True,
    ) -> np.ndarray:
        """See `LiveRuntime.read`."""
        both = np.stack([frames, self._encoding.mirror(frames, np)], 1)
        poses = self._runtime.read(
            both.reshape(-1, *frames.shape[1:]),
            np.repeat(dt, 2, 0),
            memory,
            _twofold(rows),
            heads,
            keep,
        )
        return mean_of_flipped(poses[0::2], poses[1::2])


class _TwofoldMemory(LiveMemory):
    """A memory whose rows 2 n and 2 n + 1 are those of person n."""

    @property
    def bytes_per_person(self) -> int:
        """See `LiveMemory.bytes_per_person`."""
        return 2 * super().bytes_per_person

    def forget(self, rows: np.ndarray | int) -> None:
        """See `LiveMemory.forget`."""
        super().forget(_twofold(np.atleast_1d(rows)))


def _twofold(rows: np.ndarray) -> np.ndarray:
    return np.stack([2 * rows, 2 * rows + 1], 1).ravel()


def mean_of_flipped(straight: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Average poses (..., 17, C) with the mirror image's; for sigma, the geometric mean."""
    back = mirrored[..., _MIRRORED, :]
    back[..., 0] *= -1
    back += straight
    back *= np.float32(0.5)
    return back


def _say_the_same(wrapper: LoadedNetwork, network: LoadedNetwork) -> None:
    wrapper.backend, wrapper.precision = network.backend, network.precision
    wrapper.passed_over = network.passed_over
