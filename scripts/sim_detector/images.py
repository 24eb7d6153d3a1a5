"""Rendered images with what is to be seen in them, for training and judging a keypoint detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.simulation.renderer import Renderer
from pstmo_core.simulation.view import View

_IMAGES_A_ROOM = 12
_PEOPLE = (0.05, 0.45, 0.35, 0.15)
_CLOSEST = 0.7
_MARGIN = 0.3
#: Height of the lowest joint above the floor: of an ankle on it, and where a jump ends; metres.
_ANKLE, _IN_THE_AIR = 0.07, 0.6


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image and the people in it."""

    image: np.ndarray
    """(H, W, 3) uint8 BGR."""
    points: np.ndarray
    """(P, 17, 2) float32 pixels; may lie outside of the image."""


def draw_images(mocap: Mocap, count: int, seed: int, size: tuple[int, int]) -> list[LabelledImage]:
    """Render images of no to three people in rooms, seen by cameras at robots' heights.

    Args:
        mocap: where poses come from.
        count: number of images.
        seed: of everything.
        size: image width and height in pixels.
    """
    rng = np.random.default_rng(seed)
    images: list[LabelledImage] = []
    while len(images) < count:
        view = _draw_view(rng, size)
        people = int(rng.choice(len(_PEOPLE), p=_PEOPLE))
        renderer = Renderer(view, people, int(rng.integers(2**31)), noise=rng.uniform(0, 6))
        for _ in range(min(_IMAGES_A_ROOM, count - len(images))):
            joints = _place(mocap, view, people, rng)
            renderer.change_clothes()
            points = view.project(view.to_camera(joints)).astype(np.float32)
            images.append(LabelledImage(renderer.render(joints), points))
    return images


def _draw_view(rng: np.random.Generator, size: tuple[int, int]) -> View:
    return View(
        *size,
        focal=size[0] * rng.uniform(0.6, 1.2),
        position=(rng.uniform(-1, 1), -5.0, rng.uniform(0.5, 2.2)),
        target=(rng.uniform(-1, 1), 0.0, rng.uniform(0.6, 1.3)),
    )


def _place(mocap: Mocap, view: View, people: int, rng: np.random.Generator) -> np.ndarray:
    """Return people (P, 17, 3), poses drawn and turned about, who stand apart in view."""
    placed: list[np.ndarray] = []
    spots: list[np.ndarray] = []
    while len(placed) < people:
        depth = rng.uniform(2.0, 7.5)
        aside = rng.uniform(-0.5, 0.5) * depth * view.width / view.focal * (1 - _MARGIN / 2)
        spot = np.array(view.position[:2]) + depth * _level(view, 2) + aside * _level(view, 0)
        if any(np.linalg.norm(spot - other) < _CLOSEST for other in spots):
            continue
        pose = mocap.positions[rng.integers(len(mocap.positions))].astype(np.float64)
        turn = rng.uniform(0, 2 * np.pi)
        about_z = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        pose[:, :2] = (pose[:, :2] - pose[0, :2]) @ about_z.T * rng.uniform(0.92, 1.08) + spot
        lowest = pose[:, 2].min()
        if lowest > _IN_THE_AIR or lowest < _ANKLE:  # people climb and sink in the capture
            pose[:, 2] += _ANKLE - lowest
        placed.append(pose)
        spots.append(spot)
    return np.array(placed).reshape(-1, 17, 3)


def _level(view: View, axis: int) -> np.ndarray:
    """Return a camera axis (2,) as seen from above, of unit length."""
    direction = view.rotation[axis, :2]
    return direction / np.linalg.norm(direction)
