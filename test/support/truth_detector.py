"""A stand-in for a detector's networks: it looks up what was rendered, and so is always right."""

from __future__ import annotations

import numpy as np

from pstmo_core.detection.base import Detections
from pstmo_core.lift.sources import Images
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.renderer import Renderer
from pstmo_core.simulation.view import View

FPS = 25.0
VIEW = View(width=320, height=240, focal=280.0)


class TruthDetector:
    """Gives the joints of the n-th image at the n-th call, people in changing order."""

    layout = "h36m17"

    def __init__(self, points: np.ndarray) -> None:
        """Take the joints of all images, (F, P, 17, 2) pixels."""
        self._points = points
        self.calls = 0

    def detect(self, image: np.ndarray) -> Detections:
        points = self._points[self.calls % len(self._points)].astype(np.float32)
        self.calls += 1
        points = points[:: 1 if self.calls % 2 else -1]
        return Detections(points, np.ones(points.shape[:2], np.float32))

    def reset(self) -> None:
        pass

    def describe(self) -> str:
        return "the truth"


def film(people: int, frames: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Render real motion: images (H, W, 3) and joints (F, P, 17, 3) in the camera's frame, metres.

    People walk and turn as in the shipped motion.
    """
    moving = MovingPeople.shipped(people)
    renderer = Renderer(VIEW, people, seed=1)
    world = np.stack([moving.joints(index / FPS) for index in range(frames)])
    return [renderer.render(joints) for joints in world], VIEW.to_camera(world)


def images_of(images: list[np.ndarray]) -> Images:
    """Return images as a source."""
    stamped = [(round(index * 1e9 / FPS), image) for index, image in enumerate(images)]
    return Images(lambda: iter(stamped), len(images))
