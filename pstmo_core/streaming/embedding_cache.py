"""Caches the SEM embedding of each frame while the frame is in the buffer (section 3.3.1).

SEM looks at one frame of one person alone, so its result serves every window that takes the frame
as it came. A moment between frames, or with an interpolated joint, is a frame of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.errors import ConfigError
from pstmo_core.runtime.base import Runtime

MOST_BYTES = 1 << 30
"""Memory for the windows of everybody."""
_BESIDES = 1400
"""Bytes that buffer and filters keep for each row, besides the row itself."""


@dataclass(frozen=True)
class PendingWindows:
    """PendingWindows of P people that wait for the network."""

    index: np.ndarray
    """(P, F) int64: from 0 on the number of a kept row, below 0 that of a passing row, ~number."""
    new: np.ndarray
    """(R,) int64 numbers of the rows to be kept that SEM has yet to make."""
    new_frames: np.ndarray
    """(R, rows, channels) encoded frames for them."""
    passing: np.ndarray
    """(M, rows, channels) encoded frames of this window alone."""


class EmbeddingCache:
    """A row for each frame and person, by a number, and which of them are made or planned.

    Several streams may share one: each reserves numbers of its own, and windows of all of them are
    lifted together.

    Args:
        width: of a row.
    """

    def __init__(self, width: int) -> None:
        self._rows: np.ndarray = np.empty((0, width), np.float32)
        self._known = np.zeros(0, bool)
        # Where a step finds each row: at its number, or while it is new behind all that are kept.
        self._position = np.arange(0, dtype=np.int64)

    def reserve(self, count: int) -> int:
        """Make room for further rows and return the number of the first of them.

        Raises:
            ConfigError: if they would take too much memory.
        """
        first, width = self._rows.shape
        needed = (first + count) * (4 * width + _BESIDES)
        if needed > MOST_BYTES:
            raise ConfigError(
                f"the windows of everybody would take {needed / 2**30:.1f} GiB of memory, but may "
                f"take {MOST_BYTES / 2**30:.0f} GiB: lower max_people or max_rate, or the longest "
                "of max_gap, reorder, carry and bridge, or lift fewer cameras in one process"
            )
        more = np.empty((count, width), np.float32)
        self._rows = np.concatenate([self._rows, more]) if first else more
        self._known = np.concatenate([self._known, np.zeros(count, bool)])
        self._position = np.arange(len(self._rows), dtype=np.int64)
        return first

    def forget(self, numbers: np.ndarray | slice) -> None:
        """Some numbers are from now on those of other frames."""
        self._known[numbers] = False

    def plan(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find those of some rows (M,) that are not yet made; they count as made from now on.

        What is planned must be given to `lift` before other windows that use it, or with them.

        Returns:
            Their numbers (R,), each once, and the index of each among the M.
        """
        (unknown,) = (~self._known[numbers]).nonzero()
        new = numbers[unknown]
        if len(new) > 1:
            new, first = np.unique(new, return_index=True)
            unknown = unknown[first]
        self._known[new] = True
        return new, unknown

    def lift(
        self, windows: list[PendingWindows], runtime: Runtime, frame: int | None
    ) -> np.ndarray:
        """Run SEM once for each new frame, and the network on all windows: poses (B, 17, 3).

        Args:
            windows: in the order in which they were planned.
            runtime: the network.
            frame: as of `Runtime.step`.
        """
        new = np.concatenate([each.new for each in windows])
        try:
            return self._lift(windows, new, runtime, frame)
        except BaseException:
            self._known[new] = False
            raise

    def _lift(
        self, windows: list[PendingWindows], new: np.ndarray, runtime: Runtime, frame: int | None
    ) -> np.ndarray:
        index = _joined_index(windows)
        passing = np.concatenate([each.passing for each in windows])
        if len(windows) > 1 and len(passing) > 1:
            passing, index = _without_repeats(passing, index)
        fresh = np.concatenate([*(each.new_frames for each in windows), passing])
        first = self._with_fresh(index[: runtime.batch], new)
        poses, made = runtime.step(fresh, self._rows, first, frame)
        self._rows[new] = made[: len(new)]
        parts = [poses]
        for start in range(runtime.batch, len(index), runtime.batch):
            kept, part = self._all_kept(index[start : start + runtime.batch], made[len(new) :])
            parts.append(runtime.step(fresh[:0], kept, part, frame)[0])
        return np.concatenate(parts) if len(parts) > 1 else poses

    def _with_fresh(self, index: np.ndarray, new: np.ndarray) -> np.ndarray:
        """An index of `PendingWindows`, as `Runtime.step` takes it before the new rows are made."""
        passing = len(self._rows) + len(new)
        self._position[new] = np.arange(len(self._rows), passing)
        kept = self._position.take(index, mode="clip")
        self._position[new] = new
        return np.where(index < 0, passing - 1 - index, kept)

    def _all_kept(self, index: np.ndarray, passing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows, and an index of `PendingWindows` into them, once every row is made."""
        passes = index < 0
        if not passes.any():
            return self._rows, index
        rows = self._rows.take(index, axis=0, mode="clip")
        rows[passes] = passing[~index[passes]]
        return rows.reshape(-1, rows.shape[-1]), np.arange(index.size).reshape(index.shape)


def _joined_index(windows: list[PendingWindows]) -> np.ndarray:
    """The windows' indices, with the passing rows of all numbered through."""
    if len(windows) == 1:
        return windows[0].index
    parts, passing = [], 0
    for each in windows:
        parts.append(np.where(each.index < 0, each.index - passing, each.index))
        passing += len(each.passing)
    return np.concatenate(parts)


def _without_repeats(passing: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neighbouring windows often pass the same frames: let SEM see each once."""
    flat = np.ascontiguousarray(passing).reshape(len(passing), -1)
    keys = flat.view(np.dtype((np.void, flat.shape[1] * flat.itemsize)))[:, 0]
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    return passing[first], np.where(index < 0, ~place[~np.minimum(index, -1)], index)
