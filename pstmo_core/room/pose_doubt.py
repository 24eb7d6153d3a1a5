"""Detects camera poses that cannot be right: not optical, not above the floor, or rotated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.upright_axes import ROTATIONS, upright_axes

#: A camera whose axis rises by more than this (a sine) sees no floor and hardly any people.
_STEEP = 0.8
#: A camera that is less than this over the floor, in metres, is a frame on the floor.
_LOWEST = 0.05
#: A camera is taken for rotated if up is this much nearer to another edge of the image (a cosine),
#: and if up can be told from the image, which it cannot where the camera looks down steeply.
_CLEARLY, _LEVEL = 0.8, 0.5


@dataclass(frozen=True)
class PoseDoubt:
    """What is wrong with a pose."""

    skyward: bool = False
    """The camera looks straight up, as frames seem to whose z axis is up (`camera_link`)."""
    height: float | None = None
    """Metres over the floor, where they are too few for a camera."""
    rotation: int | None = None
    """By how many degrees clockwise the images have to be rotated to be upright, where that is
    not what was stated."""

    @property
    def unusable(self) -> bool:
        """Whether the pose would only mislead."""
        return self.skyward or self.height is not None

    @classmethod
    def of(cls, pose: CameraPose, rotation: int, floor_height: float) -> PoseDoubt:
        """Return what is wrong with a pose.

        Args:
            pose: of the camera as it is mounted.
            rotation: degrees clockwise by which its images are said to need rotation.
            floor_height: metres of the floor over the level frame's plane z = 0.
        """
        if pose.up[2] > _STEEP:
            return cls(skyward=True)
        height = float(pose.position[2]) - floor_height
        if height < _LOWEST:  # never where it is not known
            return cls(height=height)
        if np.hypot(pose.up[0], pose.up[1]) < _LEVEL:
            return cls()
        upward = {r: float(-(upright_axes(r) @ pose.up)[1]) for r in ROTATIONS}
        best = max(upward, key=lambda r: upward[r])
        clear = upward[best] > _CLEARLY * np.hypot(pose.up[0], pose.up[1])
        return cls(rotation=best if clear and best != rotation else None)
