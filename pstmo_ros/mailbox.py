"""A queue of one: a new item replaces one that was not fetched."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Passes things from one thread to another, always the newest, never a queue of them."""

    def __init__(self) -> None:
        self.replaced = 0
        """How many things were replaced before somebody took them."""
        self._item: Item | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Item) -> bool:
        """Leave a thing; return whether it replaces one that nobody took."""
        with self._changed:
            replaces = self._item is not None
            self.replaced += replaces
            self._item = item
            self._changed.notify()
            return replaces

    def take(self) -> Item | None:
        """Wait for a thing and take it; None says that the mailbox was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return None if self._closed else item

    def sleep(self, seconds: float) -> None:
        """Wait for some time, or until the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, max(seconds, 0.0))

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._item = None
            self._changed.notify_all()
