"""Tilts of ten cameras that are as wrong as stated, and errors of keypoints that last."""

from __future__ import annotations

import numpy as np

from pstmo_core.room.camera_pose import CameraPose

TILT_ERROR = 0.5
"""Degrees, as stated."""
#: Errors of pitch and roll in that deviation: of each a tenth of a normal distribution, so that ten
#: cameras are as wrong as many are.
PITCH = np.array([-1.75, 1.04, 0.13, -0.39, 0.67, -0.13, 1.75, -1.04, 0.39, -0.67])
ROLL = PITCH[[3, 5, 1, 0, 9, 4, 2, 8, 7, 6]]
ERRORS = np.radians(TILT_ERROR) * np.stack([PITCH, ROLL], -1)
"""(10, 2) radians."""
#: Square of the distance, in deviations, that 95 % of a normal distribution in space keep below.
CHI_SQUARE = 7.815


def wrong(pose: CameraPose, error: np.ndarray) -> CameraPose:
    """Return a pose with pitch and roll off by angles (2,) in radians."""
    (cos, cosine), (sin, sine) = np.cos(error), np.sin(error)
    pitch = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    roll = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    return CameraPose(pose.rotation @ pitch @ roll, pose.position)


def lasting_errors(rng: np.random.Generator, frames: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return errors (frames, *shape) of deviation 1: half is white, the rest lasts for 5 frames."""
    slow = np.repeat(rng.normal(0, 1, (-(-frames // 5), *shape)), 5, axis=0)[:frames]
    errors: np.ndarray = np.sqrt(0.5) * (slow + rng.normal(0, 1, (frames, *shape)))
    return errors
