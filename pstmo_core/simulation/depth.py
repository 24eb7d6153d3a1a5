"""Depth images of people in the room, as a depth camera beside the colour camera gives them."""

from __future__ import annotations

import numpy as np

from pstmo_core.simulation.body import Parts
from pstmo_core.simulation.view import View

#: Balls of which a limb is made.
_BALLS = 10
_NEAREST = 0.3


def draw_depth(view: View, parts: Parts, room: np.ndarray) -> np.ndarray:
    """Return the depth image of people and the room behind them.

    Args:
        view: the camera.
        parts: of the people, world frame.
        room: (H, W), the same without people, see `room_depths`.

    Returns:
        (H, W) float32 metres along the camera's axis.
    """
    image = room.copy()
    share = np.linspace(0, 1, _BALLS)[:, None, None]
    middles = view.to_camera(parts.first + share * (parts.second - parts.first)).reshape(-1, 3)
    radii = (parts.radius[:, 0] + share[..., 0] * np.diff(parts.radius)[:, 0]).ravel()
    for middle, radius in zip(middles, radii.tolist(), strict=True):
        if middle[2] - radius > _NEAREST:
            _draw_ball(image, view, middle, radius)
    return image


def _draw_ball(image: np.ndarray, view: View, middle: np.ndarray, radius: float) -> None:
    """Bring the pixels of a ball to its depths where it is nearer than what they show."""
    x, y = view.project(middle)
    reach = radius / middle[2] * view.focal
    left, right = max(0, int(x - reach)), min(view.width, int(x + reach) + 2)
    top, bottom = max(0, int(y - reach)), min(view.height, int(y + reach) + 2)
    if left >= right or top >= bottom:
        return
    columns, rows = np.arange(left, right) + 0.5, np.arange(top, bottom)[:, None] + 0.5
    aside = ((columns - x) ** 2 + (rows - y) ** 2) * (middle[2] / view.focal) ** 2
    depth = middle[2] - np.sqrt(np.maximum(radius**2 - aside, 0.0))
    part = image[top:bottom, left:right]
    np.copyto(part, depth, where=(aside < radius**2) & (depth < part))
