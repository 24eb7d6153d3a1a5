"""Recognises people who come back after they were out of sight, by root position and build.

A tracker follows people in the image and soon forgets those who leave; on return they get new ids.
Here people are recognised in the room: a newcomer gets the id of a person who was last seen nearby
and has the same build, and the same height if floor or depth image tell it. In doubt the newcomer
gets a new id, which does less harm than a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.floor import ANKLE_HEIGHT, ANKLES
from pstmo_core.room.root_fusion import RootSource
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_core.streaming.root import stature
from pstmo_core.streaming.skeleton_frame import SkeletonFrame

_INDEX = {name: row for row, name in enumerate(JOINT_NAMES)}
#: Bones whose lengths, over the stature, tell people apart; which of them, how much the network's
#: estimate differs from view to view, and from frame to frame (logarithms).
_BUILD = (("lshoulder", "rshoulder"), ("lhip", "rhip"), ("lhip", "lknee"), ("rhip", "rknee"))
_FROM = np.array([_INDEX[first] for first, _ in _BUILD])
_TO = np.array([_INDEX[second] for _, second in _BUILD])
_VIEW_SPREAD = np.array([0.03, 0.04, 0.015, 0.015])
_FRAME_SPREAD = np.array([0.055, 0.08, 0.03, 0.03])
#: Deviations of a stature that was learned, and of one that a first frame tells.
_STATURE_SPREAD, _FIRST_STATURE_SPREAD = 0.025, 0.07
#: Metres that a camera must be over somebody's feet for them to tell a height.
_LEAST_DROP = 0.3
#: Seconds over which somebody's build is averaged, and over which errors of it are alike.
_AVERAGE, _ALIKE = 5.0, 0.5
#: Metres, and metres per second, by which people may come back elsewhere; and the most of it.
_NEAR, _STROLL, _FARTHEST = 0.5, 0.7, 2.5
#: A person missed for less than this is nobody who comes back, seconds.
_SHORT = 0.1
#: Squares of the deviations, three terms together, up to which it may be the same person, and by
#: how much the next best must be worse.
_LIKELY, _CLEARLY = 9.0, 4.0
_TOLD = (RootSource.FLOOR, RootSource.DEPTH, RootSource.LEARNED)


@dataclass
class _Known:
    """Somebody as last seen."""

    tracked: str
    """The tracker's id of them."""
    stamp: int
    position: np.ndarray
    """(3,) metres, level frame if the camera's pose is known, else the camera's."""
    spread: float
    """Metres, deviation of that."""
    build: np.ndarray
    """(4,) logarithms."""
    height: float
    """Logarithm; NaN where nothing tells it."""
    seconds: float
    """For which they were seen."""


