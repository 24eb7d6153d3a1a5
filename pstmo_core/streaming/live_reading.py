"""Reads a stream frame by frame: STMO-Live takes each frame as it comes, at any time.

Nothing is interpolated before the network, and nothing is computed twice: what it needs of a
person's past is a row of numbers. With a look-ahead, a frame lies between two moments for which the
network answers, and its poses are interpolated between these.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from pstmo_core.encoding import get_encoding, viewing_rays
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.runtime.live.base import LiveRuntime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.following import Following
from pstmo_core.streaming.look_ahead import look_ahead_ns
from pstmo_core.streaming.people import People
from pstmo_core.streaming.reading import Due, Reading
from pstmo_core.streaming.stepping import Stepping, Steps
from pstmo_core.streaming.views import view_of

_MILLISECOND = 1_000_000
#: Frames a second of the fastest stream of which all wait as long as the look-ahead.
_FASTEST = 1000


@dataclass(frozen=True)
class StepsDue(Due):
    """A frame whose turn has come, and of which steps its people's poses are made."""

    steps: np.ndarray
    """(2, P) numbers of steps: a pose lies between those of two steps, which may be one."""
    heads: np.ndarray
    """(2, P) which of each step's poses."""
    weight: np.ndarray
    """(P,) float32, 0 to 1: how near a pose is to the second of the two."""


