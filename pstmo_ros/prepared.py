"""Something that takes long to be made, made before it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Made = TypeVar("Made")


class Prepared(Generic[Made]):
    """Makes something in advance, if it is known what will be asked for.

    Args:
        make: makes it of what is given; takes long.
    """

    def __init__(self, make: Callable[..., Made]) -> None:
        self._make = make
        self._ready: tuple[tuple[Any, ...], Made] | None = None

    def prepare(self, *given: Any) -> None:
        """Make it for whoever takes it next."""
        self._ready = given, self._make(*given)

    def take(self, *given: Any) -> Made:
        """Return what was prepared, once, if it was for the same, else another one."""
        ready, self._ready = self._ready, None
        return ready[1] if ready is not None and ready[0] == given else self._make(*given)
