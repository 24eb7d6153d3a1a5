"""The virtual camera: its lens, its position and where it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.errors import ConfigError
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.settings import check_settings, setting

_NEAREST = 0.1


@dataclass(frozen=True, eq=False)
class View:
    """A pinhole camera in a room. The world has z up, the camera's frame is optical.

    Raises:
        ConfigError: if a value cannot be used.
    """

    width: int = setting(640, "Image width.", low=16, unit="pixels")
    height: int = setting(480, "Image height.", low=16, unit="pixels")
    focal: float = setting(
        560.0,
        "Focal length; the principal point is the image's centre.",
        low=1.0,
        unit="pixels",
    )
    position: tuple[float, float, float] = (0.0, -4.5, 1.4)
    """Metres, world."""
    target: tuple[float, float, float] = (0.0, 0.0, 0.9)
    """Point in the world that the camera looks at, metres."""

    def __post_init__(self) -> None:
        check_settings(self)
        if np.linalg.norm(np.subtract(self.target, self.position)[:2]) < 1e-6:
            raise ConfigError("the camera looks straight up or down, which it cannot")

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3), world to camera: x right, y down, z forward."""
        forward = np.subtract(self.target, self.position)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    @property
    def pose(self) -> CameraPose:
        """How the camera stands in the world."""
        return CameraPose(self.rotation.T, np.array(self.position, np.float64))

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) -> camera's frame (..., 3), metres."""
        return (points - np.array(self.position)) @ self.rotation.T

    def project(self, in_camera: np.ndarray) -> np.ndarray:
        """Points in the camera's frame (..., 3) -> pixels (..., 2)."""
        depth = np.maximum(in_camera[..., 2:], _NEAREST)
        return in_camera[..., :2] / depth * self.focal + np.array([self.width, self.height]) / 2

    def pixel_rays(self) -> np.ndarray:
        """Directions (H, W, 3) in the world of all pixels' rays, of any length."""
        x = (np.arange(self.width) + 0.5 - self.width / 2) / self.focal
        y = (np.arange(self.height) + 0.5 - self.height / 2) / self.focal
        grid = np.stack([*np.meshgrid(x, y), np.ones((self.height, self.width))], -1)
        return grid @ self.rotation
