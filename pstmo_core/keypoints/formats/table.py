"""Tables with a header (CSV): columns of points by name; DeepLabCut's and SLEAP's among them."""

from __future__ import annotations

import csv
import io
import re

import numpy as np

from pstmo_core.keypoints.formats.found import FormatError, Found
from pstmo_core.keypoints.layouts import LAYOUTS

NAME = "CSV: a header frame,id,nose_x,nose_y,nose_score,.. or x0,y0,s0,..; DeepLabCut, SLEAP"
_FRAME = ("frame", "frame_idx", "frame_id", "frame_number", "image_id", "frame_index")
_TIME = ("time", "timestamp", "stamp", "t", "time_s", "seconds", "timestamp_ms", "time_ms")
_ID = ("id", "person", "person_id", "track", "track_id", "individual")
_AXES = {
    "x": "x", "y": "y", "score": "s", "likelihood": "s", "conf": "s", "confidence": "s",
    "visibility": "s", "vis": "s", "c": "s", "s": "s", "v": "s", "p": "s",
}  # fmt: skip
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
_SIDES = (("left", "l"), ("right", "r"))


def fits(text: str) -> bool:
    """Tell by content: the beginning of a text."""
    first = text.partition("\n")[0]
    return any(sign in first for sign in ",;\t") and not first.lstrip().startswith(("[", "{"))


def read(text: str) -> Found:
    """Read a table.

    Raises:
        FormatError: if it has no columns of points, or cells that are no numbers.
    """
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(row)]
    if rows and rows[0] and rows[0][0].strip().lower() == "scorer":
        rows = _flatten_deeplabcut(rows)
    header = [name.strip() for name in rows[0]]
    lower = [name.lower() for name in header]
    frame, time, name = (
        next((lower.index(each) for each in names if each in lower), None)
        for names in (_FRAME, _TIME, _ID)
    )
    people = _points(header, {frame, time, name})
    layout = _layout(next(iter(people.values())))
    order = _order(next(iter(people.values())), layout)
    found = Found(layout)
    for index, row in enumerate(rows[1:]):
        where = f"row {index + 2}"
        if len(row) != len(header):
            raise FormatError(f"{where}: has {len(row)} cells, but the header has {len(header)}")
        number = index if frame is None else round(_number(row[frame], where))
        found.listed.append(number)
        if time is not None:
            unit = 1e-3 if lower[time].endswith("_ms") else 1.0
            found.seconds[number] = _number(row[time], where) * unit
        for person, columns in people.items():
            points = np.full((len(order), 3), np.nan)
            for joint, point in enumerate(order):
                cells = columns.get(point, ())
                points[joint, : len(cells)] = [_number(row[cell], where) for cell in cells]
                points[joint, 2] = points[joint, 2] if len(cells) == 3 else 1.0
            if np.isfinite(points[:, :2]).all(-1).any():
                who = person or (row[name].strip() if name is not None else None) or None
                found.add(number, points, name=who, where=where)
    if name is None and len(people) == 1 and len(set(found.numbers)) == len(found.numbers):
        found.ids = ["p0"] * len(found.ids)
    return found


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
        axes.setdefault(person, {}).setdefault(_short(point), {})[axis] = index
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


def _short(point: str) -> str:
    """Left Shoulder, left_shoulder, LShoulder -> lshoulder; kp3, 3 -> 3."""
    plain = re.sub(r"[ _.\-]", "", point).lower()
    for long, short in _SIDES:
        if plain.startswith(long):
            plain = short + plain[len(long) :]
        elif plain.endswith(long):
            plain = short + plain[: -len(long)]
    digits = re.fullmatch(r"(?:kp|kpt|keypoint|point|joint|landmark|lm)?(\d+)", plain)
    return digits[1] if digits else plain


def _layout(columns: Columns) -> str | None:
    """Return the layout that has these points; None where they are numbered or not known."""
    if all(point.isdecimal() for point in columns):
        return None
    known = {_short(name): layout for layout in LAYOUTS for name in LAYOUTS[layout].joint_names}
    named = set(columns) & set(known)
    fitting = [
        name
        for name, layout in LAYOUTS.items()
        if set(columns) <= {_short(point) for point in layout.joint_names}
    ]
    if fitting:
        return fitting[0]
    most = max(
        LAYOUTS, key=lambda name: len(named & {_short(p) for p in LAYOUTS[name].joint_names})
    )
    if len(named) < 6:
        raise FormatError(
            f"names points of no known layout: {sorted(set(columns) - set(known))[:5]}; known are "
            f"those of {', '.join(LAYOUTS)}"
        )
    return most


def _order(columns: Columns, layout: str | None) -> list[str]:
    """Return the points in the layout's order, also those that the table has not."""
    if layout is None:
        return sorted(columns, key=int)
    return [_short(point) for point in LAYOUTS[layout].joint_names]


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
