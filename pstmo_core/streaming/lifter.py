"""The streaming core: keypoint frames in, skeletons out, one inference for all people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from pstmo_core.encoding import encode_pixels, get_encoding, pixel_turns
from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.keypoints.rotation import upright_axes, upright_frame
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.runtime.base import Runtime
from pstmo_core.skeleton import JOINTS, ROOT
from pstmo_core.streaming.buffer import StreamBuffer
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.embedding_cache import EmbeddingCache, PendingWindows
from pstmo_core.streaming.grid import Grid, Samples, sample
from pstmo_core.streaming.joint_filter import JointFilter
from pstmo_core.streaming.people import People
from pstmo_core.streaming.placing import Placing
from pstmo_core.streaming.root import Roots
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_core.streaming.steadying import Steadier

#: Most frames that `StreamLifter.push_all` takes at once.
MOST_AT_ONCE = 64


@dataclass(frozen=True)
class _Due:
    """A frame whose turn has come, with everybody's window."""

    stamp: int
    newest: int
    ids: tuple[str, ...]
    slots: np.ndarray
    visits: np.ndarray
    windows: PendingWindows | None
    confidence: np.ndarray
    observed: np.ndarray
    rays: np.ndarray | None
    """(P, 17, 2) of people's last keypoints up to the frame, if the camera is calibrated."""
    weights: np.ndarray
    """(P, 17), the scores of those keypoints."""
    turns: np.ndarray | None = None
    """(P, 3, 3), the camera's frame to that of the network's answers; None: they are the same."""
    pose: CameraPose | None = None
    depths: np.ndarray | None = None
    """(P, 17) metres, see `KeypointFrame.depths`."""


