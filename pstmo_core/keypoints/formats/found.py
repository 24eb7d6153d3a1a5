"""What a file of keypoints says; what it does not say is None."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pstmo_core.errors import PstmoError, quoted

#: The layouts that a number of points means in files of detectors, which do not name them.
USUAL_LAYOUTS = {
    17: "coco17", 18: "openpose18", 25: "body25", 26: "halpe26", 33: "blazepose33",
    133: "wholebody133", 136: "halpe136",
}  # fmt: skip


class FormatError(PstmoError):
    """A file of no known format, or one that breaks its own; says where, and what is needed."""


@dataclass
class Found:
    """Keypoints of people, a row each time that somebody was seen."""

    layout: str | None = None
    asks: bool = False
    """Whether the user has to say the layout where several have as many points."""
    numbers: list[int] = field(default_factory=list)
    """Number of the frame of each row."""
    ids: list[str] = field(default_factory=list)
    """Of each row; empty where the file does not say who is who."""
    points: list[np.ndarray] = field(default_factory=list)
    """(J, 2) of each row."""
    scores: list[np.ndarray] = field(default_factory=list)
    """(J,) of each row."""
    listed: list[int] = field(default_factory=list)
    """Numbers of frames that the file lists, with or without people."""
    fps: float | None = None
    size: tuple[int, int] | None = None
    """Image width and height."""
    seconds: dict[int, float] = field(default_factory=dict)
    """Time of each frame by its number."""

    def add(
        self,
        number: int,
        points: Any,
        scores: Any = None,
        name: object = None,
        where: str = "",
    ) -> None:
        """Add somebody in a frame.

        Args:
            number: of the frame.
            points: (J, 2) or (J, 3), or as many numbers in one list; the third is a score.
            scores: (J,), where they stand apart; None: those in `points`, or all seen.
            name: who it is, None where that is not known.
            where: where in the file this is, for errors.

        Raises:
            FormatError: if these are no such numbers, or not as many as of others.
        """
        array: Any = numbers(points, f"{where}, keypoints")
        if array.ndim == 1:
            array = array.reshape(-1, 3 if scores is None and array.size % 3 == 0 else 2)
        if array.ndim != 2 or array.shape[1] not in (2, 3):
            raise FormatError(f"{where}: has keypoints of the shape {array.shape}, not (points, 2)")
        if self.points and len(array) != len(self.points[0]):
            raise FormatError(
                f"{where}: has {len(array)} points, but others have {len(self.points[0])}"
            )
        if scores is not None:
            seen = numbers(scores, f"{where}, scores").reshape(-1)
        else:
            seen = array[:, 2] if array.shape[1] == 3 else np.ones(len(array))
        if len(seen) != len(array):
            raise FormatError(f"{where}: has {len(seen)} scores for {len(array)} points")
        self.numbers.append(number)
        self.ids.append("" if name is None else str(name))
        self.points.append(array[:, :2])
        self.scores.append(seen)

    @property
    def named(self) -> bool:
        """Whether the file says who everybody is."""
        return all(self.ids)

    def usual_layout(self) -> str | None:
        """Return the layout: as the file says, else what detectors mean by so many points."""
        if self.layout is None and self.points and not self.asks:
            return USUAL_LAYOUTS.get(len(self.points[0]))
        return self.layout


def numbers(value: Any, where: str) -> np.ndarray:
    """Make an array of nested lists of numbers; null is not known.

    Raises:
        FormatError: if it is no regular list of numbers.
    """
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"{where}: is not a regular list of numbers, as many points in every frame"
        ) from error


def number_in(name: object, where: str) -> int:
    """Return a frame's number: an integer, or the last one in a file's name.

    Raises:
        FormatError: if there is none.
    """
    digits = re.findall(r"\d+", str(name).rpartition("/")[2])
    if not digits or len(digits[-1]) > 15:
        raise FormatError(f"{where}: {quoted(str(name))} holds no number of a frame")
    return int(digits[-1])


def is_list_of(content: Any, kind: type) -> bool:
    """Tell a list that is not empty and whose first entries are of a kind."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(entry, kind) for entry in content[:100])
    )


def ordered_numbers(names: Iterable[object]) -> dict[object, int]:
    """Number names in the order of the numbers in them, from 0."""

    def order(name: object) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", str(name))
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]

    return {name: index for index, name in enumerate(sorted(set(names), key=order))}
