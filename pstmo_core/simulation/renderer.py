"""Images of people in a room, as a virtual camera takes them."""

from __future__ import annotations

import numpy as np

from pstmo_core.errors import how_to_install
from pstmo_core.simulation.body import Look, Parts, body_parts
from pstmo_core.simulation.room import draw_room
from pstmo_core.simulation.view import View

try:
    import cv2
except ImportError as error:
    raise ImportError(f"the virtual camera needs OpenCV: {how_to_install('media')}") from error

_SHIFT = 4  # OpenCV takes 1/16 pixel
#: Each limb is drawn as this many strips along it, each with the light that falls on it.
_STRIPS = 5
_AMBIENT = 0.45
_NEAREST = 0.3
_SHADOW = 0.6


class Renderer:
    """Draws people, nearer over farther, shaded by one light, over a room that it drew once.

    The looks of room, light and people come from the seed alone.
    """

    def __init__(self, view: View, people: int, seed: int = 0, noise: float = 3.0) -> None:
        """Prepare the room and the looks of some number of people.

        Args:
            view: the camera.
            people: number of people, P.
            seed: of everything that is random.
            noise: deviation of the sensor's noise in grey levels.
        """
        rng = np.random.default_rng(seed)
        self.view = view
        self._room = draw_room(view, rng)
        self._looks = [Look.draw(rng) for _ in range(people)]
        direction = rng.normal(size=3) * (1, 1, 0.4) + (0, 0, 0.8)
        self._light = view.rotation @ (direction / np.linalg.norm(direction))
        self._exposure = float(rng.uniform(0.75, 1.15))
        # Twice as high as the image: each image takes the noise from another row on.
        self._grain = rng.normal(0, noise, (2 * view.height, view.width, 1)).astype(np.float32)
        self._rng = rng

    def change_clothes(self) -> None:
        """Give everybody other clothes."""
        self._looks = [Look.draw(self._rng) for _ in self._looks]

    def render(self, joints: np.ndarray) -> np.ndarray:
        """Return the image (H, W, 3) uint8 BGR of people with joints (P, 17, 3), metres, world."""
        image = self._room.copy()
        self._draw_shadows(image, joints)
        if len(joints):
            bodies = zip(joints, self._looks, strict=True)
            self._draw_parts(image, Parts.join([body_parts(body, look) for body, look in bodies]))
        row = int(self._rng.integers(self.view.height))
        image = cv2.GaussianBlur(image, (3, 3), 0.7) * self._exposure
        return np.clip(image + self._grain[row : row + self.view.height], 0, 255).astype(np.uint8)

    def _draw_shadows(self, image: np.ndarray, joints: np.ndarray) -> None:
        """Darken the floor below people."""
        angle = np.linspace(0, 2 * np.pi, 24)
        circle = 0.32 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
        for body in joints:
            middle = body.mean(0) * (1, 1, 0)
            rim = self.view.to_camera(circle + middle)
            if rim[:, 2].min() < _NEAREST:
                continue
            pixels = self.view.project(rim)
            low = np.clip(
                np.floor(pixels.min(0)).astype(int), 0, (self.view.width, self.view.height)
            )
            high = np.clip(
                np.ceil(pixels.max(0)).astype(int), 0, (self.view.width, self.view.height)
            )
            part = image[low[1] : high[1], low[0] : high[0]]
            if part.size:
                mask = np.zeros(part.shape[:2], np.uint8)
                cv2.fillPoly(mask, [_fixed(pixels - low)], 255, cv2.LINE_AA, _SHIFT)
                part *= 1 - (1 - _SHADOW) * mask[..., None].astype(np.float32) / 255

    def _draw_parts(self, image: np.ndarray, parts: Parts) -> None:
        first, second = self.view.to_camera(parts.first), self.view.to_camera(parts.second)
        ends = np.stack([first, second], 1)
        depth = ends[..., 2].mean(1)
        radius = parts.radius / np.maximum(ends[..., 2], _NEAREST) * self.view.focal
        pixels = self.view.project(ends)
        colours = self._shade(ends, parts.colour)
        for part in np.argsort(-depth):
            if ends[part, :, 2].min() > _NEAREST:
                _draw_capsule(image, pixels[part], radius[part], colours[part])

    def _shade(self, ends: np.ndarray, colour: np.ndarray) -> np.ndarray:
        """Return the colours (N, strips, 3) of parts between ends (N, 2, 3), from side to side."""
        axis = ends[:, 1] - ends[:, 0]
        axis = axis / np.maximum(np.linalg.norm(axis, axis=-1, keepdims=True), 1e-6)
        towards = -ends.mean(1)
        towards = towards - (towards * axis).sum(-1, keepdims=True) * axis
        towards = towards / np.maximum(np.linalg.norm(towards, axis=-1, keepdims=True), 1e-6)
        side = np.cross(axis, towards)
        angle = np.pi * ((np.arange(_STRIPS) + 0.5) / _STRIPS - 0.5)
        normal = np.cos(angle)[:, None] * towards[:, None] + np.sin(angle)[:, None] * side[:, None]
        light = _AMBIENT + (1 - _AMBIENT) * np.clip(normal @ self._light, 0, None)
        return light[..., None] * colour[:, None]


def _draw_capsule(
    image: np.ndarray, ends: np.ndarray, radius: np.ndarray, colours: np.ndarray
) -> None:
    """Draw a tapered capsule between two pixels (2, 2), its strips in colours (strips, 3)."""
    along = ends[1] - ends[0]
    length = float(np.hypot(*along))
    middle = tuple(float(value) for value in colours[_STRIPS // 2])
    for end, r in zip(ends, radius, strict=True):
        centre = tuple(_fixed(end).tolist())
        cv2.circle(image, centre, int(r * 2**_SHIFT), middle, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    if length < 0.5:
        return
    across = np.array([-along[1], along[0]]) / length
    # Strips of a cylinder are narrower towards its sides.
    rims = np.sin(np.pi * (np.arange(_STRIPS + 1) / _STRIPS - 0.5))
    lines = ends + across * (rims[:, None] * radius)[..., None]
    for strip in range(_STRIPS):
        quad = np.concatenate([lines[strip], lines[strip + 1][::-1]])
        colour = tuple(float(value) for value in colours[strip])
        cv2.fillConvexPoly(image, _fixed(quad), colour, cv2.LINE_AA, _SHIFT)


def _fixed(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels * 2**_SHIFT).astype(np.int32)
