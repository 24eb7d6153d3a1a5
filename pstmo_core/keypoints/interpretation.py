"""Interprets the numbers of a keypoint file: pixels or shares, kinds of scores, units of time.

Each function returns the numbers as this library has them, and a sentence where they were changed.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.frame import LARGEST_SHARE, placeholders

Note = str
#: Seconds between two frames beyond which stamps are in another unit, and the least in that unit.
_LONGEST_STEP, _SHORTEST_STEP = 2.0, 0.0005
_UNITS = {1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}


class InterpretationError(PstmoError):
    """Numbers that cannot be keypoints in an image; says what they might be."""


def to_pixels(points: np.ndarray, size: tuple[int, int] | None) -> tuple[np.ndarray, Note]:
    """Turn shares of an image's width and height, 0 to 1, into pixels.

    Args:
        points: (..., 2), in pixels already or in shares; NaN = not known.
        size: image width and height in pixels; needed for shares.

    Raises:
        InterpretationError: if they lie around 0, or the size is not known.
    """
    # Nine of ten: MediaPipe's go far beyond 1 for what it guesses outside of the image.
    known = np.isfinite(points).all(-1) & ~placeholders(points)
    values = points[known]
    if not len(values) or np.quantile(np.abs(values[:100_000]), 0.9) > LARGEST_SHARE:
        return points, ""
    if (values < -0.05).mean() > 0.05:
        raise InterpretationError(
            "has coordinates around 0 that are neither pixels nor shares of the image, 0 to 1: "
            "metres (world landmarks), or normalised to -1 to 1; write pixels"
        )
    if size is None:
        raise InterpretationError(
            "has coordinates from 0 to 1, shares of the image: give the image size (width and "
            "height), as --size 1280 720 for commands"
        )
    note = f"coordinates from 0 to 1 were taken as shares of an image of {size[0]} x {size[1]}"
    return points * np.array(size, points.dtype), f"{note} pixels"


def to_scores(scores: np.ndarray) -> tuple[np.ndarray, Note]:
    """Turn scores into numbers from 0 (not seen) to 1; NaN becomes 0.

    COCO's flags of visibility (0, 1 hidden, 2 seen) become 0, 0.5 and 1; percents are divided.
    """
    scores = np.nan_to_num(scores, nan=0.0, posinf=1.0, neginf=0.0)
    largest = scores.max(initial=0.0)
    if largest <= 1:
        return np.clip(scores, 0, 1), ""
    if largest == 2 and np.isin(scores[scores > 0][:100_000], (1, 2)).all():
        return np.clip(scores / 2, 0, 1), "scores 0, 1 and 2 were taken as COCO's visibility"
    if 10 < np.median(scores[scores > 0]) <= 100:
        return np.clip(scores / 100, 0, 1), "scores up to 100 were taken as percents"
    return np.clip(scores, 0, 1), f"scores up to {largest:.2f} count as 1 where they are above it"


def to_seconds(stamps: np.ndarray) -> tuple[np.ndarray, Note]:
    """Turn stamps (F,) that lie further apart than frames do into seconds."""
    steps = np.abs(np.diff(stamps))
    steps = steps[steps > 0]
    if not len(steps) or not steps.min() > _LONGEST_STEP:
        return stamps, ""
    for unit, name in _UNITS.items():
        if _SHORTEST_STEP <= np.median(steps) * unit <= _LONGEST_STEP:
            return stamps * unit, f"stamps were taken as {name}"
    return stamps, ""
