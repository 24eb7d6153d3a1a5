"""Tracks people from image to image, for detectors that give them no ids.

Keypoints of known people are extrapolated at constant velocity. The people in a new image are
assigned to them by the similarity of keypoints, all at once (the assignment problem). A track
without a detection is extrapolated for a while, so people keep their ids while they are hidden
behind others; one that was seen in an image or two is soon given up, as it may have been nobody. No
id is given twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pstmo_core.errors import ConfigError, PstmoError
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.settings import check_settings, setting
from pstmo_core.skeleton import JOINTS

#: Distance of a keypoint from where it was expected, over the person's size, that halves its part
#: of the similarity; and how much that grows for each second in which nothing was seen.
_REACH, _REACH_GROWTH = 0.35, 1.5
#: In how many images in a row somebody may be missed for each in which he was seen.
_MISSED_BY_SEEN = 6
#: How fast a track takes on the velocity that it just showed, and forgets it while hidden; seconds.
_VELOCITY_TIME, _VELOCITY_LIFE = 0.1, 1.0
_SMALLEST_SIZE = 1.0


@dataclass(frozen=True)
class TrackerConfig:
    """How people are recognised.

    Raises:
        ConfigError: if a value cannot be used.
    """

    expire: float = setting(
        1.0,
        "Somebody not seen for this long is forgotten; who comes then is somebody else.",
        low=0.001,
        high=1e6,
        unit="s",
    )
    similarity: float = setting(
        0.15,
        "Least similarity at which two sightings can be the same person.",
        low=0.001,
        high=0.999,
    )
    reset: float = setting(
        0.5,
        "An image older than the newest by more than this says that time jumped back: everybody is "
        "somebody new. One that is less late is named by those who are known, and moves nobody.",
        low=0.0,
        high=1e6,
        unit="s",
    )
    people: int = setting(
        64,
        "Most people of one image that are followed. Twice as many tracks are kept, for those who "
        "are hidden; beyond that, who was not seen for longest is forgotten. It bounds time and "
        "memory.",
        low=1,
    )
    prefix: str = "p"
    """What ids begin with, a letter; a number follows."""

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.prefix[:1].isalpha():
            raise ConfigError(f"prefix is {self.prefix!r}, but must begin with a letter")


class Tracker:
    """Gives ids to the people in a sequence of images."""

    def __init__(self, config: TrackerConfig | None = None) -> None:
        try:
            from scipy.optimize import linear_sum_assignment
        except ImportError as error:
            raise PstmoError(
                "telling people apart needs SciPy, which is not installed: pip install scipy"
            ) from error
        self._assign = linear_sum_assignment
        self._config = config or TrackerConfig()
        self._given = 0
        self._stamp: int | None = None
        self.forget()

    def identify(self, stamp: int, points: np.ndarray, seen: np.ndarray) -> tuple[str, ...]:
        """Name the people of an image.

        Args:
            stamp: nanoseconds.
            points: (P, 17, 2) pixels.
            seen: (P, 17) bool.

        Returns:
            P ids, no two alike. One of whom no joint is seen gets a new one, as do those beyond
            the first `people`, who are not followed.
        """
        lateness = 0 if self._stamp is None else self._stamp - stamp
        if lateness > self._config.reset * 1e9:
            self.forget()
        self._drop_the_old(stamp)
        seen = seen.copy()
        seen[self._config.people :] = False
        tracks, people = self._match(stamp, points, seen)
        if self._stamp is None or stamp > self._stamp:
            self._missed += 1
        self._renew(tracks, stamp, points[people], seen[people])
        new = np.setdiff1d(np.flatnonzero(seen.any(-1)), people)
        added = self._add(stamp, points[new], seen[new])
        self._stamp = stamp if self._stamp is None else max(stamp, self._stamp)
        names = np.full(len(points), "", dtype=object)
        names[people] = [self._ids[track] for track in tracks]
        names[new] = added
        unseen = np.flatnonzero(names == "")
        names[unseen] = [self._next_id() for _ in unseen]
        return tuple(names.tolist())

    def forget(self) -> None:
        """Forget everybody: who comes then is somebody new."""
        self._ids: list[str] = []
        self._points: np.ndarray = np.zeros((0, JOINTS, 2))
        self._seen: np.ndarray = np.zeros((0, JOINTS), bool)
        self._velocity: np.ndarray = np.zeros((0, 2))
        self._last: np.ndarray = np.zeros(0, np.int64)
        self._sightings: np.ndarray = np.zeros(0, np.intp)
        self._missed: np.ndarray = np.zeros(0, np.intp)
        self._stamp = None

    def _drop_the_old(self, stamp: int) -> None:
        there = stamp - self._last <= self._config.expire * 1e9
        self._keep(there & (self._missed <= _MISSED_BY_SEEN * self._sightings))

    def _keep(self, kept: np.ndarray) -> None:
        if kept.all():
            return
        self._ids = [name for name, keep in zip(self._ids, kept.tolist(), strict=True) if keep]
        for name in ("_points", "_seen", "_velocity", "_last", "_sightings", "_missed"):
            setattr(self, name, getattr(self, name)[kept])

    def _match(
        self, stamp: int, points: np.ndarray, seen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of tracks and of people that belong together."""
        if not len(self._ids) or not len(points):
            return np.empty(0, np.intp), np.empty(0, np.intp)
        most = self._config.people
        likeness = self._similarity(stamp, points[:most], seen[:most])
        tracks, people = self._assign(likeness, maximize=True)
        alike = likeness[tracks, people] >= self._config.similarity
        return tracks[alike], people[alike]

    def _similarity(self, stamp: int, points: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Return (T, P), 0 to 1: how well people lie where the tracks should be now."""
        hidden = np.maximum((stamp - self._last) / 1e9, 0.0)[:, None]
        expected = self._points + self._shift(hidden)[:, None]
        size = _size(self._points, self._seen)[:, None, None]
        both = self._seen[:, None] & seen[None]
        distance = np.linalg.norm(expected[:, None] - points[None], axis=-1)
        reach = size * (_REACH + _REACH_GROWTH * hidden[..., None])
        likeness = np.exp2(-((distance / reach) ** 2)) * both
        # A few joints in common tell little: the sum over at least a third of the joints counts.
        return likeness.sum(-1) / np.maximum(both.sum(-1), JOINTS // 3)

    def _shift(self, hidden: np.ndarray) -> np.ndarray:
        """Return how far (T, 2) tracks have moved in the time since they were seen."""
        return self._velocity * _VELOCITY_LIFE * (1 - np.exp(-hidden / _VELOCITY_LIFE))

    def _renew(self, tracks: np.ndarray, stamp: int, points: np.ndarray, seen: np.ndarray) -> None:
        later = stamp > self._last[tracks]
        tracks, points, seen = tracks[later], points[later], seen[later]
        passed = ((stamp - self._last[tracks]) / 1e9)[:, None]
        both = (self._seen[tracks] & seen)[..., None]
        moved = np.where(both, points - self._points[tracks], 0).sum(1) / np.maximum(both.sum(1), 1)
        gain = 1 - np.exp(-passed / _VELOCITY_TIME)
        self._velocity[tracks] += gain * (moved / passed - self._velocity[tracks])
        # Joints that are not seen move along with the others.
        carried = self._points[tracks] + moved[:, None]
        self._points[tracks] = np.where(seen[..., None], points, carried)
        self._seen[tracks] |= seen
        self._last[tracks] = stamp
        self._sightings[tracks] += 1
        self._missed[tracks] = 0

    def _add(self, stamp: int, points: np.ndarray, seen: np.ndarray) -> list[str]:
        names = [self._next_id() for _ in points]
        self._ids += names
        self._points = np.concatenate([self._points, points])
        self._seen = np.concatenate([self._seen, seen])
        self._velocity = np.concatenate([self._velocity, np.zeros((len(points), 2))])
        self._last = np.concatenate([self._last, np.full(len(points), stamp, np.int64)])
        self._sightings = np.concatenate([self._sightings, np.ones(len(points), np.intp)])
        self._missed = np.concatenate([self._missed, np.zeros(len(points), np.intp)])
        self._drop_the_longest_hidden()
        return names

    def _drop_the_longest_hidden(self) -> None:
        """Keep twice as many tracks as people; of those seen at the same time, the newest."""
        kept = np.zeros(len(self._ids), bool)
        kept[np.argsort(self._last, kind="stable")[-2 * self._config.people :]] = True
        self._keep(kept)

    def _next_id(self) -> str:
        self._given += 1
        return f"{self._config.prefix}{self._given}"


def surest(frame: KeypointFrame, most: int) -> KeypointFrame:
    """Return a frame of its `most` people with the highest sums of scores, in their order."""
    if len(frame.ids) <= most:
        return frame
    kept = np.sort(np.argsort(-frame.scores.sum(-1), kind="stable")[:most])
    ids = tuple(frame.ids[row] for row in kept)
    return replace(frame, ids=ids, points=frame.points[kept], scores=frame.scores[kept])


def _size(points: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the RMS distance (T,) in pixels of the seen joints from their middle."""
    count = np.maximum(seen.sum(-1), 1)[:, None]
    known = np.where(seen[..., None], points, 0)
    centred = np.where(seen[..., None], points - known.sum(1, keepdims=True) / count[..., None], 0)
    return np.maximum(np.sqrt((centred**2).sum((1, 2)) / count[:, 0]), _SMALLEST_SIZE)