class LiveReading(Reading[StepsDue]):
    """Reads a stream by steps of a network STMO-Live.

    A frame that is older than the newest comes too late, whatever `reorder` says: what the network
    has read it cannot read again.

    Args:
        runtime: the network.
        config: the settings.
        people: who is there.

    Raises:
        ConfigError: if the look-ahead is longer than those of the network.
    """

    def __init__(self, runtime: LiveRuntime, config: StreamConfig, people: People) -> None:
        look_aheads = runtime.config.look_aheads
        self.look_ahead = look_ahead_ns(runtime.config, config.look_ahead)
        longest = self.look_ahead // _MILLISECOND
        moments = sorted(ms for ms in look_aheads if 0 <= ms <= longest)
        self._moments = np.array(moments) * _MILLISECOND
        """(H,) nanoseconds before a step for which it answers; the last one is the look-ahead."""
        self._turned = get_encoding(runtime.config.encoding).turned
        self._people, self._bridge = people, round(config.bridge * 1e9)
        self._focal = config.focal
        self._following = Following(config)
        self._stepping = Stepping(runtime, config, [look_aheads.index(ms) for ms in moments])
        self._latest = _LatestSteps(config.max_people, bool(self.look_ahead))
        self._waiting: deque[Due] = deque()
        self._most_waiting = int(self.look_ahead * _FASTEST / 1e9) + 3
        self._frame: KeypointFrame | None = None
        self._newest: int | None = None

    def begin(self, frame: KeypointFrame) -> str | None:
        """See `Reading.begin`."""
        if self._newest is not None and frame.stamp <= self._newest:
            return "late" if frame.stamp < self._newest else "repeated"
        self._frame, self._newest = frame, frame.stamp
        return None

    def put(self, slots: np.ndarray, points: np.ndarray, scores: np.ndarray) -> None:
        """See `Reading.put`."""
        frame, following = self._frame, self._following
        assert frame is not None
        following.put(frame.stamp, (frame.width, frame.height), slots, points, scores)
        there = following.there(frame.stamp, self._bridge)
        seen = following.sighted[there] == frame.stamp
        points, scores = following.now(frame.stamp, there)
        turns = np.empty((len(there), 3, 3), np.float32) if self._turned else None
        waiting = self._answerable(frame, there, seen, turns)
        self._waiting.append(waiting)
        if len(there):
            steps = Steps(there, waiting.visits, seen, points, scores, frame, turns)
            self._latest.note(waiting, self._stepping.add(steps))

    def plan(self, limit: int | None) -> list[StepsDue]:
        """See `Reading.plan`."""
        due = []
        while self._waiting and (
            limit is None
            or self._waiting[0].stamp <= limit
            or len(self._waiting) > self._most_waiting
        ):
            due.append(self._due(self._waiting.popleft()))
        return due

    def lift(self, due: list[StepsDue]) -> np.ndarray:
        """See `Reading.lift`; the steps of frames that still wait are made, too."""
        stepping = self._stepping
        stepping.run()
        slots = np.concatenate([np.empty(0, np.intp), *(frame.slots for frame in due)])
        nothing = np.empty((2, 0), np.int64)
        steps = np.concatenate([nothing, *(frame.steps for frame in due)], 1)
        heads = np.concatenate([nothing, *(frame.heads for frame in due)], 1)
        weight = np.concatenate([np.empty(0, np.float32), *(frame.weight for frame in due)])
        poses = stepping.poses(slots, steps[0], heads[0])
        if weight.any():
            later = stepping.poses(slots, steps[1], heads[1])
            poses = poses + weight[:, None, None] * (later - poses)
        stepping.settle()
        if self._turned and len(poses):
            # The moments of both steps are near the frame's own, and people's image positions too.
            turns = np.concatenate([frame.turns for frame in due if frame.turns is not None])
            poses = np.concatenate([poses[..., :3] @ turns, poses[..., 3:]], -1)
        return poses

    def forget(self, slot: int) -> None:
        """See `Reading.forget`."""
        self._following.forget(slot)

    def clear(self) -> None:
        """See `Reading.clear`."""
        self._following.clear()
        self._waiting.clear()
        self._newest = None

    def _answerable(
        self, frame: KeypointFrame, slots: np.ndarray, seen: np.ndarray, turns: np.ndarray | None
    ) -> Due:
        """Note what an answer for a frame needs besides poses."""
        following = self._following
        ids, weights = self._people.names_of(slots), following.scores[slots]
        size = np.array([frame.width, frame.height], np.float32)
        rays = viewing_rays(following.points[slots], size, frame.focal or self._focal)
        return Due(
            frame.stamp, frame.stamp, ids, slots, self._people.visits(slots),
            np.where(seen[:, None], weights, np.float32(0)),
            following.observed(frame.stamp, slots), rays, bool(frame.focal), weights,
            *view_of(frame, ids), turns,
        )  # fmt: skip

    def _due(self, waiting: Due) -> StepsDue:
        """Find the steps between whose moments a frame lies, now that its turn has come."""
        latest, slots = self._latest, waiting.slots
        number, heads = latest.number[1, slots], np.zeros((2, len(slots)), np.int64)
        steps = np.array([number, number])
        weight = np.zeros(len(slots), np.float32)
        if self.look_ahead:
            back = latest.stamp[:, slots] - waiting.stamp
            reached = back[1] >= self.look_ahead
            # Between the look-ahead's moments of a person's last two steps, or of one of them.
            steps[0, reached] = latest.number[0, slots[reached]]
            heads[:, reached] = len(self._moments) - 1
            passed, apart = self.look_ahead - back[0], back[1] - back[0]
            weight[reached] = (passed / np.maximum(apart, 1))[reached]
            unknown = latest.stamp[0, slots] - self.look_ahead < latest.first[slots]
            weight[reached & unknown] = 1  # the earlier step's moment is before the person came
            # Nothing as late as the look-ahead came: between the moments of the last step.
            after = self._moments.searchsorted(back[1, ~reached], side="left")
            before = np.maximum(after - 1, 0)
            gap = np.maximum(self._moments[after] - self._moments[before], 1)
            heads[:, ~reached] = before, after
            weight[~reached] = (back[1, ~reached] - self._moments[before]) / gap
        newest = self._newest if self._newest is not None else waiting.stamp
        known = {**vars(waiting), "newest": newest}
        return StepsDue(**known, steps=steps, heads=heads, weight=weight)


class _LatestSteps:
    """The last two steps of everybody, by slot."""

    def __init__(self, slots: int, both: bool) -> None:
        self._both = both  # without a look-ahead the last one is enough
        self._visits = np.full(slots, -1, np.int64)
        self.first = np.zeros(slots, np.int64)
        """(slots,) stamps of people's first steps."""
        self.number, self.stamp = (np.zeros((2, slots), np.int64) for _ in range(2))
        """(2, slots) of the last step but one, and of the last one."""

    def note(self, frame: Due, numbers: np.ndarray) -> None:
        """Note the steps of a frame's people."""
        slots = frame.slots
        if not self._both:
            self.number[1, slots] = numbers
            return
        new = self._visits[slots] != frame.visits
        self._visits[slots] = frame.visits
        self.first[slots[new]] = frame.stamp
        self.number[0, slots] = np.where(new, numbers, self.number[1, slots])
        self.stamp[0, slots] = np.where(new, frame.stamp, self.stamp[1, slots])
        self.number[1, slots], self.stamp[1, slots] = numbers, frame.stamp
