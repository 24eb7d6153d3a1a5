"""The content of a keypoint file; what it does not state is None."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pstmo_core.errors import PstmoError, quoted
from pstmo_core.keypoints.frame import placeholders
from pstmo_core.keypoints.layouts import LAYOUTS, body25b

#: The layouts that a number of points means in files of detectors, which do not name them.
USUAL_LAYOUTS = {
    17: "coco17", 18: "openpose18", 25: "body25", 26: "halpe26", 33: "blazepose33",
    133: "wholebody133", 136: "halpe136",
}  # fmt: skip

#: What frames call their time, and how many seconds its unit is. Where the name does not say the
#: unit, the numbers do (`interpretation.to_seconds`).
TIMES = {
    "timestamp_ns": 1e-9, "time_ns": 1e-9, "timestamp_us": 1e-6, "timestamp_usec": 1e-6,
    "time_us": 1e-6, "timestamp_ms": 1e-3, "time_ms": 1e-3, "timestamp": 1.0, "time": 1.0,
    "stamp": 1.0, "time_s": 1.0, "timestamp_s": 1.0, "seconds": 1.0, "t": 1.0,
}  # fmt: skip
#: What heads of files call the frame rate, and the image's width and height.
_RATES = ("fps", "frame_rate", "framerate")
_SIZES = (("width", "height"), ("image_width", "image_height"), ("w", "h"))

#: Points that a layout has of the names in a file in which there are others, too.
_FEWEST_NAMED = 6


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
    notes: list[str] = field(default_factory=list)
    """Notes for the user on how the file was read: sentences."""

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

    def list_frame(self, number: int, facts: Any = None) -> None:
        """List a frame, and its time where its object says one.

        Raises:
            FormatError: if the time is no number.
        """
        self.listed.append(number)
        facts = facts if isinstance(facts, dict) else {}
        key = next((key for key in TIMES if facts.get(key) is not None), None)
        if key is not None:
            self.seconds[number] = (
                float(numbers(facts[key], f"frame {number}, {key}").reshape(())) * TIMES[key]
            )

    def take_facts(self, facts: dict[str, Any]) -> None:
        """Take the frame rate and the image size that the head of a file may say."""
        fps = next((facts[key] for key in _RATES if key in facts), None)
        if isinstance(fps, (int, float)) and fps > 0:
            self.fps = float(fps)
        for width, height in ((facts.get(w), facts.get(h)) for w, h in _SIZES):
            if self.size is None and isinstance(width, int) and isinstance(height, int):
                self.size = width, height

    def leave_out_nobody(self) -> None:
        """Leave out those of whom no point is seen: annotations have such, and padded lists."""
        there = [
            bool(((seen > 0) & np.isfinite(at).all(-1) & ~placeholders(at)).any())
            for at, seen in zip(self.points, self.scores, strict=True)
        ]
        for rows in (self.numbers, self.ids, self.points, self.scores):
            rows[:] = [row for row, keep in zip(rows, there, strict=True) if keep]  # type: ignore

    @property
    def named(self) -> bool:
        """Whether the file says who everybody is."""
        return all(self.ids)

    def usual_layout(self) -> str | None:
        """Return the layout: as the file says, else what detectors mean by so many points."""
        if self.layout is not None or not self.points or self.asks:
            return self.layout
        usual = USUAL_LAYOUTS.get(len(self.points[0]))
        if usual == "body25" and body25b.likelier(np.array(self.points), np.array(self.scores)):
            return body25b.BODY25B.name
        return usual


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
    """Return a frame's number: a whole number, or the last one in a file's name.

    Raises:
        FormatError: if there is none.
    """
    if isinstance(name, float) and name.is_integer():
        name = int(name)
    digits = _numbers_in(name)
    if not digits or len(digits[-1]) > 15:
        raise FormatError(f"{where}: {quoted(str(name))} holds no number of a frame")
    return int(digits[-1])


def frame_numbers(names: Iterable[object], where: str) -> dict[object, int]:
    """Return the number of each frame by its name: of several numbers in names the one that counts.

    That is the last one that is not the same in all: 000012_cam3.jpg, 000013_cam3.jpg, ..

    Raises:
        FormatError: if a name holds no number.
    """
    unique = list(dict.fromkeys(names))
    if all(isinstance(name, (int, float)) for name in unique):
        return {name: number_in(name, where) for name in unique}
    digits = [_numbers_in(name) for name in unique]
    counts = {len(each) for each in digits}
    varying = [
        column
        for column in range(max(counts, default=0) if len(counts) == 1 else 0)
        if len({int(each[column][:18]) for each in digits}) > 1
    ]
    if not varying or max(len(each[varying[-1]]) for each in digits) > 15:
        return {name: number_in(name, where) for name in unique}
    return {name: int(each[varying[-1]]) for name, each in zip(unique, digits, strict=True)}


def _numbers_in(name: object) -> list[str]:
    """Return the numbers in a file's name without its folder and its suffix."""
    plain = re.sub(r"(\.[a-zA-Z]\w*)+$", "", re.split(r"[/\\]", str(name))[-1])
    return re.findall(r"\d+", plain)


def short_name(point: str) -> str:
    """Name a point as this library does: Left Shoulder, left_shoulder, LShoulder -> lshoulder.

    Numbers stay: kp3, 3 -> 3.
    """
    plain = re.sub(r"[ _.\-]", "", point).lower()
    for long, short in (("left", "l"), ("right", "r")):
        if plain.startswith(long):
            plain = short + plain[len(long) :]
        elif plain.endswith(long):
            plain = short + plain[: -len(long)]
    digits = re.fullmatch(r"(?:kp|kpt|keypoint|point|joint|landmark|lm)?(\d+)", plain)
    return digits[1] if digits else plain


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


def short_names(layout: str) -> list[str]:
    """Return the names of a layout's points as `short_name` makes them, in order."""
    return [short_name(point) for point in LAYOUTS[layout].joint_names]


def layout_of(points: Iterable[str]) -> str | None:
    """Return the layout that has points of these short names, None where they are numbers.

    Raises:
        FormatError: if none has enough of them.
    """
    names = set(points)
    if all(name.isdecimal() for name in names):
        return None
    layouts = {layout: set(short_names(layout)) for layout in LAYOUTS}
    fitting = next((layout for layout, has in layouts.items() if names <= has), None)
    most = fitting or max(layouts, key=lambda layout: len(names & layouts[layout]))
    if fitting is None and len(names & layouts[most]) < _FEWEST_NAMED:
        raise FormatError(
            f"names points of no known layout: {sorted(names.difference(*layouts.values()))[:5]}; "
            f"known are those of {', '.join(LAYOUTS)}"
        )
    return most
