"""Reads a stream by windows: each frame gets a window on the time grid, which is lifted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pstmo_core.encoding import encode_pixels, get_encoding, pixel_turns, viewing_rays
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.runtime.base import Runtime
from pstmo_core.skeleton import JOINTS
from pstmo_core.streaming.buffer import StreamBuffer
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.embedding_cache import EmbeddingCache, PendingWindows
from pstmo_core.streaming.grid import Grid, Samples, sample
from pstmo_core.streaming.look_ahead import look_ahead_ns
from pstmo_core.streaming.people import People
from pstmo_core.streaming.reading import Due, Reading
from pstmo_core.streaming.steadying import Steadier
from pstmo_core.streaming.views import Views

_NO_RAYS = np.empty((0, JOINTS, 2), np.float32)


@dataclass(frozen=True)
class WindowsDue(Due):
    """A frame whose turn has come, with everybody's window."""

    windows: PendingWindows | None
    """None where nobody is."""


class WindowReading(Reading[WindowsDue]):
    """Reads a stream by windows of a network STMO.

    A late frame is put in its place in time.

    Args:
        runtime: the network.
        config: the settings.
        people: who is there.
        at_once: most frames that are planned before they are lifted.
        embeddings: a cache to share with other streams; by default one of its own.

    Raises:
        ConfigError: if the network has no such look-ahead, or the windows of so many people at so
            high a rate would take too much memory.
    """

    def __init__(
        self,
        runtime: Runtime,
        config: StreamConfig,
        people: People,
        at_once: int,
        embeddings: EmbeddingCache | None = None,
    ) -> None:
        model = runtime.config
        self.look_ahead = look_ahead_ns(model, config.look_ahead)
        self._runtime, self._config, self._people = runtime, config, people
        self._grid = Grid.of(
            model.frames, model.step, config.look_ahead, config.tolerance, config.max_gap,
            config.carry,
        )  # fmt: skip
        span = (model.frames - 1) * model.step
        self._span = round(span * 1e9)
        span += max(config.reorder, config.max_gap, config.carry, config.bridge)
        self._capacity = capacity = int(span * config.max_rate) + 3
        places = capacity + 1 + at_once
        self._embeddings = embeddings or EmbeddingCache(runtime.row_width)
        self._first = self._embeddings.reserve(places * config.max_people)
        self._buffer = StreamBuffer(capacity, config.max_people, spare=at_once)
        steadying = config.unswap or config.outlier or config.keypoint_cutoff
        self._steadier = Steadier(config, self._buffer, places) if steadying else None
        self._index = model.frames - 1 - config.look_ahead
        self._frame = None if self._index == model.target else self._index
        self._turned = get_encoding(model.encoding).turned
        self._views = Views()
        self._row = 0
        """Of the frame that was begun."""
        self._newest = 0
        self._answered: int | None = None
        self._focal = 0.0

    @property
    def memory(self) -> EmbeddingCache:
        """See `Reading.memory`."""
        return self._embeddings

    def begin(self, frame: KeypointFrame) -> str | None:
        """See `Reading.begin`."""
        row = self._buffer.insert(frame)
        if row is None:
            return "repeated"
        self._row, self._focal = row, frame.focal
        stamps = self._buffer.stamps
        self._newest = int(stamps[-1])
        self.too_fast = len(stamps) == self._capacity and self._newest - stamps[0] < self._span
        self.overtaken = self._answered is not None and frame.stamp < self._answered
        self._views.keep(frame)
        return None

    def put(self, slots: np.ndarray, points: np.ndarray, scores: np.ndarray) -> None:
        """See `Reading.put`."""
        if self._steadier is None:
            self._buffer.put(self._row, slots, points, scores)
            changed = range(self._row, self._row + 1)
        else:
            changed = self._steadier.put(self._row, slots, points, scores)
        for each in changed:
            number = self._first + int(self._buffer.places[each]) * self._config.max_people
            self._embeddings.forget(slice(number, number + self._config.max_people))

    def forget(self, slot: int) -> None:
        """See `Reading.forget`."""
        self._buffer.clear_slot(slot)
        if self._steadier is not None:
            self._steadier.forget(slot)

    def clear(self) -> None:
        """See `Reading.clear`."""
        self._buffer.clear()
        self._views.clear()
        self._answered = None

    def plan(self, limit: int | None) -> list[WindowsDue]:
        """See `Reading.plan`."""
        stamps = self._buffer.stamps
        first = 0 if self._answered is None else _rows_up_to(stamps, self._answered)
        last = len(stamps) if limit is None else _rows_up_to(stamps, limit)
        last = max(last, len(stamps) - self._capacity + 1)  # a full ring's first row goes next
        if first >= last:
            return []
        self._answered = int(stamps[last - 1])
        due = [self._due(row) for row in range(first, last)]
        self._views.drop(self._answered)
        return due

    def lift(self, due: list[WindowsDue]) -> np.ndarray:
        """See `Reading.lift`; in one inference."""
        windows = [frame.windows for frame in due if frame.windows is not None]
        if not windows:
            return np.empty((0, JOINTS, self._runtime.config.outputs), np.float32)
        lifted = self._embeddings.lift(windows, self._runtime, self._frame)
        turns = [frame.turns for frame in due if frame.turns is not None]
        if turns:
            lifted[..., :3] = lifted[..., :3] @ np.concatenate(turns)
        return lifted

    def _due(self, row: int) -> WindowsDue:
        buffer, people = self._buffer, self._people
        slots, sighting = self._there(row)
        stamp, scores = int(buffer.stamps[row]), buffer.scores[row, slots]
        ids, visits, weights = (
            people.names_of(slots), people.visits(slots), buffer.scores[sighting, slots]
        )  # fmt: skip
        pose, depths = self._views.of(stamp, ids)
        if not len(slots):
            return WindowsDue(
                stamp, self._newest, ids, slots, visits, scores, scores[:, 0], _NO_RAYS,
                bool(self._focal), weights, pose, depths, None, None,
            )  # fmt: skip
        samples = sample(
            buffer.stamps, buffer.points, buffer.scores, buffer.present, slots, stamp, self._grid,
            buffer.velocities,
        )  # fmt: skip
        size = buffer.sizes[row].copy()
        if (buffer.sizes != size).any():
            samples = self._kept_apart(samples, slots, size)
        focal = self._focal or self._config.focal
        rays = viewing_rays(buffer.points[sighting, slots], size, focal)
        return WindowsDue(
            stamp, self._newest, ids, slots, visits, scores, samples.observed, rays,
            bool(self._focal), weights, pose, depths, self._turns(samples, slots, row),
            self._windows(samples, slots, row),
        )  # fmt: skip

    def _there(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Find who is in a row, or was within `bridge`: slots (P,) and the rows of that (P,).

        Nobody is bridged for longer than he was there: a false detection of one image is not.
        """
        buffer = self._buffer
        bridge = round(self._config.bridge * 1e9)
        oldest = int(buffer.stamps.searchsorted(buffer.stamps[row] - 2 * bridge))
        present = buffer.present[oldest : row + 1]
        slots = np.flatnonzero(present.any(0))
        last = row - present[::-1, slots].argmax(0)
        came, left = buffer.stamps[oldest + present[:, slots].argmax(0)], buffer.stamps[last]
        there = buffer.stamps[row] - left <= np.minimum(bridge, left - came)
        return slots[there], last[there]

    def _turns(self, samples: Samples, slots: np.ndarray, row: int) -> np.ndarray | None:
        """Say how the frame is turned in which the network sees a target frame's people."""
        if not self._turned:
            return None
        buffer = self._buffer
        points, scores = samples.at(self._index, buffer.points, buffer.scores, slots)
        focal = self._focal or self._config.focal
        return pixel_turns(points, scores, buffer.sizes[row], focal, buffer.ups[row])

    def _kept_apart(self, samples: Samples, slots: np.ndarray, size: np.ndarray) -> Samples:
        """Let frames of another image size pass: a row that is kept is as of its own image."""
        buffer, whole = self._buffer, samples.whole
        own = whole & (buffer.sizes[samples.rows] == size).all(-1)
        points, scores = samples.written_out(buffer.points, buffer.scores, slots)
        return replace(samples, whole=own, points=points[~own], scores=scores[~own])

    def _windows(self, samples: Samples, slots: np.ndarray, row: int) -> PendingWindows:
        """Say of which rows people's windows are made, and encode those that are not yet made."""
        buffer = self._buffer
        index = self._first + buffer.places[samples.rows] * self._config.max_people + slots[:, None]
        person, moment = samples.whole.nonzero()
        new, chosen = self._embeddings.plan(index[person, moment])
        index[~samples.whole] = ~np.arange(len(samples.points))
        people, rows = slots[person[chosen]], samples.rows[person[chosen], moment[chosen]]
        points = np.concatenate([buffer.points[rows, people], samples.points])
        scores = np.concatenate([buffer.scores[rows, people], samples.scores])
        passing = np.broadcast_to(buffer.ups[row], (len(samples.points), 3))
        up = np.concatenate([buffer.ups[rows], passing])
        focal, encoding = self._focal or self._config.focal, self._runtime.config.encoding
        size = buffer.sizes[row]
        frames = encode_pixels(points[None], scores[None], size[None], focal, encoding, up[None])[0]
        return PendingWindows(index, new, frames[: len(new)], frames[len(new) :])


def _rows_up_to(stamps: np.ndarray, limit: int) -> int:
    return int(stamps.searchsorted(limit, side="right"))
