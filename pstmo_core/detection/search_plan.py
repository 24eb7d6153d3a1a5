"""Plans when, where and at which size people are searched for in the images of one camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pstmo_core.detection.multipose import SIZES

#: The size where nothing is known of the people.
_USUAL = 320
#: Longest side of people, in pixels of the network's input, at which it finds them best.
_BEST = 160
#: From how many pixels of an image's longest side for one of the network's on, tiles are searched
#: too: smaller people are otherwise not seen at all.
_COARSE = 2.5
_MOST_TILES = 3
#: Share of a tile that the next one shows too, so that nobody is cut by all of them.
_SHARED = 0.25

Part = tuple[int, int, int, int]


@dataclass(frozen=True)
class View:
    """A search: where in an image, and how large the network sees it."""

    due: bool
    """Whether it is time for it, even if nobody was lost."""
    part: Part
    """Top, left, bottom, right, pixels."""
    size: int
    """Longest side of the part in the network's input, pixels."""
    new_camera: bool = False
    """Whether images have another size than before."""

    def should_show(self, points: np.ndarray, least: float) -> np.ndarray:
        """Say of people (P, J, 2) whether they are inside and as large as `least`, (P,)."""
        top, left, bottom, right = self.part
        low, high = points.min(1), points.max(1)
        inside = (low >= (left, top)).all(-1) & (high <= (right, bottom)).all(-1)
        scale = self.size / max(bottom - top, right - left)
        return inside & ((high - low).max(-1) * scale >= least)


class SearchPlan:
    """Plans a search every few images: of the whole image, alternating with one of its tiles.

    Args:
        size: longest side of the network's input; 0: chosen by the people's size.
        every: images from one search to the next.
        tiles: number along the image's longest side; 1: none, 0: chosen by the image's size.
    """

    def __init__(self, size: int = 0, every: int = 5, tiles: int = 0) -> None:
        self._size, self._every, self._tiles = size, every, tiles
        self.largest = SIZES[-1]
        """The largest size that is chosen."""
        self.restart()

    def restart(self) -> None:
        """Begin as with the first image."""
        self._shape = (0, 0)
        self._images = self._searches = 0
        self._crowd = 1  # tiles along the longest side in which people can be counted

    def next(self, shape: tuple[int, ...], people: np.ndarray) -> View:
        """Return the search for the next image.

        Args:
            shape: height and width of the image.
            people: (P, J, 2) pixels, those who were in the image before.
        """
        new_camera = self._images > 0 and shape != self._shape
        if new_camera:
            self.restart()
            people = people[:0]
        height, width = self._shape = (int(shape[0]), int(shape[1]))
        size = self._size or self._size_for(people, max(height, width))
        due = self._images % self._every == 0
        self._images += 1
        turn = self._searches
        self._searches += due or not len(people)
        tiles = tile_parts(height, width, self._across(size))
        if turn % 2 and tiles:
            return View(
                due,
                tiles[turn // 2 % len(tiles)],
                self._size or min(_USUAL, self.largest),
                new_camera,
            )
        return View(due, (0, 0, height, width), size, new_camera)

    def note_crowd(self, view: View, missed: bool) -> None:
        """Hear whether a search may have missed people since there are too many in its part.

        From then on tiles are searched, too, and smaller ones if theirs are too many. Without them
        in the whole image it is over.
        """
        whole = view.part == (0, 0, *self._shape)
        if missed and whole:
            self._crowd = max(self._crowd, 2)
        elif missed:
            self._crowd = min(max(self._crowd, self._across(view.size)) + 1, _MOST_TILES)
        elif whole:
            self._crowd = 1

    def _size_for(self, people: np.ndarray, longest: int) -> int:
        if not len(people):
            return min(_USUAL, self.largest)
        tall = np.ptp(people, axis=1).max(-1)
        wanted = _BEST * longest / max(float(np.median(tall)), 1.0)
        return max(s for s in SIZES if s <= min(max(wanted, SIZES[0]), self.largest))

    def _across(self, size: int) -> int:
        if self._tiles:
            return self._tiles
        by_size = math.floor(max(self._shape) / (_COARSE * size)) + 1
        return min(_MOST_TILES, max(by_size, self._crowd))


def tile_parts(height: int, width: int, across: int) -> list[Part]:
    """Return square parts of an image, of which its longest side has some number; none for 1."""
    if across < 2:
        return []
    side = math.ceil(max(height, width) / (across - (across - 1) * _SHARED))
    rows, columns = (_starts(length, side) for length in (height, width))
    return [
        (top, left, min(top + side, height), min(left + side, width))
        for top in rows
        for left in columns
    ]


def _starts(length: int, side: int) -> list[int]:
    """Return where parts of some side begin, so that they show all of a length."""
    if length <= side:
        return [0]
    count = math.ceil((length - side * _SHARED) / (side * (1 - _SHARED)))
    return [round(start) for start in np.linspace(0, length - side, count)]
