"""Images of a drawn clip: a frame of the video, and several moments in one picture."""

from __future__ import annotations

import numpy as np

from pstmo_core.drawing import shapes
from pstmo_core.drawing.colours import LEFT_COLOUR, MIDDLE_COLOUR, RIGHT_COLOUR, TRUTH_COLOUR
from pstmo_core.drawing.drawn_clip import TURN, DrawnClip
from pstmo_core.keypoints.clip import Clip

#: How many moments the picture shows.
MOMENTS = 4
_CAPTIONS = ("input: 2D keypoints", "3D, from the camera", f"3D, turned by {TURN:.0f} degrees")
_EDGE, _HEADER, _FOOTER = 16, 56, 44  # pixels


def video_frame(
    drawn: DrawnClip, frame: int, title: str | None, photo: np.ndarray | None = None
) -> np.ndarray:
    """Draw a frame: the keypoints, on a photo (H, W, 3) uint8 BGR if given, and both views."""
    size = _fit(drawn.clip, 720, 480)
    height, side = max(size[1], 400), 400
    panels = [drawn.input_panel(frame, size, photo)]
    panels += [drawn.view_panel(frame, view, (side, height)) for view in drawn.views]
    image = shapes.canvas(
        sum(panel.shape[1] + _EDGE for panel in panels) + _EDGE, height + _HEADER + _FOOTER
    )
    left = _EDGE
    for panel, caption in zip(panels, _CAPTIONS, strict=True):
        top = _HEADER + (height - panel.shape[0]) // 2
        image[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
        if photo is None or panel is not panels[0]:  # on a photograph it would not be read
            shapes.write(image, caption, (left + 12, top + 26), size=16, colour=shapes.FAINT)
        left += panel.shape[1] + _EDGE
    words = f"{drawn.seconds(frame):.2f} s"
    if np.isfinite(drawn.errors[frame]):
        words = f"error {drawn.errors[frame]:.0f} mm     {words}"
    _write_margins(image, drawn, title, words)
    return image


def overview(drawn: DrawnClip, title: str | None) -> np.ndarray:
    """Draw several moments side by side; rows are the input and both views."""
    column, view_height = 330, 330
    input_size = _fit(drawn.clip, column, 400)
    second = _HEADER + input_size[1] + _EDGE
    rows = (_HEADER, second, second + view_height + _EDGE)
    image = shapes.canvas(
        _EDGE + MOMENTS * (column + _EDGE), rows[-1] + view_height + _FOOTER, shapes.GROUND
    )
    captions = iter(_CAPTIONS)
    for number, frame in enumerate(_moments(drawn)):
        left = _EDGE + number * (column + _EDGE)
        panels = [drawn.input_panel(frame, input_size)]
        panels += [drawn.view_panel(frame, view, (column, view_height)) for view in drawn.views]
        for panel, top in zip(panels, rows, strict=True):
            start = left + (column - panel.shape[1]) // 2
            image[top : top + panel.shape[0], start : start + panel.shape[1]] = panel
            if number == 0:
                caption = next(captions)
                shapes.write(image, caption, (start + 12, top + 24), size=15, colour=shapes.FAINT)
        words = f"{drawn.seconds(frame):.2f} s"
        shapes.write(image, words, (left + column - 12, rows[1] + 24), size=15, align="right")
    known = drawn.errors[np.isfinite(drawn.errors)]
    words = f"mean error {known.mean():.0f} mm" if len(known) else ""
    _write_margins(image, drawn, title, words)
    return image


def _fit(clip: Clip, width: int, height: int) -> tuple[int, int]:
    """Return the largest size of the image's aspect within a box."""
    scale = min(width / clip.width, height / clip.height)
    return max(2, round(clip.width * scale)), max(2, round(clip.height * scale))


def _moments(drawn: DrawnClip) -> np.ndarray:
    """Choose frames at equal distances among those that show somebody."""
    shown = np.flatnonzero(np.isfinite(drawn.joints).any((1, 2, 3)))
    frames = shown if len(shown) else np.arange(len(drawn.clip))
    return frames[((np.arange(MOMENTS) + 0.5) / MOMENTS * len(frames)).astype(int)]


def _write_margins(image: np.ndarray, drawn: DrawnClip, title: str | None, words: str) -> None:
    """Write the title and some words above, and what the colours mean below."""
    height, width = image.shape[:2]
    shapes.write(image, title or "P-STMO", (_EDGE, 36), size=21)
    shapes.write(image, words, (width - _EDGE, 36), size=21, align="right")
    meanings = [("left", LEFT_COLOUR), ("right", RIGHT_COLOUR), ("middle", MIDDLE_COLOUR)]
    if drawn.clip.truth is not None:
        meanings.append(("truth", TRUTH_COLOUR))
    if (drawn.unseen & np.isfinite(drawn.joints).all(-1)).any():
        meanings.append(("not seen", tuple(shapes.faded(np.array(MIDDLE_COLOUR)))))
    for number, (meaning, colour) in enumerate(meanings):
        left = _EDGE + 100 * number
        image[height - 25 : height - 15, left : left + 18] = shapes.bgr(colour)
        shapes.write(image, meaning, (left + 26, height - 14), size=15, colour=shapes.FAINT)
    if drawn.left_out:
        words = f"{drawn.left_out} more people not shown in 3D"
        place = (width - _EDGE, height - 14)
        shapes.write(image, words, place, size=15, colour=shapes.FAINT, align="right")
