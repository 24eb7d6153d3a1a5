"""The memory of a network STMO-Live: keys and values of each person's kept frames.

Each person has a ring of N slots. A frame is kept only if it is at least `spacing` seconds newer
than the last one that was kept, so that a fast camera does not shorten the time that is remembered.
Nothing is moved: the network finds its frames by their ages. The rules are those of
`pstmo_core.model.live.past`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pstmo_core.model.live.config import LONGEST, LiveConfig

_NEVER = 1e9
_LONG_AGO = -_NEVER
_LONGEST = np.float32(LONGEST)


class Look(NamedTuple):
    """What F new frames of R people find in memory."""

    rows: slice | np.ndarray
    """Theirs; a slice where they follow one another."""
    keep: np.ndarray
    """(R, F) bool, which of the new frames are kept."""
    ages: np.ndarray
    """(R, F, N + F) float32 seconds, how old the frames in memory and the new ones are at each new
    one; above `pstmo_core.model.live.config.OUT_OF_REACH` where it cannot learn of them."""
    times: np.ndarray
    """(R, F) float64 seconds on each person's clock."""
    since: np.ndarray
    """(R,) float32 seconds from the last frame that is kept to the last new one."""

    def padded(self, frames: int) -> Look:
        """Return the same with more frames, which nobody learns of; for `ages` alone."""
        if not frames:
            return self
        ages = np.pad(self.ages, ((0, 0), (0, frames), (0, frames)), constant_values=_NEVER)
        return self._replace(ages=ages)


class Fresh(NamedTuple):
    """What is to be kept of F new frames of R people; arrays lie as in memory."""

    layers: np.ndarray
    """(layers, 2, R, key heads, F, depth), keys and values of each layer."""
    moments: np.ndarray
    """(2, R, key heads, F, depth), those of the moments."""
    tokens: np.ndarray
    """(R, F, width)"""

    @classmethod
    def of(cls, outputs: Sequence[np.ndarray]) -> Fresh:
        """Join what a graph gives, in the order of `parts`."""
        *layers, keys, values, tokens = outputs
        joined = np.stack(layers)
        return cls(joined.reshape(-1, 2, *joined.shape[1:]), np.stack([keys, values]), tokens)

    def parts(self) -> list[np.ndarray]:
        """Return its arrays (R, ...) one by one, as `LiveMemory.of` does; not copies."""
        return _in_order(self.layers, self.moments, self.tokens)