class Returning:
    """Gives people who come back the ids that they had.

    Args:
        remember: seconds for which somebody is remembered; 0 recognises nobody.
        floor: height of the floor above the plane z = 0 of the level frame in metres.
        people: how many are remembered at most; those not seen for longest are forgotten first.
    """

    def __init__(self, remember: float, floor: float = 0.0, people: int = 256) -> None:
        self._remember = round(remember * 1e9)
        self._floor = floor
        self._people = people
        self._known: dict[str, _Known] = {}
        """By the ids that are given out, seen last at the end."""
        self._names: dict[str, str] = {}
        """Those ids, by the tracker's."""
        self._looked = 0
        """When people were last looked at; their ids alone are needed in between."""

    def forget(self) -> None:
        """Forget everybody."""
        self._known.clear()
        self._names.clear()

    def name_of(self, tracked: str) -> str:
        """Return the id under which a tracker's person is given out."""
        return self._names.get(tracked, tracked)

    def recognise(
        self, answer: SkeletonFrame, pose: CameraPose | None = None
    ) -> tuple[SkeletonFrame, list[tuple[str, str]]]:
        """Name the people of a frame; frames come in the order of their stamps.

        Args:
            answer: with the tracker's ids, in the camera's frame.
            pose: how the camera stood, None where that is not known.

        Returns:
            The frame with the ids that people keep, and of whom was recognised in it the
            tracker's ids, the new and the old.
        """
        if not self._remember or not answer.ids:
            return answer, []
        new = [row for row, name in enumerate(answer.ids) if name not in self._names]
        if not new and 0 <= answer.stamp - self._looked < _SHORT * 1e9:
            return replace(answer, ids=self._unique(answer.ids)), []
        self._looked = answer.stamp
        self._drop_the_old(answer.stamp)  # perhaps names of this frame's people, too
        new = [row for row, name in enumerate(answer.ids) if name not in self._names]
        seen = self._looks(answer, pose)
        away = self._away(answer)
        found = self._match([seen[row] for row in new], away)
        again = []
        for index, row in enumerate(new):
            tracked = answer.ids[row]
            self._names[tracked] = found.get(index, tracked)
            if index in found:
                again.append((tracked, self._known[found[index]].tracked))
        names = self._unique(answer.ids)
        for name, look in zip(names, seen, strict=True):
            self._note(name, look)
        return replace(answer, ids=names), again

    def _unique(self, tracked: tuple[str, ...]) -> tuple[str, ...]:
        """Return the ids of a frame's people; who bears their own name keeps it."""
        taken = {name for name in tracked if self._names[name] == name}
        for name in tracked:
            if self._names[name] != name:
                if self._names[name] in taken:
                    self._names[name] = name
                taken.add(self._names[name])
        return tuple(self._names[name] for name in tracked)

    def _looks(self, answer: SkeletonFrame, pose: CameraPose | None) -> list[_Known]:
        """Return what a frame tells of each of its people."""
        tall = np.log(np.maximum(stature(answer.joints.astype(np.float64)), 1e-3))
        bones = np.linalg.norm(answer.joints[:, _FROM] - answer.joints[:, _TO], axis=-1)
        build = np.log(np.maximum(bones, 1e-3)) - tall[:, None]
        positions = answer.roots.position
        if pose is not None and pose.knows_floor:
            positions = pose.to_level(positions)
        with np.errstate(invalid="ignore"):
            spreads = np.sqrt(np.trace(answer.roots.covariance, axis1=1, axis2=2))
        told = np.isin(answer.roots.source, _TOLD)
        first = self._first_growth(answer, pose)
        heights = np.where(told, tall, tall + first)
        return [
            _Known(
                name, answer.stamp, positions[row], float(spreads[row]), build[row],
                float(heights[row]), 0.0,
            )
            for row, name in enumerate(answer.ids)
        ]  # fmt: skip

    def _first_growth(self, answer: SkeletonFrame, pose: CameraPose | None) -> np.ndarray:
        """Say by how much people (P,) are larger than they are given if they stand on the floor.

        It takes a moment until the floor is known to tell somebody's height; this is for before.
        """
        if pose is None or not pose.knows_floor:
            return np.full(len(answer.ids), np.nan)
        ankles = np.array(ANKLES)
        feet = pose.to_level(answer.joints[:, ankles] + answer.roots.position[:, None])[..., 2]
        lowest = np.where(answer.confidence[:, ankles] > 0, feet, np.nan).min(-1)
        drop = pose.position[2] - lowest
        above = pose.position[2] - self._floor - ANKLE_HEIGHT
        usable = (drop > _LEAST_DROP) & (above > _LEAST_DROP)
        growth: np.ndarray = np.log(np.where(usable, above, np.nan) / np.where(usable, drop, 1.0))
        return growth

    def _away(self, answer: SkeletonFrame) -> list[str]:
        """Return the ids of those who are remembered and not in a frame."""
        there = {self.name_of(name) for name in answer.ids}
        latest = answer.stamp - round(_SHORT * 1e9)
        return [
            name for name, who in self._known.items() if name not in there and who.stamp <= latest
        ]

    def _match(self, new: list[_Known], away: list[str]) -> dict[int, str]:
        """Return who of the new (by their number) is who of those away, where that is clear."""
        if not new or not away:
            return {}
        cost = np.array([[_unlikeness(look, self._known[name]) for name in away] for look in new])
        pairs = _assign(cost)
        clear = {row: column for row, column in pairs.items() if _is_clear(cost, pairs, row)}
        return {row: away[column] for row, column in clear.items()}

    def _note(self, name: str, look: _Known) -> None:
        """Remember how somebody looks now, at the end of those seen."""
        before = self._known.pop(name, None)
        if before is not None:
            passed = float(np.clip((look.stamp - before.stamp) / 1e9, 0.0, _SHORT))
            seconds = before.seconds + passed
            keep = min(seconds, _AVERAGE) / (min(seconds, _AVERAGE) + max(passed, 1e-3))
            look.build = look.build + keep * (before.build - look.build)
            if np.isnan(look.height):
                look.height = before.height
            look.seconds = seconds
            if not np.isfinite(look.position).all():
                look.position, look.spread = before.position, before.spread
        self._known[name] = look
        if len(self._known) > self._people:
            self._known.pop(next(iter(self._known)))

    def _drop_the_old(self, stamp: int) -> None:
        """Forget who has been away for too long; time that jumped back forgets everybody."""
        oldest = stamp - self._remember
        if self._known and next(reversed(self._known.values())).stamp > stamp + self._remember:
            self.forget()
        while self._known and next(iter(self._known.values())).stamp < oldest:
            self._known.pop(next(iter(self._known)))
        if len(self._names) > 2 * self._people:
            self._names = {t: name for t, name in self._names.items() if name in self._known}


def _unlikeness(look: _Known, before: _Known) -> float:
    """Return by how many squared deviations somebody new differs from somebody known."""
    gap = max(0.0, (look.stamp - before.stamp) / 1e9)
    reach = min(_NEAR + _STROLL * gap, _FARTHEST) + look.spread + before.spread
    apart = float(np.linalg.norm(look.position - before.position)) / reach
    if not apart <= 2.0:  # nobody is known by their build alone
        return np.inf
    height = look.height - before.height
    spread = _STATURE_SPREAD**2 + _FIRST_STATURE_SPREAD**2
    tall = 0.0 if np.isnan(height) else height**2 / spread
    averaged = _FRAME_SPREAD**2 / max(1.0, before.seconds / _ALIKE)
    build = (look.build - before.build) ** 2 / (2 * _VIEW_SPREAD**2 + _FRAME_SPREAD**2 + averaged)
    return float((2 * apart) ** 2 + tall + build.mean())


def _assign(cost: np.ndarray) -> dict[int, int]:
    """Return the columns of the rows of costs (N, K) that are likely, the best first."""
    pairs: dict[int, int] = {}
    for flat in np.argsort(cost, axis=None).tolist():
        row, column = divmod(flat, cost.shape[1])
        if not cost[row, column] <= _LIKELY:
            break
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return pairs


def _is_clear(cost: np.ndarray, pairs: dict[int, int], row: int) -> bool:
    """Say whether every other way to pair a row or its column would be clearly worse."""
    column = pairs[row]
    owner = {taken: other for other, taken in pairs.items()}
    for other in range(cost.shape[1]):
        if other != column:
            swapped, kept = cost[row, other], cost[row, column]
            if other in owner:
                swapped, kept = (
                    swapped + cost[owner[other], column],
                    kept + cost[owner[other], other],
                )
            if swapped < kept + _CLEARLY:
                return False
    rivals = [cost[other, column] for other in range(len(cost)) if other not in pairs]
    return not any(rival < cost[row, column] + _CLEARLY for rival in rivals)
