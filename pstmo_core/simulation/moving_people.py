"""Real motion of several people, placed on one floor in front of the virtual camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.data.motion.mocap import Mocap, load_mocap
from pstmo_core.errors import ConfigError

#: Where people are: place (x, y) in metres on the floor, and degrees by which they are turned or to
#: which their path is if they walk. The first two cross one another before the camera.
_SPOTS = ((0.0, 0.2, 0.0), (0.0, 1.3, 180.0), (-1.5, 2.3, 20.0), (1.6, 2.5, -35.0))
#: Metres that somebody who walks moves at least.
_WALK = 1.0
MOST_PEOPLE = len(_SPOTS)


def motion_path() -> Path:
    """Return the path of the motion that is shipped with the library, of the test split."""
    return Path(__file__).parents[1] / "samples" / "motion.npz"


@dataclass(frozen=True, eq=False)
class MovingPeople:
    """People in motion without end: each clip is played forth and back."""

    clips: tuple[np.ndarray, ...]
    """P arrays (n, 17, 3) in metres, world."""
    fps: float

    @classmethod
    def of(cls, mocap: Mocap, people: int) -> MovingPeople:
        """Put clips of a file on their spots, one per person, those first that go farthest.

        Raises:
            ConfigError: if there are too many people, or no clip.
        """
        if not 1 <= people <= MOST_PEOPLE or not len(mocap.start):
            raise ConfigError(
                f"there are to be {people} people of {len(mocap.start)} clips, but must be 1 to "
                f"{MOST_PEOPLE} of at least one"
            )
        ends = zip(mocap.start, mocap.start + mocap.length, strict=True)
        clips = sorted((mocap.positions[a:b] for a, b in ends), key=_reach, reverse=True)
        put = (_put(clips[person % len(clips)], _SPOTS[person]) for person in range(people))
        return cls(tuple(put), mocap.fps)

    @classmethod
    def shipped(cls, people: int) -> MovingPeople:
        """Return the shipped motion with some number of people; errors as of `of`."""
        return cls.of(load_mocap(motion_path()), people)

    def joints(self, seconds: float) -> np.ndarray:
        """Return everybody's joints (P, 17, 3) at a time, metres, world."""
        return np.stack([self._at(clip, seconds * self.fps) for clip in self.clips])

    @staticmethod
    def _at(clip: np.ndarray, row: float) -> np.ndarray:
        last = len(clip) - 1
        place = last - abs(row % (2 * last) - last)
        below = min(int(place), last - 1)
        return clip[below] + (place - below) * (clip[below + 1] - clip[below])


def _reach(clip: np.ndarray) -> float:
    """Return how far apart the ends of a clip's path lie, metres."""
    return float(np.ptp(clip[:, 0, :2], axis=0).max())


def _put(clip: np.ndarray, spot: tuple[float, float, float]) -> np.ndarray:
    """Turn a clip (n, 17, 3) about the middle of its path and move that to a spot."""
    path = clip[:, 0, :2]
    middle = (path.min(0) + path.max(0)) / 2
    yaw = np.radians(spot[2])
    if _reach(clip) > _WALK:
        along = np.linalg.svd(path - path.mean(0), full_matrices=False)[2][0]
        yaw -= np.arctan2(along[1], along[0])
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    moved = clip.astype(np.float64)
    moved[..., :2] = (moved[..., :2] - middle) @ turn.T + spot[:2]
    return moved
