"""A layout from a user's YAML file: the names of its points and the joints made of them.

    name: my_detector
    points: [nose, left_shoulder, right_shoulder, left_ear, right_ear, left_hip, right_hip, ...]
    joints:
      rknee: right_knee_cap                                   # one point
      hip: {left_hip: 0.5, right_hip: 0.5}                    # weighted points
      head: [{left_ear: 0.5, right_ear: 0.5}, nose]           # the first that is seen
      rwrist: []                                              # nothing makes it: never seen

`joints` names only the joints that the points do not make by their usual names: points that are
called as in coco17 (`lknee`, `left_knee`, `Left Knee`) make their joints by themselves.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pstmo_core.errors import quoted
from pstmo_core.keypoints.layouts.layout import Layout, LayoutError
from pstmo_core.keypoints.layouts.tables import DETECTOR, Entry
from pstmo_core.settings import user_path
from pstmo_core.skeleton import JOINT_NAMES

SUFFIXES = (".yaml", ".yml")
_KEYS = ("name", "points", "joints")
_LARGEST_FILE = 100_000
"""Bytes; a layout is a page of text."""
_MOST_POINTS = 1000
_SIDE = re.compile(r"^(?:(l)eft|(r)ight)[ _-]?|^(l|r)[ _-]", re.IGNORECASE)


def read_layout(path: str | Path) -> Layout:
    """Read a layout from a YAML file.

    Raises:
        LayoutError: if the file is missing or wrong; says where, and what would be right.
    """
    content = _load(user_path(path))
    try:
        return _layout(content, Path(path).stem)
    except LayoutError as error:
        raise LayoutError(f"{path}: {error}") from None


def _load(path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise LayoutError(f"{path}: to read it, PyYAML is needed: pip install pyyaml") from error
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1)
        if len(text) > _LARGEST_FILE:
            raise LayoutError(f"{path}: is larger than {_LARGEST_FILE} bytes, so no layout")
        return yaml.safe_load(text)
    except OSError as error:
        raise LayoutError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        detail = " ".join(str(error).split())[:200]
        raise LayoutError(f"{path}: is not YAML: {detail}") from error


def _layout(content: Any, stem: str) -> Layout:
    if not isinstance(content, dict):
        raise LayoutError("must be a mapping with points, and name and joints where needed")
    for key in content:
        if key not in _KEYS:
            raise LayoutError(f"has the key {quoted(key)}, but only {', '.join(_KEYS)} are known")
    name = content.get("name", stem)
    if not isinstance(name, str) or not 0 < len(name) <= 64:
        raise LayoutError(f"name is {quoted(name)}, but must be a text of 1 to 64 characters")
    points = _points(content.get("points"))
    given = _joints(content.get("joints") or {}, points)
    table = {joint: given.get(joint, _usual(joint, points)) for joint in JOINT_NAMES}
    for joint, entries in table.items():
        if not entries and joint not in given:
            raise LayoutError(
                f"no point makes the joint {joint}: add `{joint}: POINT` to joints, or "
                f"`{joint}: []` if the detector does not see it"
            )
    if not any(table.values()):
        raise LayoutError("makes no joint at all")
    return Layout(name, tuple(points.values()), table)


def _points(names: Any) -> dict[str, str]:
    """Return the points' names as in the file, and as this library calls such points."""
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise LayoutError("points must be a list of names, in the order of the detector's points")
    if not 1 <= len(names) <= _MOST_POINTS:
        raise LayoutError(f"has {len(names)} points, but must have 1 to {_MOST_POINTS}")
    points: dict[str, str] = {}
    for name in names:
        known = plain_name(name)
        if name in points or known in points.values():
            raise LayoutError(f"points has {quoted(name)} twice: every point needs its own name")
        points[name] = known
    return points


def plain_name(name: str) -> str:
    """Return how coco17 would write a point's name: left_knee and Left Knee are lknee."""
    side = _SIDE.sub(lambda found: next(filter(None, found.groups())), name.strip())
    return re.sub(r"[ _-]", "", side).lower()


def _usual(joint: str, points: Mapping[str, str]) -> tuple[Entry, ...]:
    """Return those of coco17's ways to make a joint for which there are points, and its own."""
    there = set(points.values())
    entries = [entry for entry in DETECTOR[joint] if set(entry) <= there]
    own = {plain_name(joint): 1.0}
    if set(own) <= there and own not in entries:
        entries.append(own)
    return tuple(entries)


def _joints(given: Any, points: Mapping[str, str]) -> dict[str, tuple[Entry, ...]]:
    if not isinstance(given, dict):
        raise LayoutError("joints must be a mapping of joints to what makes them")
    table = {}
    for joint, entries in given.items():
        if joint not in JOINT_NAMES:
            raise LayoutError(
                f"joints has {quoted(joint)}, but joints are {', '.join(JOINT_NAMES)}"
            )
        ways = entries if isinstance(entries, list) else [entries]
        table[joint] = tuple(_entry(joint, way, points) for way in ways)
    return table


def _entry(joint: str, way: Any, points: Mapping[str, str]) -> Entry:
    weights = {way: 1.0} if isinstance(way, str) else way
    if not isinstance(weights, dict) or not weights:
        raise LayoutError(
            f"{joint} is made by {quoted(way)}, but must be a point's name, weights of points "
            "({lhip: 0.5, rhip: 0.5}), or a list of these"
        )
    for point, weight in weights.items():
        if point not in points:
            near = difflib.get_close_matches(str(point)[:100], points, n=1)
            hint = f": did you mean {near[0]}?" if near else f": they are {', '.join(points)}"
            raise LayoutError(f"{joint} needs {quoted(point)}, which is not in points{hint}")
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            raise LayoutError(f"{joint}: the weight of {point} is {quoted(weight)}, not a number")
    if any(weight == 0 or not math.isfinite(weight) for weight in weights.values()):
        raise LayoutError(f"{joint}: weights must be finite, and not 0")
    total = math.fsum(weights.values())
    if abs(total - 1) > 1e-3:
        raise LayoutError(f"{joint}: weights sum to {total:g}, but must sum to 1")
    return {points[point]: float(weight) for point, weight in weights.items()}
