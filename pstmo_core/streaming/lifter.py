"""The streaming core: keypoint frames in, skeletons out, one inference for all people."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from pstmo_core.config import ConfigError
from pstmo_core.encoding import encode_pixels
from pstmo_core.keypoints import KeypointFrame
from pstmo_core.runtime.base import Runtime
from pstmo_core.skeleton import JOINTS, ROOT
from pstmo_core.skeletons import SkeletonFrame
from pstmo_core.streaming.buffer import StreamBuffer
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.grid import Grid, Samples, sample
from pstmo_core.streaming.people import People


@dataclass(frozen=True)
class _Due:
    """A frame whose turn has come, with everybody's window."""

    stamp: int
    ids: tuple[str, ...]
    size: np.ndarray
    samples: Samples
    confidence: np.ndarray


class StreamLifter:
    """Lifts a stream of keypoint frames, any number of people, in the order of their stamps.

    Each frame is answered once, as soon as a frame as late as its look-ahead has come, with the
    skeletons of the people in it. What happens to faults:

    - a frame late by at most `reorder` is put in its place, and answered if its turn is not over;
    - a frame whose stamp is known, or that is later than `reorder`, is ignored;
    - a frame older than the newest by more than `reset` says that time jumped back: what waits is
      answered, everybody is forgotten and the stream starts anew;
    - a person not seen for `expire` is forgotten; one who comes back starts anew.

    `counters` counts by name what happened.
    """

    def __init__(self, runtime: Runtime, config: StreamConfig) -> None:
        model = runtime.config
        if config.look_ahead > model.target:
            raise ConfigError(
                f"look_ahead is {config.look_ahead}, but must be at most {model.target}, half of "
                f"the network's window of {model.frames} frames"
            )
        self.runtime = runtime
        self.config = config
        self.counters: Counter[str] = Counter()
        self._grid = Grid.of(
            model.frames, model.step, config.look_ahead, config.tolerance, config.max_gap
        )
        span = (model.frames - 1) * model.step + max(config.reorder, config.max_gap)
        self._buffer = StreamBuffer(int(span * config.max_rate) + 3, config.max_people)
        self._people = People(config.max_people)
        self._newest: int | None = None
        self._answered: int | None = None

    @property
    def people(self) -> tuple[str, ...]:
        """The ids of those who have not left, whether or not they are in the newest frame."""
        return self._people.ids

    @property
    def newest(self) -> int | None:
        """The newest stamp in nanoseconds, None before the first frame."""
        return self._newest

    def push(self, frame: KeypointFrame) -> list[SkeletonFrame]:
        """Take in a frame and return the frames that can now be answered, oldest first."""
        self.counters["frames"] += 1
        answers: list[SkeletonFrame] = []
        lateness = 0 if self._newest is None else self._newest - frame.stamp
        if lateness > _ns(self.config.reset):
            self.counters["reset"] += 1
            answers = self.flush()
            self.reset()
        elif lateness > _ns(self.config.reorder):
            self.counters["late"] += 1
            return []
        elif lateness < 0:
            answers = self._let_leave(frame.stamp)
        self._take_in(frame)
        return answers + self._answer(self._newest_after(frame) - int(self._grid.offsets[-1]))

    def flush(self) -> list[SkeletonFrame]:
        """Answer all frames that wait: the stream has ended, what would follow is repeated."""
        return self._answer(None)

    def expire(self, now: int) -> list[SkeletonFrame]:
        """Tell of silence: `now` (nanoseconds, on the stream's clock) has come without a frame.

        After `expire` of silence the waiting frames are answered and people are forgotten; when
        somebody was there, the last answer is a frame without people.
        """
        if self._newest is None or now - self._newest <= _ns(self.config.expire):
            return []
        answers = self.flush()
        if self.people:
            self._let_leave(now)
            answers.append(_nobody(now))
        return answers

    def reset(self) -> None:
        """Forget everybody and every frame."""
        self._buffer.clear()
        self._people = People(self.config.max_people)
        self._newest = self._answered = None

    def _newest_after(self, frame: KeypointFrame) -> int:
        self._newest = frame.stamp if self._newest is None else max(self._newest, frame.stamp)
        return self._newest

    def _let_leave(self, now: int) -> list[SkeletonFrame]:
        """Forget people not seen for `expire`; answer first what waits for them."""
        limit = now - _ns(self.config.expire)
        absent = self._people.absent(before=limit)
        answers = self._answer(limit) if absent else []
        for name in absent:
            self._buffer.clear_slot(self._people.leave(name))
        self.counters["expired"] += len(absent)
        return answers

    def _take_in(self, frame: KeypointFrame) -> None:
        row = self._buffer.insert(frame)
        if row is None:
            self.counters["repeated"] += 1
            return
        scores = np.where(frame.scores >= self.config.min_score, frame.scores, np.float32(0))
        enough = np.count_nonzero(scores, axis=-1) >= self.config.min_joints
        self.counters["too_few_joints"] += len(enough) - int(enough.sum())
        slots = [
            self._people.slot_of(name) if keep else None
            for name, keep in zip(frame.ids, enough.tolist(), strict=True)
        ]
        rows = [index for index, slot in enumerate(slots) if slot is not None]
        self.counters["too_many_people"] += int(enough.sum()) - len(rows)
        taken = np.array([slots[index] for index in rows], np.intp)
        self._buffer.points[row, taken] = frame.points[rows]
        self._buffer.scores[row, taken] = scores[rows]
        self._people.see(taken, frame.stamp)

    def _answer(self, up_to: int | None) -> list[SkeletonFrame]:
        """Answer waiting frames with stamps up to a limit, or all of them, in one inference."""
        stamps = self._buffer.stamps
        first = 0 if self._answered is None else _rows_up_to(stamps, self._answered)
        last = len(stamps) if up_to is None else _rows_up_to(stamps, up_to)
        if first >= last:
            return []
        self._answered = int(stamps[last - 1])
        return self._skeletons([self._due(row) for row in range(first, last)])

    def _due(self, row: int) -> _Due:
        buffer = self._buffer
        slots = np.flatnonzero(buffer.scores[row].any(-1))
        scores = buffer.scores[:, slots]
        stamp = int(buffer.stamps[row])
        samples = sample(buffer.stamps, buffer.points[:, slots], scores > 0, stamp, self._grid)
        ids = self._people.names_of(slots)
        return _Due(stamp, ids, buffer.sizes[row], samples, scores[row])

    def _skeletons(self, due: list[_Due]) -> list[SkeletonFrame]:
        """Lift the windows of all people of all due frames in one inference."""
        assert self._newest is not None
        counts = [len(frame.ids) for frame in due]
        self.counters["lifted"] += sum(counts)
        joints = self._lift(due) if any(counts) else np.empty((0, JOINTS, 3), np.float32)
        parts = np.split(joints, np.cumsum(counts)[:-1])
        return [
            SkeletonFrame(
                frame.stamp,
                self._newest,
                frame.ids,
                part,
                frame.confidence,
                frame.samples.observed,
            )
            for frame, part in zip(due, parts, strict=True)
        ]

    def _lift(self, due: list[_Due]) -> np.ndarray:
        """Run the network on the people of due frames: joints (P, 17, 3), unknown ones NaN."""
        model = self.runtime.config
        points = np.concatenate([frame.samples.points for frame in due])
        seen = np.concatenate([frame.samples.seen for frame in due])
        size = np.repeat([frame.size for frame in due], [len(frame.ids) for frame in due], axis=0)
        frames = encode_pixels(points, seen, size, self.config.focal, model.encoding)
        all_frames, target = self.runtime.infer(frames)
        index = model.frames - 1 - self.config.look_ahead
        joints = target if index == model.target else all_frames[:, index]
        ever_seen: np.ndarray = np.any(seen, axis=1)
        joints = np.where(ever_seen[..., None], joints, np.float32(np.nan))
        joints[:, ROOT] = 0  # by definition; the network's own estimate is off by a millimetre
        return joints


def _nobody(stamp: int) -> SkeletonFrame:
    empty = np.empty((0, JOINTS, 3), np.float32)
    return SkeletonFrame(stamp, stamp, (), empty, empty[..., 0], empty[:, 0, 0])


def _rows_up_to(stamps: np.ndarray, limit: int) -> int:
    return int(np.searchsorted(stamps, limit, side="right"))


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