class LiveMemory:
    """The memory of a number of people, a row each. A row that is empty is of nobody."""

    def __init__(self, config: LiveConfig, people: int) -> None:
        self._spacing, self._kept = np.float32(config.spacing), config.kept
        kept = people, config.key_heads, config.kept, config.depth
        self._layers = np.zeros((config.layers, 2, *kept), np.float32)
        """Keys and values of each layer."""
        moments = people, config.moment_key_heads, config.kept, config.depth
        self._moments = np.zeros((2, *moments), np.float32)
        self._tokens = np.zeros((people, config.kept, config.width), np.float32)
        self._taken = np.full((people, config.kept), _LONG_AGO)
        """Seconds on a person's own clock at which frames were taken."""
        self._clock = np.zeros(people)
        self._since = np.full(people, np.inf, np.float32)
        """Seconds from the last frame that was kept to the last one; infinite: there was none."""
        self._count = np.zeros(people, np.int64)
        """Frames that were kept, also those that have been written over."""

    @property
    def bytes_per_person(self) -> int:
        """What a person takes."""
        return sum(array.nbytes for array in self.arrays().values()) // len(self._count)

    def forget(self, rows: np.ndarray | int) -> None:
        """Empty some rows."""
        self._count[rows] = 0
        self._clock[rows] = 0
        self._since[rows] = np.inf
        self._taken[rows] = _LONG_AGO

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that is kept, by name; not copies."""
        return {
            "layers": self._layers, "moments": self._moments, "tokens": self._tokens,
            "taken": self._taken, "clock": self._clock, "since": self._since, "count": self._count,
        }  # fmt: skip

    def of(self, rows: slice | np.ndarray) -> list[np.ndarray]:
        """Return what is kept of people: keys and values (R, key heads, N, depth) in turns.

        Those of each layer, then those of the moments; at last the tokens (R, N, width). Not copies
        where the rows are a slice.
        """
        return [each[rows] for each in _in_order(self._layers, self._moments, self._tokens)]

    def look(self, rows: np.ndarray, dt: np.ndarray) -> Look:
        """Find what new frames of some people can learn of, and which of them are to be kept.

        Args:
            rows: (R,), the people's.
            dt: (R, F) float32 seconds since the person's previous frame.
        """
        frames, kept = dt.shape[1], self._kept
        dt = dt.clip(np.float32(0), _LONGEST)
        if frames == 1:
            return self._look_once(_sliced(rows), dt[:, 0])
        ages = np.empty((len(rows), frames, kept + frames), np.float32)
        taken = self._taken[rows]
        times = self._clock[rows, None] + dt.astype(np.float64).cumsum(1)
        keep, since = self._choose(rows, dt)
        ages[..., :kept] = times[..., None] - taken[:, None]
        before = keep.cumsum(1) - keep
        # By when a place is written over; 0 is the next one.
        order = (np.arange(kept) - self._count[rows, None]) % kept
        ages[..., :kept][order[:, None] < before[..., None]] = _NEVER
        ages[..., kept:] = times[:, :, None] - times[:, None]
        pushed = before[:, :, None] - (before + keep)[:, None]
        reached = np.tri(frames, k=-1, dtype=bool) & keep[:, None] & (pushed < kept)
        reached |= np.eye(frames, dtype=bool)
        ages[..., kept:][~reached] = _NEVER
        return Look(_sliced(rows), keep, ages, times, since)

    def _look_once(self, rows: slice | np.ndarray, dt: np.ndarray) -> Look:
        """The same of one frame of each person, dt (R,), which a live stream does all the time."""
        times, since = self._clock[rows] + dt, self._since[rows] + dt
        keep = since >= self._spacing
        since[keep] = 0
        ages = np.zeros((len(dt), 1, self._kept + 1), np.float32)
        ages[:, 0, :-1] = times[:, None] - self._taken[rows]
        return Look(rows, keep[:, None], ages, times[:, None], since)

    def write(self, look: Look, fresh: Fresh) -> None:
        """Keep the new frames of a look, as `look` returned it; their rows are each once there.

        What more frames `fresh` has, with which it was padded, is left out.
        """
        rows, keep = look.rows, look.keep
        if keep.shape[1] == 1:
            self._write_once(look, fresh)
        elif keep.any():
            nth = keep.cumsum(1)
            new = (keep & (nth > nth[:, -1:] - self._kept)).nonzero()
            at = _listed(rows)[new[0]]
            self._put((at, (self._count[at] + nth[new] - 1) % self._kept), fresh, new, look.times)
            self._count[rows] += nth[:, -1]
        self._clock[rows], self._since[rows] = look.times[:, -1], look.since

    def _write_once(self, look: Look, fresh: Fresh) -> None:
        """The same of one frame of each person; mostly all are kept, and all in the same slot."""
        rows, added = look.rows, look.keep[:, 0]
        slots, kept = self._count[rows] % self._kept, added.tolist()
        if all(kept) and isinstance(rows, slice) and len(set(slots.tolist())) == 1:
            self._put((rows, int(slots[0])), fresh, (slice(None), 0), look.times)
        elif any(kept):
            (person,) = added.nonzero()
            self._put((_listed(rows)[person], slots[person]), fresh, (person, 0), look.times)
        self._count[rows] += added

    def _put(self, at: Any, fresh: Fresh, new: Any, times: np.ndarray) -> None:
        """Put new frames (person, frame) where they belong (row, slot)."""
        self._layers[:, :, at[0], :, at[1]] = fresh.layers[:, :, new[0], :, new[1]]
        self._moments[:, at[0], :, at[1]] = fresh.moments[:, new[0], :, new[1]]
        self._tokens[at], self._taken[at] = fresh.tokens[new], times[new]

    def _choose(self, rows: np.ndarray, dt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Say which of the new frames are kept (R, F): one after the other; and `Look.since`."""
        since = self._since[rows]
        keep = np.empty(dt.shape, bool)
        for index in range(dt.shape[1]):
            since = since + dt[:, index]
            chosen = np.greater_equal(since, self._spacing, out=keep[:, index])
            since = np.where(chosen, np.float32(0), since)
        return keep, since


def _in_order(layers: np.ndarray, moments: np.ndarray, tokens: np.ndarray) -> list[np.ndarray]:
    """Return arrays as graphs take and give them: keys and values in turns, then the tokens."""
    return [*(each for pair in layers for each in pair), *moments, tokens]


def _sliced(rows: np.ndarray) -> slice | np.ndarray:
    """Return rows (R,) as a slice of the memory, if they follow one another."""
    first, count = int(rows[0]), len(rows)
    if int(rows[-1]) - first != count - 1:
        return rows
    if count < 3 or bool((rows == np.arange(first, first + count)).all()):
        return slice(first, first + count)
    return rows


def _listed(rows: slice | np.ndarray) -> np.ndarray:
    """Return the numbers (R,) of rows as of `_sliced`."""
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
