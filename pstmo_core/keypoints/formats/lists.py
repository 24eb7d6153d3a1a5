"""Nested lists of numbers: frames of points of one person, or of several.

Of 33 points (BlazePose) a third number is a depth relative to the hip, no score, and is left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pstmo_core.keypoints.formats.found import FormatError, Found, numbers

NAME = "lists: (frames, points, 2 or 3) or (frames, people, points, 2 or 3)"
_BLAZEPOSE = 33


def fits(content: Any) -> bool:
    """Tell by content."""
    return isinstance(content, list) and bool(content)


def read(content: Any) -> Found:
    """Read frames."""
    points = numbers(content, "the list of frames")
    if points.ndim == 2 and points.shape[1] == 4 * _BLAZEPOSE:  # MediaPipe's, flattened
        points = points.reshape(-1, _BLAZEPOSE, 4)[..., [0, 1, 3]]
    elif points.ndim > 1 and points.shape[-2] == _BLAZEPOSE:
        points = points[..., [0, 1, 3] if points.shape[-1] in (4, 5) else [0, 1]]
    if points.ndim not in (3, 4) or points.shape[-1] not in (2, 3):
        raise FormatError(
            f"holds numbers of the shape {points.shape}, but must hold (frames, points, 2 or 3)"
        )
    if points.ndim == 3:
        points = points[:, None]
    found = Found(asks=True, listed=list(range(len(points))))
    for number, person in np.ndindex(*points.shape[:2]):
        found.add(number, points[number, person], name=f"p{person}", where=f"frame {number}")
    return found
