"""Skeletons, floors and words on images, drawn with OpenCV. Images are (H, W, 3) uint8 BGR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from pstmo_core.drawing.colours import TRUTH_COLOUR, joint_colours
from pstmo_core.errors import how_to_install
from pstmo_core.skeleton import EDGES

try:
    import cv2
except ImportError as error:
    raise ImportError(f"pictures and videos need OpenCV: {how_to_install('media')}") from error

Colour = tuple[float, float, float]

GROUND: Colour = (0.085, 0.095, 0.115)
PANEL: Colour = (0.125, 0.137, 0.165)
GRID: Colour = (0.21, 0.23, 0.27)
TEXT: Colour = (0.93, 0.94, 0.95)
FAINT: Colour = (0.62, 0.65, 0.70)

_FADED = 0.3  # share of the colour that is left of what is drawn faintly
_SHIFT = 4  # OpenCV takes 1/16 pixel: bones that move do not jitter
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class View:
    """A virtual camera that looks at the scene's origin from afar. Scenes have y down."""

    yaw: float
    """Degrees about the vertical; 0 looks along z, as the real camera does."""
    pitch: float
    """Degrees from above."""
    distance: float
    """Metres to the origin."""
    reach: tuple[float, float]
    """Metres from the origin that must be in view to the side, and up and down."""

    @property
    def right(self) -> np.ndarray:
        """The direction (3,) in the scene that this view shows as to the right."""
        yaw = math.radians(self.yaw)
        return np.array([math.cos(yaw), 0.0, math.sin(yaw)])

    def scale(self, size: tuple[int, int]) -> float:
        """Return the pixels of a metre at the origin, on a panel of some width and height."""
        return min(size[0] / self.reach[0], size[1] / self.reach[1]) / 2

    def project(self, points: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Project points (..., 3) on a panel of some width and height.

        Returns:
            Pixels (..., 2) and depths (...,) in metres.
        """
        yaw, pitch = math.radians(self.yaw), math.radians(self.pitch)
        about_y = np.array(
            [[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]]
        )
        about_x = np.array(
            [
                [1, 0, 0],
                [0, math.cos(pitch), -math.sin(pitch)],
                [0, math.sin(pitch), math.cos(pitch)],
            ]
        )
        turned = points @ (about_x @ about_y).T
        depth = turned[..., 2] + self.distance
        focal = self.scale(size) * self.distance
        pixels = turned[..., :2] / np.maximum(depth, 0.1)[..., None] * focal
        return pixels + np.array(size) / 2, depth


def canvas(width: int, height: int, colour: Colour = GROUND) -> np.ndarray:
    """Return an image of one colour."""
    row = np.tile(np.array(bgr(colour), dtype=np.uint8), (width, 1))
    return np.repeat(row[None], height, axis=0)


@cache
def _ground(view: View, size: tuple[int, int], height: float, half: float) -> np.ndarray:
    image = canvas(*size, PANEL)
    steps = np.arange(-half, half + 0.01, 0.5)
    ends, flat = np.full_like(steps, half), np.full_like(steps, height)
    along = np.stack([np.stack([steps, flat, end], -1) for end in (-ends, ends)], 1)
    lines = np.concatenate([along, along[..., ::-1]])
    pixels, _ = view.project(lines, size)
    cv2.polylines(image, list(_fixed(pixels)), False, bgr(GRID), 2, cv2.LINE_AA, _SHIFT)
    return image


def ground(view: View, size: tuple[int, int], height: float, half: float) -> np.ndarray:
    """Return a panel with a square floor, `height` metres below the scene's origin.

    It has lines every half metre and reaches `half` metres to each side.
    """
    return _ground(view, size, height, half).copy()


def draw_skeleton(
    image: np.ndarray,
    pixels: np.ndarray,
    thickness: float,
    depth: np.ndarray | None = None,
    truth: bool = False,
    faint: np.ndarray | None = None,
) -> None:
    """Draw the 17 joints (17, 2) in pixels; those that are NaN and their bones are left out.

    Args:
        image: where to draw.
        pixels: the joints.
        thickness: width of the bones in pixels.
        depth: (17,) to draw far bones first.
        truth: thin and grey, to lie behind.
        faint: (17,) bool, joints that are drawn faintly with the bones that end in them.
    """
    known = np.isfinite(pixels).all(-1)
    points = _fixed(np.where(known[:, None], pixels, 0.0))
    shades = np.tile(TRUTH_COLOUR, (len(points), 1)) if truth else joint_colours()
    if faint is not None:
        shades[faint] = faded(shades[faint])
    width = max(1, round(thickness * (0.45 if truth else 1)))
    bones = [edge for edge in EDGES if known[list(edge)].all()]
    if depth is not None:
        bones.sort(key=lambda edge: -float(depth[list(edge)].sum()))
    for start, end in bones:
        a, b = points[start].tolist(), points[end].tolist()
        if not truth:
            cv2.line(image, a, b, bgr(PANEL), width + 2, cv2.LINE_AA, _SHIFT)
        cv2.line(image, a, b, bgr(shades[end]), width, cv2.LINE_AA, _SHIFT)
    if not truth:
        radius = round(thickness * 0.85 * 2**_SHIFT)
        for joint in np.flatnonzero(known):
            centre, colour = points[joint].tolist(), bgr(shades[joint])
            cv2.circle(image, centre, radius, colour, -1, cv2.LINE_AA, _SHIFT)


def faded(colour: np.ndarray) -> np.ndarray:
    """Return colours (..., 3) that are hardly brighter than a panel."""
    return np.asarray(_FADED * colour + (1 - _FADED) * np.array(PANEL))


def draw_dots(image: np.ndarray, pixels: np.ndarray, radius: float) -> None:
    """Draw points (N, 2) as faint dots; NaN are left out."""
    for point in _fixed(pixels[np.isfinite(pixels).all(-1)]).tolist():
        size = round(radius * 2**_SHIFT)
        cv2.circle(image, point, size, bgr(FAINT), -1, cv2.LINE_AA, _SHIFT)


def write(
    image: np.ndarray,
    text: str,
    position: tuple[int, int],
    *,
    size: float = 16,
    colour: Colour = TEXT,
    align: str = "left",
) -> None:
    """Write a line of text; `position` is its baseline's left, middle or right end."""
    scale = size / 30
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, 1)
    left = position[0] - {"left": 0, "centre": width // 2, "right": width}[align]
    cv2.putText(image, text, (left, position[1]), _FONT, scale, bgr(colour), 1, cv2.LINE_AA)


def shrink(image: np.ndarray, factor: int) -> np.ndarray:
    """Make an image smaller by a whole factor, which smooths what was drawn large."""
    size = (image.shape[1] // factor, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image resized to a width and height."""
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def bgr(colour: Colour | np.ndarray) -> tuple[int, int, int]:
    """Return a colour as OpenCV wants it."""
    red, green, blue = (round(255 * float(part)) for part in colour)
    return blue, green, red


def _fixed(pixels: np.ndarray) -> np.ndarray:
    """Pixels as OpenCV's fixed-point numbers; what is far outside is kept within its range."""
    return np.rint(np.clip(pixels, -8000, 8000) * 2**_SHIFT).astype(np.int32)
