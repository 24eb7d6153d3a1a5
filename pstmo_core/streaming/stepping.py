"""Steps of STMO-Live: the network's memory of each person, and the frames to be read.

Steps are numbered. The steps of all frames in a call are computed together, and several frames of a
person in as few and as large matrix products as their order allows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from pstmo_core.encoding import encode_pixels, get_encoding
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.runtime.live.base import LiveRuntime
from pstmo_core.skeleton import JOINTS
from pstmo_core.streaming.config import StreamConfig

#: The stamp of no frame: nothing of a person is read yet.
_NEW = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Steps:
    """Steps of P people that are to be made of a frame."""

    slots: np.ndarray
    visits: np.ndarray
    seen: np.ndarray
    """(P,) bool: of those who are only bridged, the network forgets the frame again."""
    points: np.ndarray
    """(P, 17, 2) pixels."""
    scores: np.ndarray
    """(P, 17), 0 where not seen."""
    frame: KeypointFrame
    """Its stamp, image size, focal length and pose count."""
    turns: np.ndarray | None
    """(P, 3, 3), into which `Stepping.run` writes how the frames lie in which the network gives the
    poses; None: as the camera's does."""


class Stepping:
    """Makes the steps of a stream.

    Args:
        runtime: the network.
        config: the settings.
        heads: which of the network's moments are wanted of each step.
    """

    def __init__(self, runtime: LiveRuntime, config: StreamConfig, heads: Sequence[int]) -> None:
        self._runtime, self._heads, self._focal = runtime, tuple(heads), config.focal
        people = config.max_people
        self._memory = runtime.memory(people)
        self._visits = np.full(people, -1, np.int64)
        """Whose memory it is."""
        self._read = np.full(people, _NEW)
        """Stamps of the frames that were remembered last."""
        self._pending: list[Steps] = []
        self._first = 0
        """Number of the first pending step."""
        self._next = 0
        shape = (len(heads), JOINTS, runtime.config.outputs)
        self._made: np.ndarray = np.empty((0, *shape), np.float32)
        self._kept = np.zeros((people, *shape), np.float32)
        """Poses of everybody's last steps before the pending ones."""

    def add(self, steps: Steps) -> np.ndarray:
        """Have steps made by the next `run`; return their numbers (P,)."""
        self._pending.append(steps)
        start, self._next = self._next, self._next + len(steps.slots)
        return np.arange(start, self._next)

    def run(self) -> None:
        """Make the pending steps."""
        if self._pending:
            self._made = self._step_all(self._encoded())

    def poses(self, slots: np.ndarray, numbers: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """Return poses (P, 17, C) of steps, in the frame that the encoding means for their moments.

        Args:
            slots: (P,) of the people.
            numbers: (P,) of the steps: pending ones, or the person's last one before these.
            heads: (P,) which of the wanted moments.
        """
        places = numbers - self._first
        new = places >= 0
        if new.all():
            return self._made[places, heads]
        poses = self._kept[slots, heads]
        poses[new] = self._made[places[new], heads[new]]
        return poses

    def settle(self) -> None:
        """Keep what later answers need of the steps just made; they are pending no longer."""
        if len(self._heads) > 1:
            end = 0
            for steps in self._pending:
                start, end = end, end + len(steps.slots)
                self._kept[steps.slots] = self._made[start:end]
        self._pending.clear()
        self._first, self._made = self._next, self._made[:0]

    def _encoded(self) -> np.ndarray:
        """Encode the pending steps: frames (N, rows, channels); note how their poses are turned."""
        encoding, parts = self._runtime.config.encoding, []
        ups = [np.zeros(3) if s.frame.pose is None else s.frame.pose.up for s in self._pending]
        up = np.repeat(np.array(ups, np.float32), self._counts(), 0)
        end = 0
        for focal, same in groupby(self._pending, lambda steps: steps.frame.focal):
            group = list(same)
            points = np.concatenate([steps.points for steps in group])
            scores = np.concatenate([steps.scores for steps in group])
            sizes = [(s.frame.width, s.frame.height) for s in group for _ in s.slots]
            start, end = end, end + len(points)
            parts.append(
                encode_pixels(
                    points[:, None], scores[:, None], np.array(sizes, np.float32),
                    focal or self._focal, encoding, up[start:end, None],
                )[:, 0]
            )  # fmt: skip
        frames = np.concatenate(parts)
        turns = get_encoding(encoding).turns(frames, up, np)
        if turns is not None:
            self._note(turns)
        return frames

    def _note(self, turns: np.ndarray) -> None:
        end = 0
        for steps in self._pending:
            start, end = end, end + len(steps.slots)
            if steps.turns is not None:
                steps.turns[...] = turns[start:end]

    def _counts(self) -> list[int]:
        return [len(steps.slots) for steps in self._pending]

    def _step_all(self, frames: np.ndarray) -> np.ndarray:
        """Make the pending steps of encoded frames (N, rows, channels): poses (N, H, 17, C)."""
        slots, visits = (
            np.concatenate([getattr(steps, name) for steps in self._pending]).tolist()
            for name in ("slots", "visits")
        )
        sequences: dict[tuple[int, int], list[int]] = {}
        for index, key in enumerate(zip(slots, visits, strict=True)):
            sequences.setdefault(key, []).append(index)
        stamps = np.repeat([steps.frame.stamp for steps in self._pending], self._counts())
        steps = _Unmade(frames, stamps, np.concatenate([each.seen for each in self._pending]))
        made = np.empty((len(frames), *self._made.shape[1:]), np.float32)
        while sequences:
            # Two people who had a slot one after the other have the same row of the memory.
            turn: dict[int, list[int]] = {}
            for slot, visit in list(sequences):
                if slot not in turn:
                    turn[slot] = sequences.pop((slot, visit))
                    self._seat(slot, visit)
            self._step_each(steps, turn, made)
        return made

    def _seat(self, slot: int, visit: int) -> None:
        """Let a slot's memory be that of a visit."""
        if self._visits[slot] != visit:
            self._visits[slot], self._read[slot] = visit, _NEW
            self._memory.forget(slot)

    def _step_each(self, steps: _Unmade, sequences: dict[int, list[int]], made: np.ndarray) -> None:
        """Make the steps of people by their slots, the runs of equal length of all together."""
        runs = {slot: _runs(indices, steps.seen) for slot, indices in sequences.items()}
        while runs:
            alike: dict[tuple[bool, int], list[tuple[int, list[int]]]] = {}
            for slot, left in runs.items():
                run = left.pop(0)
                alike.setdefault((bool(steps.seen[run[0]]), len(run)), []).append((slot, run))
            for (seen, _), members in alike.items():
                rows, index = (np.array(part) for part in zip(*members, strict=True))
                self._step_alike(steps, seen, rows, index, made)
            runs = {slot: left for slot, left in runs.items() if left}

    def _step_alike(
        self, steps: _Unmade, seen: bool, rows: np.ndarray, index: np.ndarray, made: np.ndarray
    ) -> None:
        """Make runs of steps `index` (B, F) of people in slots `rows` (B,)."""
        stamps, before = steps.stamps[index], self._read[rows][:, None]
        if seen:
            before = np.concatenate([before, stamps[:, :-1]], 1)
        dt = np.where(before == _NEW, 0, (stamps - before) / 1e9).astype(np.float32)
        made[index] = self._runtime.read(
            steps.frames[index], dt, self._memory, rows, self._heads, keep=seen
        )
        if seen:
            self._read[rows] = stamps[:, -1]


@dataclass(frozen=True)
class _Unmade:
    """N steps in the order of time."""

    frames: np.ndarray
    stamps: np.ndarray
    seen: np.ndarray


def _runs(indices: list[int], seen: np.ndarray) -> list[list[int]]:
    """Cut a person's steps into runs of those that are kept, and of those that are not."""
    return [list(run) for _, run in groupby(indices, lambda index: bool(seen[index]))]
