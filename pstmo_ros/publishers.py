"""Tells the publishers of a topic apart by the numbers of their messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_SILENCE = 1_000_000_000
"""Nanoseconds after which a publisher that says nothing is forgotten."""
_MOST = 8
"""Publishers that are told apart at once."""


@dataclass
class _Publisher:
    name: int
    last: int
    """Number of its last message."""
    heard: int
    """When that came, nanoseconds."""


class Publishers:
    """Says which of a topic's publishers a message is of.

    rclpy does not say it, but the middleware numbers the messages of each publisher. A number that
    continues none of the known sequences begins another one.

    Args:
        count: says how many publishers there are now.
    """

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._known: list[_Publisher] = []
        self._names = 0

    def of(self, number: int | None, now: int) -> int:
        """Return the name of a message's publisher; 0 where its number is not known.

        Args:
            number: of the message among its publisher's.
            now: nanoseconds.
        """
        if number is None:
            return 0
        self._known = [p for p in self._known if 0 <= now - p.heard < _SILENCE]
        if len(self._known) > 1 and self._count() <= 1:  # one that has started again
            self._known = [max(self._known, key=lambda publisher: publisher.heard)]
        before = [p for p in self._known if p.last < number]
        if before:  # the nearest; of several, it is the turn of who has waited longest
            publisher = min(before, key=lambda p: (-p.last, p.heard))
        else:
            self._names += 1
            publisher = _Publisher(self._names, number, now)
            self._known = [*self._known[1 - _MOST :], publisher]
        publisher.last, publisher.heard = number, now
        return publisher.name
