"""Ultralytics' labels: a folder of NAME_1.txt, one line per person, as shares of the image size."""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints.formats.found import USUAL_LAYOUTS, FormatError, Found, frame_numbers

NAME = "YOLO: a folder of NAME_1.txt with lines `class x y width height x1 y1 score1 x2 ..`"
#: The end of the names of its files.
SUFFIX = ".txt"
#: Class and box before the points; a score of the box and a track's number may follow them.
_BOX, _MOST_AFTER = 5, 2


def read_files(contents: dict[str, str]) -> Found:
    """Read the files of all frames, by name.

    Raises:
        FormatError: if a line does not consist of such numbers.
    """
    found = Found()
    frame = frame_numbers(contents, "the files' names")
    for name in sorted(contents, key=frame.__getitem__):
        found.listed.append(frame[name])
        for index, line in enumerate(contents[name].splitlines()):
            if line.strip():
                _add(found, frame[name], line, f"{name}, line {index + 1}")
    return found


def _add(found: Found, number: int, line: str, where: str) -> None:
    try:
        values = np.array(line.split(), np.float64)
    except ValueError as error:
        raise FormatError(f"{where}: is not a line of numbers; such lines: {NAME}") from error
    count, columns = _shape(len(values), where)
    points = values[_BOX : _BOX + count * columns].reshape(count, columns)
    after = values[_BOX + count * columns :]
    track = after[-1] if len(after) and after[-1] >= 1 and after[-1] % 1 == 0 else None
    found.add(number, points, name=None if track is None else int(track), where=where)


def _shape(values: int, where: str) -> tuple[int, int]:
    """Return how many points a line of numbers holds, and how many numbers each."""
    for columns in (3, 2):
        for after in range(_MOST_AFTER + 1):
            count, rest = divmod(values - _BOX - after, columns)
            if not rest and count in USUAL_LAYOUTS:
                return count, columns
    raise FormatError(f"{where}: has {values} numbers, not those of a pose; such lines: {NAME}")
