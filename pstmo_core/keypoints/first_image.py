"""Converts keypoints to pixels of the stream's first image when a camera's resolution changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame, resized


class FirstImage:
    """Brings keypoints of a camera that changes its resolution to the pixels of its first image.

    An image of the same shape shows the same. One of another shape shows less at two sides, or
    more: then the calibration says how large things are in it, or else the people do, who are not
    larger all of a sudden.
    """

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None
        """Width and height in pixels."""
        self._focal = 0.0
        """Of the newest calibrated image of that shape."""
        self._extent = np.nan
        """How large people appeared last, in its pixels."""
        self._guess: tuple[tuple[int, int], float] | None = None
        """Size of an image of another shape, and by how much its pixels are larger."""

    def resized(self, frame: KeypointFrame) -> KeypointFrame:
        """Return a frame in the first image's pixels if its image has the same shape."""
        self._size = self._size or (frame.width, frame.height)
        return resized(frame, self._size)

    def fits(self, frame: KeypointFrame) -> bool:
        """Say whether a frame is in the first image's pixels."""
        return self._size in (None, (frame.width, frame.height))

    def refit(self, frame: KeypointFrame) -> KeypointFrame:
        """Return a frame as the first image would have shown it.

        Args:
            frame: as of `resized`, and without distortion if its camera is calibrated.
        """
        extent, scale = _extent(frame), 1.0
        if self._size is None or self.fits(frame):
            self._focal = frame.focal or self._focal
        else:
            calibrated = self._focal and frame.focal
            scale = (
                self._focal / frame.focal
                if calibrated
                else self._guessed(self._size, frame, extent)
            )
            frame = _shown(frame, self._size, scale)
        self._extent = extent * scale if np.isfinite(extent) else self._extent
        return frame

    def _guessed(self, first: tuple[int, int], frame: KeypointFrame, extent: float) -> float:
        """Return by how much pixels are larger, if images are as wide or as high as before."""
        size = frame.width, frame.height
        if self._guess is None or self._guess[0] != size:
            wide, high = np.divide(first, size).tolist()
            change = self._extent / extent
            if not np.isfinite(change):  # nobody tells
                return float(max(wide, high))
            is_wide = abs(np.log(wide / change)) < abs(np.log(high / change))
            self._guess = size, wide if is_wide else high
        return self._guess[1]


def _shown(frame: KeypointFrame, size: tuple[int, int], scale: float) -> KeypointFrame:
    """Return a frame as an image of another size shows it, whose pixels are smaller by a factor."""
    before = np.array([frame.width, frame.height], np.float32) / 2
    points = np.array(size, np.float32) / 2 + (frame.points - before) * np.float32(scale)
    return replace(frame, points=points, width=size[0], height=size[1], focal=frame.focal * scale)


def _extent(frame: KeypointFrame) -> float:
    """Return how large people appear in pixels, NaN without any: the median of their spreads."""
    seen = frame.scores > 0
    people = seen.sum(-1) > 1
    if not people.any():
        return float("nan")
    points = np.where(seen[..., None], frame.points, np.nan)[people]
    return float(np.median(np.linalg.norm(np.nanstd(points, axis=1), axis=-1)))
