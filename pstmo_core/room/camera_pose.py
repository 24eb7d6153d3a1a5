"""The pose of a camera in a room: which way is up, and how high it is above the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class CameraPose:
    """The pose of a camera's optical frame (x right, y down, z forward) in a level frame."""

    rotation: np.ndarray
    """(3, 3), optical frame to level frame (z up, against gravity)."""
    position: np.ndarray
    """(3,) metres, the camera in the level frame, whose plane z = 0 is the floor; NaN where only
    gravity is known (an IMU)."""

    @classmethod
    def from_up(cls, up: np.ndarray) -> CameraPose:
        """Return a pose of which only the direction (3,) against gravity is known, of any length.

        Raises:
            ValueError: if it has no direction.
        """
        length = np.linalg.norm(up)
        if not length > 0 or not np.isfinite(length):
            raise ValueError(f"up is {np.asarray(up).tolist()}, which has no direction")
        up = np.asarray(up, np.float64) / length
        # Forward along the camera's own as far as that is level, else along its upper edge.
        forward = np.array([0.0, 0.0, 1.0]) if abs(up[2]) < 0.9 else np.array([0.0, -1.0, 0.0])
        forward = forward - up * (up @ forward)
        forward /= np.linalg.norm(forward)
        return cls(np.stack([forward, np.cross(up, forward), up]), np.full(3, np.nan))

    @classmethod
    def of_tilt(cls, height: float, pitch: float) -> CameraPose:
        """Return the pose of a camera over the origin, that looks along x and is not rolled.

        Args:
            height: metres over the floor.
            pitch: degrees by which it looks down.
        """
        cos, sin = np.cos(np.radians(pitch)), np.sin(np.radians(pitch))
        axes = np.array([[0.0, -sin, cos], [-1.0, 0.0, 0.0], [0.0, -cos, -sin]])
        return cls(axes, np.array([0.0, 0.0, height]))

    @property
    def up(self) -> np.ndarray:
        """(3,) unit vector against gravity in the optical frame."""
        up: np.ndarray = self.rotation[2]
        return up

    @property
    def levelling(self) -> np.ndarray:
        """(3, 3), the optical frame to that of a camera that looks the same way, but level.

        Its x is to the right, y down along gravity, z forward, as `from_up` says what forward is.
        """
        forward, left, up = CameraPose.from_up(self.up).rotation
        return np.stack([-left, -up, forward])

    @property
    def knows_floor(self) -> bool:
        """Whether the camera's height over the floor is known."""
        return bool(np.isfinite(self.position).all())

    def to_level(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) in the optical frame to the level frame, metres."""
        moved: np.ndarray = points @ self.rotation.T + self.position
        return moved

    def turned(self, rotation: np.ndarray) -> CameraPose:
        """Return the pose of a camera in the same place whose frame is turned.

        Args:
            rotation: (3, 3), this camera's optical frame to the other's.
        """
        return CameraPose(self.rotation @ rotation.T, self.position)

    def anchored(self, rotation: np.ndarray, position: np.ndarray) -> CameraPose:
        """Return the pose over the same floor in a level frame that stays where another one is.

        Args:
            rotation: (3, 3), this camera's optical frame to the other, which need not be level.
            position: (3,) metres, the camera in the other frame.
        """
        normal = rotation @ self.up
        height = normal @ position - self.position[2]
        forward = np.eye(3)[0 if abs(normal[0]) < 0.9 else 1]
        forward = forward - normal * (normal @ forward)
        forward /= np.linalg.norm(forward)
        level = np.stack([forward, np.cross(normal, forward), normal])
        return CameraPose(level @ rotation, level @ (position - height * normal))
