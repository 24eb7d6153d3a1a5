"""Merges the people that several cameras see: matched by root position, fused by covariance.

Each camera's lifter reports people under its own ids, in a frame that all cameras share. Somebody
who stands where a known person is expected is taken to be that person. People keep their ids when
they move from one camera's view to another's, and for a while when no camera sees them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pstmo_core.robot.merged_joints import aged_sigma, merge
from pstmo_core.robot.merged_person import MEMORY, VELOCITY_TIME, MergedPerson, Sighting

#: People that are known at once, and of a camera's message: matching costs the product.
MOST_PEOPLE = 64
#: Seconds for which what a camera told of a person counts, and by how much it may be behind others.
_FRESH, _MOST_BEHIND = 0.3, 1.0
#: Farther than this nobody is the same person, metres; nor beyond this many deviations.
_REACH, _DEVIATIONS = 1.2, 3.5
#: How uncertain a root position becomes with time: metres per second.
_DRIFT = 0.7
#: A binding to a camera's id ends where the two are farther apart than this, metres.
_TORN = 1.8
#: Two whom no camera sees both of, and who are so near one another for so long, are one: deviations
#: and seconds.
_TWINS, _TOGETHER = 3.0, 1.0
#: One network lifts for all cameras, so they err alike in part: a fused covariance is no smaller
#: than this share of the best camera's.
_LEAST_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Merged:
    """A person as all cameras together see them."""

    name: str
    position: np.ndarray
    """(3,) metres."""
    covariance: np.ndarray
    """(3, 3) square metres."""
    joints: np.ndarray
    """(17, 3) metres relative to the pelvis."""
    confidence: np.ndarray
    """(17,)"""
    sigma: np.ndarray | None
    """(17,) metres; None unless all of these cameras say it."""
    cameras: tuple[str, ...]
    """Who sees the person now."""


class Merger:
    """Merges the reports of several cameras, whose stamps must come from one clock.

    Args:
        people: that are kept at most; further ones are left out.
    """

    def __init__(self, people: int = MOST_PEOPLE) -> None:
        self._most = people
        self._people: list[MergedPerson] = []
        self._given = 0
        self.newest = 0
        """Nanoseconds, the newest stamp of all cameras."""
        self._behind: dict[str, float] = {}
        """Seconds by which the last frame of each camera was older."""

    def take(self, camera: str, stamp: int, sightings: list[Sighting]) -> list[Merged]:
        """Take in a camera's frame and return everybody at the newest stamp.

        A camera whose frames take longer than the others' tells of an earlier moment.
        """
        self._forget(stamp)
        self._behind[camera] = min((self.newest - stamp) / 1e9, _MOST_BEHIND)
        self._match(camera, stamp, sightings)
        told = ((person, self._fresh(person, self.newest)) for person in self._people)
        return [self._fuse(person, fresh) for person, fresh in told if fresh]

    def _forget(self, stamp: int) -> None:
        if self.newest - stamp > MEMORY * 1e9:
            self._people, self.newest = [], stamp  # time jumped back
        self.newest = max(self.newest, stamp)
        self._people = [p for p in self._people if self.newest - p.stamp <= MEMORY * 1e9]

    def _match(self, camera: str, stamp: int, sightings: list[Sighting]) -> None:
        """Bind sightings to people: known ids first, then the nearest pairs, then new people."""
        left = list(sightings)
        bound = {p.sightings[camera].name: p for p in self._people if camera in p.sightings}
        others = [person for person in self._people if not _sees(person, camera, stamp)]
        for sighting in sightings:
            person = bound.get(sighting.name)
            if person is None:
                continue
            if np.linalg.norm(person.expected(stamp) - sighting.position) > _TORN:
                del person.sightings[camera]
                continue
            self._see(person, camera, sighting)
            self._join_twin(person, others, sighting)
            left.remove(sighting)
        pairs = sorted(
            (
                (_deviations(person, sighting, stamp), row, at)
                for row, sighting in enumerate(left)
                for at, person in enumerate(self._people)
                if not _sees(person, camera, stamp)
            ),
            key=lambda pair: pair[0],
        )
        matched: set[int] = set()
        taken: set[int] = set()
        for deviations, row, at in pairs:
            if deviations < _DEVIATIONS and row not in matched and at not in taken:
                matched.add(row)
                taken.add(at)
                self._see(self._people[at], camera, left[row])
        for row, sighting in enumerate(left):
            if row not in matched and len(self._people) < self._most:
                self._given += 1
                person = MergedPerson(f"b{self._given}", sighting.position, sighting.stamp)
                person.take(camera, sighting)
                self._people.append(person)

    def _see(self, person: MergedPerson, camera: str, sighting: Sighting) -> None:
        person.take(camera, sighting)
        passed = (sighting.stamp - person.stamp) / 1e9
        told = self._fresh(person, sighting.stamp)
        position, _, _ = _place(told, person.velocity, sighting.stamp)
        if passed > 0:
            gain = 1 - np.exp(-passed / VELOCITY_TIME)
            person.velocity = person.velocity + gain * (
                (position - person.position) / passed - person.velocity
            )
            person.move(sighting.stamp, position)

    def _join_twin(
        self, person: MergedPerson, others: list[MergedPerson], sighting: Sighting
    ) -> None:
        """Make a person and one of the others one, if they were taken for two.

        So they may be while their cameras hardly know where they are. Where others were is known;
        where they will be when a slow camera tells of now is not.
        """
        stamp = sighting.stamp
        near = [
            (_deviations(other, sighting, stamp), other)
            for other in others
            if stamp - other.stamp <= _FRESH * 1e9
            and self._fresh(other, self.newest).keys().isdisjoint(self._fresh(person, self.newest))
        ]
        off, twin = min(near, key=lambda pair: pair[0], default=(np.inf, person))
        if off > _TWINS:
            person.twin = None
        elif person.twin is None or person.twin[0] is not twin:
            person.twin = twin, stamp
        elif stamp - person.twin[1] > _TOGETHER * 1e9:
            first, second = sorted((person, twin), key=self._people.index)
            first.take_over(second)
            self._people.remove(second)
            others.remove(twin)

    def _fresh(self, person: MergedPerson, stamp: int) -> dict[str, Sighting]:
        """Return what the cameras that see a person told."""
        return {
            camera: sighting
            for camera, sighting in person.sightings.items()
            if _age(sighting, stamp) <= _FRESH + self._behind[camera]
        }

    def _fuse(self, person: MergedPerson, fresh: Mapping[str, Sighting]) -> Merged:
        """Return a person at the newest stamp, from what the cameras told that see them."""
        position, covariance, shares = _place(fresh, person.velocity, self.newest)
        seen = np.stack([person.trust[camera] for camera in fresh])
        joints, trust, sigma = _pose(list(fresh.values()), seen, shares, self.newest)
        cameras = tuple(sorted(fresh))
        return Merged(person.name, position, covariance, joints, trust, sigma, cameras)


def _place(
    told: Mapping[str, Sighting], velocity: np.ndarray, stamp: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weigh what cameras told of somebody by covariance, each carried on to a stamp.

    Returns:
        The position (3,), its covariance (3, 3), and each camera's share (C,).
    """
    weights: np.ndarray = np.zeros((3, 3))
    positions, best = np.zeros(3), np.inf
    shares: list[float] = []
    for sighting in told.values():
        age = _age(sighting, stamp)
        spread = sighting.covariance + (_DRIFT * age) ** 2 * np.eye(3)
        weight = np.linalg.inv(spread)
        weights += weight
        positions += weight @ (sighting.position + velocity * age)
        shares.append(1 / np.trace(spread))
        best = min(best, float(np.trace(spread)))
    covariance = np.linalg.inv(weights)
    size = float(np.trace(covariance))
    covariance = covariance * max(1.0, _LEAST_SHARE * best / size)
    return np.linalg.solve(weights, positions), covariance, np.array(shares) / sum(shares)


