"""Tables with a header (CSV): columns of points by name; DeepLabCut's and SLEAP's among them."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime

import numpy as np

from pstmo_core.keypoints.formats.found import (
    TIMES,
    FormatError,
    Found,
    layout_of,
    short_name,
    short_names,
)

NAME = "CSV: a header frame,id,nose_x,nose_y,nose_score,.. or x0,y0,s0,..; DeepLabCut, SLEAP"
_FRAME = ("frame", "frame_idx", "frame_id", "frame_number", "image_id", "frame_index")
_ID = ("id", "person", "person_id", "track", "track_id", "individual")
_AXES = {
    "x": "x", "y": "y", "score": "s", "likelihood": "s", "conf": "s", "confidence": "s",
    "visibility": "s", "vis": "s", "c": "s", "s": "s", "v": "s", "p": "s",
}  # fmt: skip
_SEPARATORS = ",;\t|"
_DECIMAL = re.compile(r"^(\s*[-+]?\d*),(\d+(?:e[-+]?\d+)?\s*)$", re.IGNORECASE)
_AXIS = "|".join(_AXES)
_BETWEEN = r"[ _.\-:]"
#: nose_x, nose.x, 0_x, kp0_x; x_nose; x0, score12.
_COLUMNS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?P<point>.+?){_BETWEEN}+(?P<axis>{_AXIS})",
        rf"(?P<axis>{_AXIS}){_BETWEEN}+(?P<point>.+)",
        rf"(?P<axis>{_AXIS})(?P<point>\d+)",
    )
]
#: The columns of a long table, which has a row for each point.
_POINT = ("joint", "landmark", "keypoint", "bodypart", "body_part", "point", "part", "label")


def fits(text: str) -> bool:
    """Tell by content: the beginning of a text."""
    first = _without_comments(text).partition("\n")[0]
    return any(sign in first for sign in _SEPARATORS) and not first.startswith(("[", "{", "<"))


def read(text: str) -> Found:
    """Read a table.

    Raises:
        FormatError: if it has no columns of points, or cells that are no numbers.
    """
    rows = _rows(_without_comments(text))
    header = rows[0]
    lower = [name.lower() for name in header]
    frame, time, name, point = (
        next((lower.index(each) for each in names if each in lower), None)
        for names in (_FRAME, TIMES, _ID, _POINT)
    )
    if point is not None and {"x", "y"} <= set(lower):
        rows = _wide(rows, lower, point)
        return read("\n".join("\t".join(row) for row in rows))
    people = _points(header, {frame, time, name})
    layout = layout_of(next(iter(people.values())))
    order = _order(next(iter(people.values())), layout)
    found = Found(layout)
    moments: dict[str, int] = {}
    for index, row in enumerate(rows[1:]):
        where = f"row {index + 2}"
        if len(row) != len(header):
            raise FormatError(f"{where}: has {len(row)} cells, but the header has {len(header)}")
        if frame is not None:
            number = round(_number(row[frame], where))
        else:  # rows of the same time are of the same frame
            number = index if time is None else moments.setdefault(row[time], len(moments))
        found.listed.append(number)
        if time is not None:
            found.seconds[number] = _seconds(row[time], where) * TIMES[lower[time]]
        for person, columns in people.items():
            points = np.full((len(order), 3), np.nan)
            for joint, each in enumerate(order):
                cells = columns.get(each, ())
                points[joint, : len(cells)] = [_number(row[cell], where) for cell in cells]
                points[joint, 2] = points[joint, 2] if len(cells) == 3 else 1.0
            if np.isfinite(points[:, :2]).all(-1).any():
                who = person or (row[name].strip() if name is not None else None) or None
                found.add(number, points, name=who, where=where)
    if name is None and len(people) == 1 and len(set(found.numbers)) == len(found.numbers):
        found.ids = ["p0"] * len(found.ids)
    return found


def _without_comments(text: str) -> str:
    """Leave out empty lines and comments at the beginning."""
    text = text.lstrip()
    while text.startswith("#"):
        text = text.partition("\n")[2].lstrip()
    return text


def _rows(text: str) -> list[list[str]]:
    """Return the rows of cells; the first is the header.

    Raises:
        FormatError: if there is no header.
    """
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(row)]
    if rows and rows[0] and rows[0][0].strip().lower() == "scorer":
        rows = _flatten_deeplabcut(rows)
    if not rows or all(_is_number(cell) for cell in rows[0]):
        raise FormatError(
            "has no header: write the columns' names into the first line, as "
            "frame,nose_x,nose_y,nose_score,.. or x0,y0,s0,.."
        )
    if separator != ",":  # decimal commas, as spreadsheets of many countries write them
        rows = [rows[0], *([_DECIMAL.sub(r"\1.\2", cell) for cell in row] for row in rows[1:])]
    return [[name.strip() for name in rows[0]], *rows[1:]]


def _wide(rows: list[list[str]], lower: list[str], point: int) -> list[list[str]]:
    """Make of a table with a row for each point one with a row for each person in a frame.

    Raises:
        FormatError: if rows are of another length.
    """
    axes = [(column, _AXES[name]) for column, name in enumerate(lower) if name in _AXES]
    others = [c for c, name in enumerate(lower) if name in (*_FRAME, *TIMES, *_ID) and c != point]
    groups: dict[tuple[str, ...], dict[str, str]] = {}
    names: dict[str, None] = {}
    for index, row in enumerate(rows[1:]):
        if len(row) != len(lower):
            raise FormatError(
                f"row {index + 2}: has {len(row)} cells, but the header has {len(lower)}"
            )
        cells = groups.setdefault(tuple(row[c].strip() for c in others), {})
        for column, axis in axes:
            names[f"{row[point].strip()}_{axis}"] = None
            cells[f"{row[point].strip()}_{axis}"] = row[column]
    header = [rows[0][c] for c in others] + list(names)
    return [header, *([*key, *(cells.get(n, "") for n in names)] for key, cells in groups.items())]


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*[-+]?\d+([.,]\d+)?(e[-+]?\d+)?\s*", cell, re.IGNORECASE))


def _seconds(cell: str, where: str) -> float:
    """Return a time: a number, or a date and time of day as ISO 8601 writes them."""
    if not re.match(r"\s*\d{4}-\d\d-\d\d[T ]", cell):
        return _number(cell, where)
    try:
        return datetime.fromisoformat(cell.strip().replace("Z", "+00:00")).timestamp()
    except ValueError as error:
        raise FormatError(
            f"{where}: {cell[:40]!r} is no time as 2024-05-01T10:00:00.040"
        ) from error


def _number(cell: str, where: str) -> float:
    text = cell.strip().lower()
    if text in ("", "nan", "na", "null", "none"):
        return float("nan")
    try:
        return float(text)
    except ValueError as error:
        raise FormatError(f"{where}: {cell[:40]!r} is not a number") from error


Columns = dict[str, tuple[int, ...]]
"""The columns of each point: x, y and, where there is one, the score."""


def _points(header: list[str], others: set[int | None]) -> dict[str, Columns]:
    """Return for each person (empty: the row says who) each point's columns of x, y and score."""
    axes: dict[str, dict[str, dict[str, int]]] = {}
    for index, column in enumerate(header):
        match = next((m for each in _COLUMNS if (m := each.fullmatch(column))), None)
        if index in others or match is None:
            continue
        person, _, point = match["point"].rpartition("/")
        axis = _AXES[match["axis"].lower()]
        axes.setdefault(person, {}).setdefault(short_name(point), {})[axis] = index
    people = {
        person: {
            point: tuple(found[axis] for axis in "xys" if axis in found)
            for point, found in points.items()
            if {"x", "y"} <= set(found)
        }
        for person, points in axes.items()
    }
    people = {person: points for person, points in people.items() if points}
    if not people:
        raise FormatError(
            f"has no columns of points, as nose_x and nose_y or x0 and y0, only {header[:8]}"
        )
    return people


def _order(columns: Columns, layout: str | None) -> list[str]:
    """Return the points in the layout's order, also those that the table has not."""
    if layout is None:
        return sorted(columns, key=int)
    return short_names(layout)


def _flatten_deeplabcut(rows: list[list[str]]) -> list[list[str]]:
    """Make one header of the three or four of DeepLabCut: individual/bodypart_coordinate."""
    labels = {row[0].strip().lower(): row for row in rows[:4]}
    if not {"bodyparts", "coords"} <= set(labels):
        raise FormatError("begins as DeepLabCut's, but has no rows bodyparts and coords")
    heads = len(labels) if "individuals" in labels else 3
    people = labels.get("individuals", [""] * len(labels["bodyparts"]))
    header = ["frame"] + [
        f"{person}/{part}_{axis}" if person else f"{part}_{axis}"
        for person, part, axis in list(
            zip(people, labels["bodyparts"], labels["coords"], strict=True)
        )[1:]
    ]
    return [header, *rows[heads:]]
