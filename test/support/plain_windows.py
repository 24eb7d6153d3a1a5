"""A stream's windows once more, by plain loops that keep nothing: what the streaming core must do.

Rules and words as in `pstmo_core.streaming`: one frame, person, moment and joint at a time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np

from pstmo_core.encoding import camera_poses, encode_pixels
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.model.config import ModelConfig
from pstmo_core.runtime import Runtime
from pstmo_core.runtime.flipped import flipped
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.skeleton_frame import SkeletonFrame

NS = 1_000_000_000


class Sighting(NamedTuple):
    points: np.ndarray
    scores: np.ndarray
    """0 where not seen."""


History = dict[int, Sighting]
"""A person's sightings by stamp."""


class PlainStream:
    """Who was seen when, as far as the streaming core may know it."""

    def __init__(self, config: StreamConfig) -> None:
        self.config = config
        self.people: dict[str, History] = {}
        self.before: dict[str, History] = {}
        """`people` before the last frame came."""
        self.sizes: dict[int, tuple[int, int]] = {}
        self.ups: dict[int, np.ndarray] = {}
        self.newest = -(10**18)

    def push(self, frame: KeypointFrame) -> None:
        self.before = {name: dict(history) for name, history in self.people.items()}
        for name, history in list(self.people.items()):
            if frame.stamp - max(history) > self.config.expire * NS:
                del self.people[name]
        self.newest = max(self.newest, frame.stamp)
        self.sizes[frame.stamp] = (frame.width, frame.height)
        self.ups[frame.stamp] = np.zeros(3) if frame.pose is None else frame.pose.up
        for name, points, scores in zip(frame.ids, frame.points, frame.scores, strict=True):
            seen = scores >= self.config.min_score
            if seen.sum() >= self.config.min_joints:
                sighting = Sighting(points, np.where(seen, scores, 0))
                self.people.setdefault(name, {})[frame.stamp] = sighting

    def lift(self, answer: SkeletonFrame, runtime: Runtime, flushed: bool) -> np.ndarray:
        """What an answer's joints must be: (P, 17, 3)."""
        people = self.before if answer.newest < self.newest and not flushed else self.people
        model = runtime.config
        windows = [window(people[name], answer.stamp, self.config, model) for name in answer.ids]
        points, scores = (np.array(parts, np.float32) for parts in zip(*windows, strict=True))
        size = np.array([self.sizes[answer.stamp]] * len(windows), np.float32)
        up = self.ups[answer.stamp].astype(np.float32)
        frames = encode_pixels(points, scores, size, self.config.focal, model.encoding, up)
        index = model.frames - 1 - self.config.look_ahead
        joints = flipped(runtime).lift(frames, None if index == model.target else index)[..., :3]
        joints[:, 0] = 0
        return camera_poses(joints, frames[:, index], up, model.encoding)


def window(
    history: History, target: int, config: StreamConfig, model: ModelConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Points (F, 17, 2) and scores (F, 17), 0 where not known, of a person's window."""
    points = np.zeros((model.frames, 17, 2), np.float32)
    known = np.zeros((model.frames, 17), np.float32)
    stamps = sorted(history)
    seen = [[stamp for stamp in stamps if history[stamp].scores[n] > 0] for n in range(17)]
    for place in range(model.frames):
        steps = place - (model.frames - 1 - config.look_ahead)
        moment = target + steps * round(model.step * NS)
        moment = min(max(moment, stamps[0]), stamps[-1])
        nearest = min(stamps, key=lambda stamp: (abs(stamp - moment), stamp))
        near = abs(nearest - moment) <= config.tolerance * NS
        for joint in range(17):
            if near and history[nearest].scores[joint] > 0:
                value = history[nearest].points[joint], history[nearest].scores[joint]
            else:
                value = between(history, seen[joint], joint, moment, config)
            if value is not None:
                points[place, joint], known[place, joint] = value
    return points, known


def between(
    history: History, sightings: list[int], joint: int, moment: int, config: StreamConfig
) -> tuple[np.ndarray, float] | None:
    """A joint interpolated between its sightings round a moment, if they are close enough.

    With it the lower of both scores.
    """
    until, since = bisect_right(sightings, moment), bisect_left(sightings, moment)
    if until == 0 or since == len(sightings):
        return None
    before, after = sightings[until - 1], sightings[since]
    if after - before > config.max_gap * NS:
        return None
    first, second = history[before], history[after]
    start, end = first.points[joint], second.points[joint]
    weight = (moment - before) / max(after - before, 1)
    return start + np.float32(weight) * (end - start), min(
        first.scores[joint], second.scores[joint]
    )
