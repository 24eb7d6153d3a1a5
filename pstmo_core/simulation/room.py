"""The room behind the people: floor, walls and things on them, drawn once for a camera."""

from __future__ import annotations

import numpy as np

from pstmo_core.simulation.view import View

#: The room reaches this far to each side of the world's origin and up, metres.
HALF, HEIGHT = 7.0, 3.2
_THINGS = 24
_TILE = 0.5


def draw_room(view: View, rng: np.random.Generator) -> np.ndarray:
    """Return the image (H, W, 3) float32, 0 to 255, BGR, of an empty room with random looks."""
    rays = view.pixel_rays()
    position = _inside(view)
    distance, face = _first_hit(position, rays)
    points = position + distance[..., None] * rays
    image = np.empty(rays.shape, np.float32)
    for number in range(6):
        on_face = face == number
        # The two coordinates within the face: x and y on floor and ceiling, else one and z.
        across = points[on_face][:, [axis for axis in range(3) if axis != number // 2]]
        image[on_face] = _tiles(across, rng) if number == 4 else _wall(across, rng)
    lamp = rng.uniform((-4, -4, 2.6), (4, 4, 3.1))
    falloff = 1 / (1 + 0.03 * ((points - lamp) ** 2).sum(-1))
    return image * (0.35 + 0.65 * falloff / falloff.max())[..., None].astype(np.float32)


def room_depths(view: View) -> np.ndarray:
    """Return the depths (H, W) float32 of an empty room, metres along the camera's axis."""
    return _first_hit(_inside(view), view.pixel_rays())[0].astype(np.float32)


def _inside(view: View) -> np.ndarray:
    """Return where the camera is, moved into the room."""
    low, high = (-HALF + 0.05,) * 2 + (0.05,), (HALF - 0.05,) * 2 + (3.1,)
    return np.clip(np.array(view.position), low, high)


def _first_hit(position: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how far along each ray the room's box is hit, and on which of its six faces."""
    low, high = np.array([-HALF, -HALF, 0.0]), np.array([HALF, HALF, HEIGHT])
    with np.errstate(divide="ignore"):
        lengths = np.stack([(low - position) / rays, (high - position) / rays], -1)
    lengths = np.where(lengths > 1e-6, lengths, np.inf).reshape(*rays.shape[:-1], 6)
    face = lengths.argmin(-1)
    return np.take_along_axis(lengths, face[..., None], -1)[..., 0], face


def _colour(rng: np.random.Generator, low: float, high: float) -> np.ndarray:
    """Return a colour (3,) of some lightness that is not too strong."""
    return rng.uniform(low, high) * rng.uniform(0.75, 1.0, 3)


def _tiles(across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    first, second = _colour(rng, 70, 200), _colour(rng, 70, 200)
    cells = np.floor(across / rng.uniform(0.6, 2.0) / _TILE).astype(int)
    odd = (cells.sum(-1) % 2).astype(bool)
    shade = 1 + 0.08 * np.sin(7.3 * cells[:, :1] + 3.1 * cells[:, 1:])
    return np.where(odd[:, None], first, second) * shade


def _wall(across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a wall's colours: a slow gradient, and rectangles such as shelves and pictures."""
    colours = _colour(rng, 110, 230) * (1 + 0.1 * np.sin(across[:, :1] * rng.uniform(0.3, 1.0)))
    for _ in range(int(rng.integers(0, _THINGS))):
        corner = rng.uniform((-HALF, 0.0), (HALF, HEIGHT))
        size = rng.uniform(0.05, (1.5, 1.2))
        inside = ((across >= corner) & (across <= corner + size)).all(-1)
        colours[inside] = _colour(rng, 20, 240)
    return colours
