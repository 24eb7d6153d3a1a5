"""Measures people's distances from the floor: rays of standing ankles meet a known plane.

A camera of known height and tilt sees an ankle along a ray. If the foot stands, the ankle lies in a
plane a few centimetres above the floor, where the ray meets this plane. This gives the lifted
skeleton, which is known up to its size, its true size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.size_reading import SizeReading
from pstmo_core.skeleton import JOINT_NAMES

#: Height of an ankle's joint over the floor that its foot stands on, and its deviation; metres.
ANKLE_HEIGHT, ANKLE_SPREAD = 0.08, 0.02
ANKLES = (JOINT_NAMES.index("rankle"), JOINT_NAMES.index("lankle"))
#: An ankle that is higher than the other by more than this is in the air, metres.
_LOW = 0.05
#: An ankle that moves faster across its ray does not stand, metres per second.
_SLOW = 0.35
#: Deviation of an ankle's keypoint, as an angle, and of its lifted depth, metres.
_RAY_SPREAD, _POSE_SPREAD = 0.005, 0.05
#: A ray must fall at least this much a metre for its intersection with the floor to be meaningful.
_LEAST_FALL = 0.03
#: Deviation of the camera's height over the floor, metres.
_CAMERA_HEIGHT_SPREAD = 0.01


@dataclass(frozen=True)
class Floor:
    """The floor as a camera sees it."""

    height: float = 0.0
    """Metres of the floor over the plane z = 0 of the level frame: of a step or a platform."""
    tilt_spread: float = np.radians(0.5)
    """Deviation in radians of the camera's tilt, as it is known, from what it is."""

    def ankle_positions(self, rays: np.ndarray, pose: CameraPose) -> np.ndarray:
        """Return where standing ankles are.

        Args:
            rays: (..., 2), x / z and y / z of the ankles.
            pose: how the camera stands.

        Returns:
            (..., 3) metres in the camera's optical frame; NaN where the ray does not fall.
        """
        directions = np.concatenate([rays, np.ones_like(rays[..., :1])], -1).astype(np.float64)
        fall = -(directions @ pose.up)
        above = pose.position[2] - self.height - ANKLE_HEIGHT
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(fall > _LEAST_FALL, above / fall, np.nan)
        found: np.ndarray = np.where(depth > 0, depth, np.nan)[..., None] * directions
        return found

    def read_sizes(
        self, bodies: np.ndarray, rays: np.ndarray, standing: np.ndarray, pose: CameraPose
    ) -> SizeReading:
        """Say by how much people are larger than they were lifted.

        Args:
            bodies: (P, 17, 3) metres, camera's optical frame, where people of the lifted size
                would stand.
            rays: (P, 17, 2) of the keypoints.
            standing: (P, 2) bool, right and left ankle, see `StandingFeet`.
            pose: how the camera stands.
        """
        ankles = np.array(ANKLES)
        ankles_at = self.ankle_positions(rays[:, ankles], pose)
        depth, lifted = ankles_at[..., 2], bodies[:, ankles, 2]
        usable = standing & np.isfinite(depth) & (lifted > 0)
        level = np.where(np.isfinite(ankles_at), ankles_at, 1.0) @ pose.rotation.T
        fall = np.maximum(-level[..., 2], 1e-6)
        away = np.linalg.norm(level, axis=-1)
        per_radian = away / fall
        white = (
            (_RAY_SPREAD * per_radian) ** 2
            + (ANKLE_SPREAD / fall) ** 2
            + (_POSE_SPREAD / np.maximum(lifted, 0.1)) ** 2
        )
        steady = (self.tilt_spread * per_radian) ** 2 + (_CAMERA_HEIGHT_SPREAD / fall) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            growth = np.where(usable, np.log(depth / lifted), 0.0)
        return SizeReading(growth, white, steady, usable).merged()


class StandingFeet:
    """Which ankles stand: low, slow, and seen. Remembers where they were a moment ago.

    Args:
        rows: people that can be remembered.
    """

    #: Seconds over which an ankle's speed is taken.
    SPAN = 0.12

    def __init__(self, rows: int) -> None:
        self._places: np.ndarray = np.full((rows, 2, 3), np.nan)
        """Metres, level frame."""
        self._stamps = np.zeros(rows, np.int64)
        self._slow = np.zeros((rows, 2), bool)

    def forget(self, row: int) -> None:
        """Forget the person in a row."""
        self._places[row] = np.nan
        self._slow[row] = False

    def look(
        self,
        rows: np.ndarray,
        stamp: int,
        bodies: np.ndarray,
        rays: np.ndarray,
        seen: np.ndarray,
        pose: CameraPose,
    ) -> np.ndarray:
        """Return which ankles (P, 2), right and left, stand.

        Args:
            rows: (P,) of the people.
            stamp: nanoseconds.
            bodies: (P, 17, 3) metres, camera's optical frame.
            rays: (P, 17, 2) of their keypoints.
            seen: (P, 17) bool.
            pose: how the camera stands.
        """
        ankles = np.array(ANKLES)
        directions = np.concatenate([rays[:, ankles], np.ones((len(rows), 2, 1))], -1)
        directions = directions @ pose.rotation.T
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        directions[~seen[:, ankles]] = np.nan
        away = np.linalg.norm(bodies[:, ankles], axis=-1)
        self._note(rows, stamp, directions, away, pose.position)
        heights = bodies[:, ankles] @ pose.up
        lowest = np.fmin.reduce(np.where(seen[:, ankles], heights, np.nan), axis=1)
        with np.errstate(invalid="ignore"):
            low = heights <= lowest[:, None] + _LOW
        standing: np.ndarray = seen[:, ankles] & low & self._slow[rows]
        return standing

    def _note(
        self,
        rows: np.ndarray,
        stamp: int,
        directions: np.ndarray,
        away: np.ndarray,
        position: np.ndarray,
    ) -> None:
        """Take new speeds of the ankles of those for whom `SPAN` has passed.

        An ankle that stood is seen where it was, whichever way the camera has moved.
        """
        passed = (stamp - self._stamps[rows]) / 1e9
        due = (passed >= self.SPAN) | (passed < 0) | np.isnan(self._places[rows]).any((1, 2))
        rows, passed = rows[due], np.maximum(passed[due], self.SPAN)[:, None]
        directions, away = directions[due], away[due]
        expected = self._places[rows] - position
        expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
        moved = np.linalg.norm(directions - expected, axis=-1) * away
        with np.errstate(invalid="ignore"):
            self._slow[rows] = (moved / passed < _SLOW) & (passed < 1.0)
        self._places[rows] = position + directions * away[..., None]
        self._stamps[rows] = stamp
