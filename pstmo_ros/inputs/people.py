"""People of a message as arrays, and as the People2D that the lifter takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from std_msgs.msg import Header

from pstmo_core.keypoints.frame import LARGEST_SHARE
from pstmo_ros.conversions import MOST_PEOPLE, floats
from pstmo_ros.msg import People2D, Person2D

#: Width and height in pixels.
Size = tuple[int, int]
#: Returns the people of a message: the header, and of each the id, points (J, 2), NaN where not
#: known, and scores (J,); and the name of the layout of the points.
Reader = Callable[[Any], tuple[Header, str, list[tuple[str, np.ndarray, np.ndarray]]]]


#: One more than are read, so that too many are noticed.
MOST_DETECTIONS = MOST_PEOPLE + 1


class UnusableInput(ValueError):
    """A message that cannot be used; says why."""


def people_message(read: Reader, message: Any, size: Size, normalized: bool) -> People2D:
    """Return the people of another package's message as a People2D.

    Args:
        read: of that package.
        message: of that package.
        size: of the image.
        normalized: whether coordinates are shares of the image, 0 to 1.

    Raises:
        UnusableInput: if coordinates that should be shares are not.
    """
    with np.errstate(over="ignore"):  # too large for float32: infinite, which is no place
        header, layout, people = read(message)
    scale = np.array(size, np.float32) if normalized else np.float32(1)
    found = []
    for name, points, scores in people[:MOST_DETECTIONS]:
        if normalized:
            check_shares(points)
        found.append(Person2D(id=name, points=floats(points * scale), scores=floats(scores)))
    return People2D(header=header, layout=layout, width=size[0], height=size[1], people=found)


def in_pixels(message: People2D) -> People2D:
    """Return a People2D whose coordinates are shares of the image in pixels.

    Raises:
        UnusableInput: if they are no shares.
    """
    scale = np.array([message.width, message.height], np.float32)
    people = []
    for person in message.people[:MOST_DETECTIONS]:
        values = np.asarray(person.points, np.float32)
        if values.size % 2 == 0:  # else it is dropped later, with a sentence
            points = values.reshape(-1, 2)
            check_shares(points)
            values = points * scale
        people.append(Person2D(id=person.id, points=floats(values), scores=person.scores))
    return People2D(
        header=message.header, layout=message.layout, width=message.width, height=message.height,
        people=people,
    )  # fmt: skip


def check_shares(points: np.ndarray) -> None:
    """Check that points (J, 2) are shares of an image.

    Raises:
        UnusableInput: if most lie far beyond 1.
    """
    known = np.abs(points[np.isfinite(points).all(-1)])
    if len(known) and np.median(known.max(-1)) > LARGEST_SHARE:
        raise UnusableInput(
            f"coordinates reach {known.max():.0f}, but the parameter normalized says that they are "
            "shares of the image, 0 to 1: set it to false"
        )


def nothing_known(joints: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (J, 2) and scores (J,) of which none is known."""
    return np.full((joints, 2), np.nan, np.float32), np.zeros(joints, np.float32)