def _pose(
    sightings: list[Sighting], seen: np.ndarray, shares: np.ndarray, stamp: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return joints (17, 3), confidence (17,) and sigma (17,); arguments as of `merge`."""
    joints = np.stack([sighting.joints for sighting in sightings])
    trust = np.max([sighting.confidence for sighting in sightings], axis=0)
    said = [aged_sigma(s.sigma, _age(s, stamp)) for s in sightings if s.sigma is not None]
    precisions = np.stack([sighting.precision for sighting in sightings])
    known = np.stack(said) if len(said) == len(sightings) else None
    mean, sigma = merge(joints, known, seen, precisions, shares)
    return mean, trust, sigma


def _age(sighting: Sighting, stamp: int) -> float:
    return max(0.0, (stamp - sighting.stamp) / 1e9)


def _sees(person: MergedPerson, camera: str, stamp: int) -> bool:
    """Say whether a camera sees a person already."""
    sighting = person.sightings.get(camera)
    return sighting is not None and _age(sighting, stamp) <= _FRESH


def _deviations(person: MergedPerson, sighting: Sighting, stamp: int) -> float:
    """Return how many deviations a sighting is off a person; infinite beyond reach."""
    off = sighting.position - person.expected(stamp)
    if np.linalg.norm(off) > _REACH:
        return float("inf")
    newest = max(person.sightings.values(), key=lambda s: s.stamp, default=sighting)
    spread = (0.1 + _DRIFT * max(0.0, (stamp - person.stamp) / 1e9)) ** 2
    covariance = sighting.covariance + newest.covariance + spread * np.eye(3)
    return float(np.sqrt(off @ np.linalg.solve(covariance, off)))