class StreamLifter:
    """Lifts a stream of keypoint frames, any number of people, in the order of their stamps.

    Each frame is answered once, as soon as a frame as late as its look-ahead has come, with the
    skeletons of the people in it. What happens to faults:

    - a frame late by at most `reorder` is put in its place, and answered if its turn is not over;
    - a frame whose stamp is known, or that is later than `reorder`, is ignored;
    - a frame older than the newest by more than `reset` says that time jumped back: what waits is
      answered, everybody is forgotten and the stream restarts;
    - a person not seen for `expire` is forgotten; one who comes back starts with an empty history;
    - the first frame with a known focal length (a calibration has come), and the first without
      again, end the stream as a reset does. A focal length that changes (autofocus, zoom) does not:
      what counts are viewing rays, so keypoints are moved to where the first focal length sees
      them.

    Frames of a calibrated camera (`KeypointFrame.focal`) give people's places, too.

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
            model.frames, model.step, config.look_ahead, config.tolerance, config.max_gap,
            config.carry,
        )  # fmt: skip
        span = (model.frames - 1) * model.step
        span += max(config.reorder, config.max_gap, config.carry, config.bridge)
        capacity = int(span * config.max_rate) + 3
        self._buffer = StreamBuffer(capacity, config.max_people, spare=MOST_AT_ONCE)
        places = capacity + 1 + MOST_AT_ONCE
        self._embeddings = EmbeddingCache(places * config.max_people, runtime.kept_width)
        steadying = config.unswap or config.outlier or config.keypoint_cutoff
        self._steadier = Steadier(config, self._buffer, places) if steadying else None
        self._calm = JointFilter(config.max_people, config.joint_cutoff, config.joint_beta)
        self._level = config.level
        self._index = model.frames - 1 - config.look_ahead
        self._frame = None if self._index == model.target else self._index
        self._people = People(config.max_people)
        self._placing = Placing(config)
        self._views: dict[int, KeypointFrame] = {}
        """Waiting frames that know the camera's pose or depths, by stamp."""
        self._newest: int | None = None
        self._answered: int | None = None
        self._focal = 0.0
        """Of the frames' camera, 0 where it is not calibrated."""

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
        return self._answer(self._plan(frame))

    def push_all(self, frames: Sequence[KeypointFrame]) -> list[SkeletonFrame]:
        """Take in frames, `MOST_AT_ONCE` at most, as by as many calls of `push`, but lift together.

        What is computed is the same, in fewer and larger matrix products, so that the results may
        differ by rounding (below 1e-5 m).
        """
        assert len(frames) <= MOST_AT_ONCE, "places of the buffer would be taken twice"
        answers: list[SkeletonFrame] = []
        due: list[_Due] = []
        for frame in frames:
            if self._newest is not None and frame.stamp < self._newest:
                # A late frame changes rows that the windows planned so far are made of.
                answers += self._answer(due)
                due = []
            due += self._plan(frame)
        return answers + self._answer(due)

    def flush(self) -> list[SkeletonFrame]:
        """Answer all frames that wait: the stream has ended, what would follow is repeated."""
        return self._answer(self._plan_up_to(None))

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
        self._views.clear()
        self._people.clear()
        self._newest = self._answered = None

    def _plan(self, frame: KeypointFrame) -> list[_Due]:
        """Take in a frame and find the windows of the frames that can now be answered."""
        self.counters["frames"] += 1
        frame = upright_frame(frame, self.config.rotation)
        if frame.pose is None and self._level is not None:
            frame = replace(frame, pose=self._level)
        due: list[_Due] = []
        if bool(frame.focal) != bool(self._focal):
            due = self._plan_up_to(None)
            self.counters["camera"] += int(self._newest is not None)
            self.reset()
            self._focal = frame.focal
        elif frame.focal != self._focal:
            frame = frame.seen_with(self._focal)
        lateness = 0 if self._newest is None else self._newest - frame.stamp
        if lateness > _ns(self.config.reset):
            self.counters["reset"] += 1
            due = self._plan_up_to(None)
            self.reset()
        elif lateness > _ns(self.config.reorder):
            self.counters["late"] += 1
            return []
        elif lateness < 0:
            due = self._let_leave(frame.stamp)
        self._take_in(frame)
        return due + self._plan_up_to(self._newest_after(frame) - int(self._grid.offsets[-1]))

    def _newest_after(self, frame: KeypointFrame) -> int:
        self._newest = frame.stamp if self._newest is None else max(self._newest, frame.stamp)
        return self._newest

    def _let_leave(self, now: int) -> list[_Due]:
        """Forget people not seen for `expire`, after what waits for them is planned."""
        limit = now - _ns(self.config.expire)
        absent = self._people.absent(before=limit)
        due = self._plan_up_to(limit) if absent else []
        for name in absent:
            slot = self._people.leave(name)
            self._buffer.clear_slot(slot)
            if self._steadier is not None:
                self._steadier.forget(slot)
        self.counters["expired"] += len(absent)
        return due

    def _take_in(self, frame: KeypointFrame) -> None:
        row = self._buffer.insert(frame)
        if row is None:
            self.counters["repeated"] += 1
            return
        if frame.pose is not None or frame.depths is not None:
            self._views[frame.stamp] = frame
        scores = np.where(frame.scores >= self.config.min_score, frame.scores, np.float32(0))
        enough = ((scores > 0).sum(-1) >= self.config.min_joints).tolist()
        self.counters["too_few_joints"] += enough.count(False)
        slots = [
            self._people.slot_of(name) if keep else None
            for name, keep in zip(frame.ids, enough, strict=True)
        ]
        rows = [index for index, slot in enumerate(slots) if slot is not None]
        self.counters["too_many_people"] += enough.count(True) - len(rows)
        taken = np.array([slots[index] for index in rows], np.intp)
        points = frame.points
        if len(rows) < len(slots):
            points, scores = points[rows], scores[rows]
        for changed in self._put(row, taken, points, scores):
            number = int(self._buffer.places[changed]) * self.config.max_people
            self._embeddings.forget(slice(number, number + self.config.max_people))
        self._people.see(taken, frame.stamp)

    def _put(self, row: int, slots: np.ndarray, points: np.ndarray, scores: np.ndarray) -> range:
        """Store people of a new row, made steady; return the rows that are new or have changed."""
        if self._steadier is not None:
            return self._steadier.put(row, slots, points, scores)
        self._buffer.put(row, slots, points, scores)
        return range(row, row + 1)

    def _plan_up_to(self, limit: int | None) -> list[_Due]:
        """Find the windows of waiting frames with stamps up to a limit, or of all of them."""
        stamps = self._buffer.stamps
        first = 0 if self._answered is None else _rows_up_to(stamps, self._answered)
        last = len(stamps) if limit is None else _rows_up_to(stamps, limit)
        if first >= last:
            return []
        self._answered = int(stamps[last - 1])
        due = [self._due(row) for row in range(first, last)]
        for stamp in [stamp for stamp in self._views if stamp <= self._answered]:
            del self._views[stamp]
        return due

    def _due(self, row: int) -> _Due:
        assert self._newest is not None
        buffer, people = self._buffer, self._people
        slots, sighting = self._there(row)
        stamp, scores = int(buffer.stamps[row]), buffer.scores[row, slots]
        ids, visits, weights = (
            people.names_of(slots), people.visits(slots), buffer.scores[sighting, slots]
        )  # fmt: skip
        if not len(slots):
            return _Due(
                stamp, self._newest, ids, slots, visits, None, scores, scores[:, 0], None, weights
            )
        samples = sample(
            buffer.stamps, buffer.points, buffer.scores, buffer.present, slots, stamp, self._grid,
            buffer.velocities,
        )  # fmt: skip
        size = buffer.sizes[row].copy()
        if (buffer.sizes != size).any():
            samples = self._kept_apart(samples, slots, size)
        windows = self._windows(samples, slots, row)
        rays = (buffer.points[sighting, slots] - size / 2) / self._focal if self._focal else None
        pose, depths = self._view(stamp, ids)
        turns = self._turns(samples, slots, row)
        return _Due(
            stamp, self._newest, ids, slots, visits, windows, scores, samples.observed, rays,
            weights, turns, pose, depths,
        )  # fmt: skip

    def _there(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Find who is in a row, or was within `bridge`: slots (P,) and the rows of that (P,)."""
        buffer = self._buffer
        oldest = int(buffer.stamps.searchsorted(buffer.stamps[row] - _ns(self.config.bridge)))
        present = buffer.present[oldest : row + 1]
        slots = np.flatnonzero(present.any(0))
        return slots, row - present[::-1, slots].argmax(0)

    def _view(
        self, stamp: int, ids: tuple[str, ...]
    ) -> tuple[CameraPose | None, np.ndarray | None]:
        """Return the camera's pose in a frame and the depths of people in it."""
        frame = self._views.get(stamp)
        if frame is None or frame.depths is None:
            return None if frame is None else frame.pose, None
        depths = np.full((len(ids), JOINTS), np.nan)  # of those who are only bridged
        for row, name in enumerate(ids):
            if name in frame.ids:
                depths[row] = frame.depths[frame.ids.index(name)]
        return frame.pose, depths

    def _turns(self, samples: Samples, slots: np.ndarray, row: int) -> np.ndarray | None:
        """Say how the frame is turned in which the network sees a target frame's people."""
        if not get_encoding(self.runtime.config.encoding).turned:
            return None
        buffer = self._buffer
        points, scores = samples.at(self._index, buffer.points, buffer.scores, slots)
        focal = self._focal or self.config.focal
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
        index = buffer.places[samples.rows] * self.config.max_people + slots[:, None]
        person, moment = samples.whole.nonzero()
        new, chosen = self._embeddings.plan(index[person, moment])
        index[~samples.whole] = ~np.arange(len(samples.points))
        people, rows = slots[person[chosen]], samples.rows[person[chosen], moment[chosen]]
        points = np.concatenate([buffer.points[rows, people], samples.points])
        scores = np.concatenate([buffer.scores[rows, people], samples.scores])
        passing = np.broadcast_to(buffer.ups[row], (len(samples.points), 3))
        up = np.concatenate([buffer.ups[rows], passing])
        focal, encoding = self._focal or self.config.focal, self.runtime.config.encoding
        size = buffer.sizes[row]
        frames = encode_pixels(points[None], scores[None], size[None], focal, encoding, up[None])[0]
        return PendingWindows(index, new, frames[: len(new)], frames[len(new) :])

    def _answer(self, due: list[_Due]) -> list[SkeletonFrame]:
        """Lift the windows of all people of all due frames, in the camera's frame as it is."""
        answers = self._lift(due)
        if not self.config.rotation:
            return answers
        axes = upright_axes(self.config.rotation).T
        return [answer.in_axes(axes) for answer in answers]

    def _lift(self, due: list[_Due]) -> list[SkeletonFrame]:
        """Lift the windows of all people of all due frames in one inference."""
        windows = [frame.windows for frame in due if frame.windows is not None]
        counts = [len(frame.ids) for frame in due]
        self.counters["lifted"] += sum(counts)
        if not windows:
            return [self._skeletons(frame, _NOBODY) for frame in due]
        lifted = self._embeddings.lift(windows, self.runtime, self._frame)
        lifted[:, ROOT, :3] = 0  # by definition; the network's own estimate is off by a millimetre
        ends = accumulate(counts)
        return [
            self._skeletons(frame, lifted[end - len(frame.ids) : end])
            for frame, end in zip(due, ends, strict=True)
        ]

    def _skeletons(self, due: _Due, lifted: np.ndarray) -> SkeletonFrame:
        """Make the skeletons of a frame of what the network gave for its people (P, 17, C)."""
        joints = lifted[..., :3] if due.turns is None else lifted[..., :3] @ due.turns
        joints = self._calm.filter(due.stamp, due.slots, due.visits, joints)
        joints, roots = self._placing.place(
            due.stamp, due.ids, joints, due.rays, due.weights, due.pose, due.depths
        )
        sigma = np.exp(lifted[..., 3]) if self.runtime.config.sigma else None
        return SkeletonFrame(
            due.stamp, due.newest, due.ids, joints, due.confidence, due.observed, roots, sigma
        )


_NOBODY = np.empty((0, JOINTS, 4), np.float32)


def _nobody(stamp: int) -> SkeletonFrame:
    joints, nothing = _NOBODY[..., :3], _NOBODY[..., 0]
    return SkeletonFrame(stamp, stamp, (), joints, nothing, nothing[:, 0], Roots.unknown(0))


def _rows_up_to(stamps: np.ndarray, limit: int) -> int:
    return int(stamps.searchsorted(limit, side="right"))


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
