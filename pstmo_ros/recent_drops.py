"""What a node dropped in the last seconds."""

from __future__ import annotations

from collections import Counter, deque


class RecentDrops:
    """What was dropped in the last seconds, from counts that only grow and begin at `now`."""

    def __init__(self, now: int, window: float) -> None:
        self._window = int(window * 1e9)
        self._history: deque[tuple[int, Counter[str]]] = deque([(now, Counter())])

    def update(self, now: int, counts: Counter[str]) -> Counter[str]:
        """Take the counts at `now` (nanoseconds) and return by how much they grew."""
        counts = counts.copy()  # another thread may go on counting
        self._history.append((now, counts))
        while self._history[0][0] < now - self._window:
            self._history.popleft()
        return counts - self._history[0][1]
