"""A person as several cameras tell of them: the newest of each camera, and the path."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pstmo_core.robot.merged_joints import precision

#: Seconds for which a person whom no camera sees is expected back.
MEMORY = 2.0
#: Seconds over which a velocity is taken.
VELOCITY_TIME = 0.4
#: Seconds over which a joint comes to count that a camera begins to see, or the other way round:
#: scores flicker.
_TRUST_TIME = 0.3
#: Moments of a person's path that are remembered, some seconds of two or three cameras.
_PATH = 128


@dataclass(frozen=True, eq=False)
class Sighting:
    """One person as one camera reports them."""

    stamp: int
    """Nanoseconds."""
    name: str
    """The camera's own id of the person."""
    position: np.ndarray
    """(3,) metres in the shared frame."""
    covariance: np.ndarray
    """(3, 3) square metres."""
    joints: np.ndarray
    """(17, 3) metres relative to the pelvis, along the axes of the shared frame."""
    confidence: np.ndarray
    """(17,), 0 to 1."""
    sigma: np.ndarray | None = None
    """(17,) metres, how far off each joint may be, as in `SkeletonFrame`; None if not known."""

    @cached_property
    def precision(self) -> np.ndarray:
        """How much the joints tell along each direction, (3, 3)."""
        return precision(self.covariance)


@dataclass(eq=False)
class MergedPerson:
    """What cameras told of a person, and where the person was."""

    name: str
    position: np.ndarray
    """(3,) metres, the newest that is known."""
    stamp: int
    """Nanoseconds, when it was there."""
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """(3,) metres per second."""
    sightings: dict[str, Sighting] = field(default_factory=dict)
    """The newest of each camera."""
    trust: dict[str, np.ndarray] = field(default_factory=dict)
    """Of each camera, (17,): 1 for joints that it sees, 0 for others, averaged over a moment."""
    path: deque[tuple[int, np.ndarray]] = field(default_factory=lambda: deque(maxlen=_PATH))
    """Stamps and positions of the last moments."""
    twin: tuple[MergedPerson, int] | None = None
    """Who may be the same, and since which stamp."""

    def take(self, camera: str, sighting: Sighting) -> None:
        """Take what a camera tells for its newest."""
        seen = (sighting.confidence > 0).astype(float)
        before = self.sightings.get(camera)
        passed = np.inf if before is None else (sighting.stamp - before.stamp) / 1e9
        share = 1 - np.exp(-max(passed, 0.0) / _TRUST_TIME)
        trust = self.trust.get(camera, seen)
        self.trust[camera] = trust + share * (seen - trust)
        self.sightings[camera] = sighting

    def take_over(self, other: MergedPerson) -> None:
        """Take what is newer of what cameras told of somebody who is the same."""
        for camera, sighting in other.sightings.items():
            own = self.sightings.get(camera)
            if own is None or own.stamp < sighting.stamp:
                self.sightings[camera], self.trust[camera] = sighting, other.trust[camera]
        self.twin = None

    def move(self, stamp: int, position: np.ndarray) -> None:
        """Go to a position (3,) at a stamp, the newest."""
        self.path.append((self.stamp, self.position))
        self.position, self.stamp = position, stamp

    def expected(self, stamp: int) -> np.ndarray:
        """The position (3,) at a stamp, which may be past: some cameras tell of earlier moments."""
        after, there = self.stamp, self.position
        for before, here in reversed(self.path):
            if stamp >= after:
                break
            if stamp >= before:
                share = (stamp - before) / max(after - before, 1)
                between: np.ndarray = here + share * (there - here)
                return between
            after, there = before, here
        if stamp < self.stamp:
            return there
        passed = min((stamp - self.stamp) / 1e9, MEMORY)
        moved: np.ndarray = self.position + self.velocity * VELOCITY_TIME * (
            1 - np.exp(-passed / VELOCITY_TIME)
        )
        return moved
