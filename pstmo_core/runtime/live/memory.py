"""The memory of a network STMO-Live: keys and values of each person's kept frames.

Each person has a ring of N slots. A frame is kept only if it is at least `spacing` seconds newer
than the last one that was kept, so that a fast camera does not shorten the time that is remembered.
Nothing is moved: the network finds its frames by their ages. The rules are those of
`pstmo_core.model.live.past`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pstmo_core.model.live.config import LONGEST, LiveConfig

_NEVER = 1e9
_LONG_AGO = -_NEVER
_LONGEST = np.float32(LONGEST)


class Look(NamedTuple):
    """What F new frames of R people find in memory."""

    rows: np.ndarray
    """(R,)"""
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

    def of(self, rows: np.ndarray) -> list[np.ndarray]:
        """Return what is kept of people: keys and values (R, key heads, N, depth) in turns.

        Those of each layer, then those of the moments; at last the tokens (R, N, width).

        Not copies where the rows follow one another (`in_place`): as a rule they do.
        """
        first = int(rows[0])
        chosen = slice(first, first + len(rows)) if in_place(rows) else rows
        arrays = (*(each for pair in self._layers for each in pair), *self._moments, self._tokens)
        return [each[chosen] for each in arrays]

    def look(self, rows: np.ndarray, dt: np.ndarray) -> Look:
        """Find what new frames of some people can learn of, and which of them are to be kept.

        Args:
            rows: (R,), the people's.
            dt: (R, F) float32 seconds since the person's previous frame.
        """
        frames, kept = dt.shape[1], self._kept
        dt = dt.clip(np.float32(0), _LONGEST)
        if frames == 1:
            return self._look_once(rows, dt[:, 0])
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
        return Look(rows, keep, ages, times, since)

    def _look_once(self, rows: np.ndarray, dt: np.ndarray) -> Look:
        """The same of one frame of each person, dt (R,), which a live stream does all the time."""
        times, since = self._clock[rows] + dt, self._since[rows] + dt
        keep = since >= self._spacing
        since[keep] = 0
        ages = np.zeros((len(rows), 1, self._kept + 1), np.float32)
        before = ages[:, 0, : self._kept]
        np.subtract(times[:, None], self._taken[rows], out=before, casting="same_kind")
        return Look(rows, keep[:, None], ages, times[:, None], since)

    def write(
        self, look: Look, fresh: np.ndarray, of_moments: np.ndarray, tokens: np.ndarray
    ) -> None:
        """Keep the new frames of a look; their rows are each once there.

        Args:
            look: as `look` returned it.
            fresh: (R, F, layers, 2, key heads, depth), the frames' keys and values.
            of_moments: (R, F, 2, key heads, depth), the same of the moments.
            tokens: (R, F, width), the frames'.
        """
        rows, keep = look.rows, look.keep
        new: Any
        at: Any
        if keep.size == 1:  # plain numbers are faster than arrays of one
            row, added = int(rows[0]), keep[0]
            new, at = (0, 0), (row, int(self._count[row]) % self._kept)
        elif keep.shape[1] == 1:
            added, person = keep[:, 0], slice(None) if keep.all() else keep[:, 0].nonzero()[0]
            new, at = (person, 0), (rows[person], self._count[rows[person]] % self._kept)
        else:
            nth = keep.cumsum(1)
            added, new = nth[:, -1], (keep & (nth > nth[:, -1:] - self._kept)).nonzero()
            at = rows[new[0]], (self._count[rows[new[0]]] + nth[new] - 1) % self._kept
        if added.any():
            self._layers[:, :, at[0], :, at[1]] = fresh[new]
            self._moments[:, at[0], :, at[1]] = of_moments[new]
            self._tokens[at], self._taken[at] = tokens[new], look.times[new]
            self._count[rows] += added
        self._clock[rows], self._since[rows] = look.times[:, -1], look.since

    def _choose(self, rows: np.ndarray, dt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Say which of the new frames are kept (R, F): one after the other; and `Look.since`."""
        since = self._since[rows]
        keep = np.empty(dt.shape, bool)
        for index in range(dt.shape[1]):
            since = since + dt[:, index]
            chosen = np.greater_equal(since, self._spacing, out=keep[:, index])
            since = np.where(chosen, np.float32(0), since)
        return keep, since


def in_place(rows: np.ndarray) -> bool:
    """Say whether rows (R,) follow one another, so that they are a slice of the memory."""
    first, count = int(rows[0]), len(rows)
    if int(rows[-1]) - first != count - 1:
        return False
    return count < 3 or bool((rows == np.arange(first, first + count)).all())
