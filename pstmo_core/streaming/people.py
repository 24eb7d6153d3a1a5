"""Tracks who is present: ids, the buffer slot of each person, and when each was last seen."""

from __future__ import annotations

import numpy as np

_NEVER = np.iinfo(np.int64).min


class People:
    """Hands out a fixed number of slots to ids and takes them back."""

    def __init__(self, slots: int) -> None:
        self._free = list(range(slots - 1, -1, -1))
        self._slots: dict[str, int] = {}
        self._last_seen = np.full(slots, _NEVER)
        self._visits = np.zeros(slots, np.int64)
        self._visit = 0

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that have a slot, in the order of their coming."""
        return tuple(self._slots)

    def slot_of(self, name: str) -> int | None:
        """Return the slot of an id, a new one if it has none, None if all are taken."""
        if name not in self._slots and self._free:
            slot = self._slots[name] = self._free.pop()
            self._visit += 1
            self._visits[slot] = self._visit
        return self._slots.get(name)

    def names_of(self, slots: np.ndarray) -> tuple[str, ...]:
        """Return the ids in given slots."""
        owner = {slot: name for name, slot in self._slots.items()}
        return tuple(owner[slot] for slot in slots.tolist())

    def visits(self, slots: np.ndarray) -> np.ndarray:
        """Return numbers (P,) that tell the people in given slots from others before and after."""
        return self._visits[slots]

    def see(self, slots: np.ndarray, stamp: int) -> None:
        """Note that the people in some slots were seen."""
        self._last_seen[slots] = np.maximum(self._last_seen[slots], stamp)

    def absent(self, before: int) -> list[str]:
        """Return the ids of people last seen before a stamp."""
        last_seen = self._last_seen.tolist()
        return [name for name, slot in self._slots.items() if last_seen[slot] < before]

    def clear(self) -> None:
        """Everybody leaves; who comes then gets the slot that a new stream would give."""
        for name in self.ids:
            self.leave(name)
        self._free.sort(reverse=True)

    def leave(self, name: str) -> int:
        """Take back the slot of an id and return it."""
        slot = self._slots.pop(name)
        self._last_seen[slot] = _NEVER
        self._free.append(slot)
        return slot
