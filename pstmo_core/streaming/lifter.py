"""The streaming core: keypoint frames in, skeletons out, one inference for all people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeGuard, cast

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.keypoints.rotation import upright_frame
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.room.size_health import SizeHealth
from pstmo_core.runtime import AnyRuntime, LiveRuntime, Runtime
from pstmo_core.runtime.flipped import flipped
from pstmo_core.skeleton import JOINTS
from pstmo_core.streaming.admission import admit
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.embedding_cache import EmbeddingCache
from pstmo_core.streaming.finishing import Finishing, nobody
from pstmo_core.streaming.live_reading import LiveReading
from pstmo_core.streaming.people import People
from pstmo_core.streaming.reading import Due, Reading
from pstmo_core.streaming.skeleton_frame import SkeletonFrame
from pstmo_core.streaming.window_reading import WindowReading

#: Poses of nobody.
NO_POSES = np.empty((0, JOINTS, 4), np.float32)
#: Most frames that `StreamLifter.push_all` takes at once.
MOST_AT_ONCE = 64


class StreamLifter:
    """Lifts a stream of keypoint frames, any number of people, in the order of their stamps.

    Each frame is answered once, with the skeletons of the people in it, as soon as the stream has
    advanced past it by the look-ahead. How faults are handled:

    - a frame that is late by at most `reorder` is sorted in, and answered unless a later one was
      answered already; a streaming network ignores every late frame;
    - a frame whose stamp came before, or that is late by more than `reorder`, is ignored;
    - a frame older than the newest by more than `reset` means that time jumped back: waiting frames
      are answered, everybody is forgotten and the stream restarts;
    - where frames come faster than `max_rate`, windows are shorter than the network's;
    - a person not seen for `expire` is forgotten; one who comes back starts with an empty history;
    - when the focal length becomes known (a calibration has come), or is no longer known, the
      stream restarts as after a reset. When a known one changes (autofocus, zoom), the stream
      continues: keypoints are moved to where a camera of the first focal length would see them.

    Frames of a calibrated camera (`KeypointFrame.focal`) also give root positions.

    `counters` counts these events by name.

    Args:
        runtime: the network.
        config: settings.
        embeddings: a cache to share with other streams (see `together`); by default one of its own.
    """

    def __init__(
        self,
        runtime: AnyRuntime,
        config: StreamConfig,
        embeddings: EmbeddingCache | None = None,
    ) -> None:
        self.runtime = runtime
        self.config = config
        self.counters: Counter[str] = Counter()
        self._people = People(config.max_people)
        self.reading = _reading(_network(runtime, config), config, self._people, embeddings)
        self._finishing = Finishing(config, runtime.config)
        self._level = config.level
        self._newest: int | None = None
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
        return self._answer(self.plan(frame))

    def push_all(self, frames: Sequence[KeypointFrame]) -> list[SkeletonFrame]:
        """Take in at most `MOST_AT_ONCE` frames as `push` does, but lift them together.

        The computation is that of one `push` per frame, in fewer and larger matrix products, so
        results may differ by rounding (below 1e-5 m).
        """
        assert len(frames) <= MOST_AT_ONCE, "slots of the buffer would be taken twice"
        answers: list[SkeletonFrame] = []
        due: list[Due] = []
        for frame in frames:
            if self._newest is not None and frame.stamp < self._newest:
                # A late frame changes rows that the windows planned so far are made of.
                answers += self._answer(due)
                due = []
            due += self.plan(frame)
        return answers + self._answer(due)

    def flush(self) -> list[SkeletonFrame]:
        """Answer all waiting frames at a stream's end; missing later frames repeat the last."""
        return self._answer(self.reading.plan(None))

    def expire(self, now: int) -> list[SkeletonFrame]:
        """Tell of silence: `now` (nanoseconds, on the stream's clock) has come without a frame.

        After `expire` of silence the waiting frames are answered and people are forgotten. If
        somebody was there, the last answer is a frame without people.
        """
        if self._newest is None or now - self._newest <= _ns(self.config.expire):
            return []
        answers = self.flush()
        if self.people:
            self._let_leave(now)
            answers.append(nobody(now))
        return answers

    def size_health(self) -> SizeHealth:
        """Return how well floor and depth image agree with the sizes of people."""
        return self._finishing.roots.health()

    def same(self, name: str, other: str) -> None:
        """Tell that two ids, one of them new, are one person, whose learned height is kept."""
        self._finishing.roots.inherit(name, other)

    def reset(self) -> None:
        """Forget everybody and every frame."""
        self.reading.clear()
        self._people.clear()
        self._newest = None

    def recalibrate(self) -> None:
        """Tell that the camera has another calibration from the next frame on.

        Distances are filtered; this lets them jump to those of the new calibration.
        """
        self._finishing.roots.recalibrate()

    def plan(self, frame: KeypointFrame) -> list[Due]:
        """Take in a frame and plan the frames that can now be answered.

        The caller lets `reading` lift them and passes the result to `finish`.
        """
        self.counters["frames"] += 1
        frame = upright_frame(frame, self.config.rotation)
        if frame.pose is None and self._level is not None:
            frame = replace(frame, pose=self._level)
        due: list[Due] = []
        if bool(frame.focal) != bool(self._focal):
            due = self.reading.plan(None)
            self.counters["camera"] += int(self._newest is not None)
            self.reset()
            self._focal = frame.focal
        elif frame.focal != self._focal:
            frame = frame.seen_with(self._focal)
        lateness = 0 if self._newest is None else self._newest - frame.stamp
        if lateness > _ns(self.config.reset):
            self.counters["reset"] += 1
            due = self.reading.plan(None)
            self.reset()
        elif lateness > _ns(self.config.reorder):
            self.counters["late"] += 1
            return []
        elif lateness < 0:
            due = self._let_leave(frame.stamp)
        self._take_in(frame)
        return due + self.reading.plan(self._newest_after(frame) - self.reading.look_ahead)

    def _newest_after(self, frame: KeypointFrame) -> int:
        self._newest = frame.stamp if self._newest is None else max(self._newest, frame.stamp)
        return self._newest

    def _let_leave(self, now: int) -> list[Due]:
        """Forget people not seen for `expire`, after what waits for them is planned."""
        limit = now - _ns(self.config.expire)
        absent = self._people.absent(before=limit)
        due = self.reading.plan(limit) if absent else []
        for name in absent:
            self.reading.forget(self._people.leave(name))
        self.counters["expired"] += len(absent)
        return due

    def _take_in(self, frame: KeypointFrame) -> None:
        if (fault := self.reading.begin(frame)) is not None:
            self.counters[fault] += 1
            return
        self.counters["too_fast"] += self.reading.too_fast
        self.counters["overtaken"] += self.reading.overtaken
        slots, points, scores = admit(frame, self.config, self._people, self.counters)
        self.reading.put(slots, points, scores)
        self._people.see(slots, frame.stamp)

    def finish(self, due: list[Due], poses: np.ndarray) -> list[SkeletonFrame]:
        """Make skeletons from planned frames and the poses that `reading` lifted for them."""
        self.counters["lifted"] += len(poses)
        return self._finishing.finish(due, poses)

    def _answer(self, due: list[Due]) -> list[SkeletonFrame]:
        """Lift all people of all due frames together."""
        return self.finish(due, self.reading.lift(due))


def _network(runtime: AnyRuntime, config: StreamConfig) -> AnyRuntime:
    """Return the network as a stream uses it: with flip averaging, if that is set."""
    return flipped(runtime) if config.flip else runtime


def _reading(
    runtime: AnyRuntime,
    config: StreamConfig,
    people: People,
    embeddings: EmbeddingCache | None,
) -> Reading[Any]:
    """Return what reads a stream with a network: by windows, or frame by frame."""
    if _reads_windows(runtime):
        return WindowReading(runtime, config, people, MOST_AT_ONCE, embeddings)
    return LiveReading(cast(LiveRuntime, runtime), config, people)


def _reads_windows(runtime: AnyRuntime) -> TypeGuard[Runtime]:
    # The configuration tells, since nodes wrap the runtime itself.
    return not isinstance(runtime.config, LiveConfig)


def shared_embeddings(runtime: AnyRuntime, config: StreamConfig) -> EmbeddingCache | None:
    """Return a cache for several streams of a network to share; None where it keeps no windows."""
    network = _network(runtime, config)
    return EmbeddingCache(network.row_width) if _reads_windows(network) else None


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
