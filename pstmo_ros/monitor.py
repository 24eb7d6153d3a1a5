"""Latency and rate of the node's answers over the last seconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW = 10.0
"""Seconds that "the last seconds" are."""
_ROWS = 2048
"""Messages that are remembered: 10 s at 200 frames/s."""
_COLUMNS = 7
"""Arrival, answers, lost, from_stamp, from_receipt, inference, busy."""
_TIMES = [0, 3, 4, 5, 6]


@dataclass(frozen=True)
class Spread:
    """Median and tail of a duration, seconds."""

    median: float
    p95: float
    p99: float

    @classmethod
    def of(cls, seconds: np.ndarray) -> Spread | None:
        """Return that of the finite values (N,), None if there are none."""
        finite = seconds[np.isfinite(seconds)]
        if not len(finite):
            return None
        return cls(*np.percentile(finite, [50, 95, 99]).tolist())


@dataclass(frozen=True)
class Report:
    """What was seen of the messages up to now."""

    frames: int
    """Messages since the start."""
    answered: int
    """Skeleton messages that were published since the start."""
    recent_frames: int
    """Messages in the last seconds."""
    recent_answered: int
    lost: int
    """Messages that were sent and did not reach the node, since the start."""
    recent_lost: int
    heard: bool
    """Whether a message came since the start or the last restart."""
    silence: float
    """Seconds since the last message, or since the start or restart if there was none."""
    rate: float
    """Messages a second in the last seconds; NaN with fewer than two."""
    from_stamp: Spread | None
    """From a message's stamp to the publication of what it led to; None: nothing was published."""
    from_receipt: Spread | None
    """From a message's receipt to that."""
    inference: Spread | None
    """Of that, in the network."""
    busy: Spread | None
    """How long the node worked on a message, waiting in the middleware not included."""

    @property
    def share_lost(self) -> float:
        """Share of the messages of the last seconds that did not reach the node."""
        sent = self.recent_frames + self.recent_lost
        return self.recent_lost / sent if sent else 0.0

    @property
    def in_vain(self) -> bool:
        """Whether messages came in the last seconds, and none was answered."""
        return self.recent_frames > 0 and not self.recent_answered


class Monitor:
    """Remembers the last messages in an array of fixed size, and counts them all.

    Args:
        now: nanoseconds on a clock that never jumps, here and in the methods.
    """

    def __init__(self, now: int) -> None:
        self.frames = 0
        self.answered = 0
        self.lost = 0
        self._rows = np.full((_ROWS, _COLUMNS), np.nan)
        self._began = now
        self._last = now
        self._restarted = 0
        """The number of messages before the last restart."""

    def restart(self, now: int) -> None:
        """Forget the last seconds, not the counts."""
        self._rows[:] = np.nan
        self._last = now
        self._restarted = self.frames

    def add(
        self,
        now: int,
        answers: int,
        from_stamp: float = np.nan,
        from_receipt: float = np.nan,
        inference: float = np.nan,
        busy: float = np.nan,
        lost: int = 0,
    ) -> None:
        """Note a message that was taken in at `now`, and what came of it, all nanoseconds.

        Durations are NaN where nothing was published; `lost` messages are missing before it.
        """
        row = self._rows[self.frames % _ROWS]
        row[:] = now - self._began, answers, lost, from_stamp, from_receipt, inference, busy
        row[_TIMES] /= 1e9
        self._last = now
        self.frames += 1
        self.answered += answers
        self.lost += lost

    def report(self, now: int) -> Report:
        """Return what was seen up to `now`."""
        end = (now - self._began) / 1e9
        rows = self._rows[self._rows[:, 0] > end - WINDOW]
        arrival, answers, lost, from_stamp, from_receipt, inference, busy = rows.T
        span = float(np.ptp(arrival)) if len(rows) > 1 else 0.0
        return Report(
            frames=self.frames,
            answered=self.answered,
            recent_frames=len(rows),
            recent_answered=int(answers.sum()),
            lost=self.lost,
            recent_lost=int(lost.sum()),
            heard=self.frames > self._restarted,
            silence=(now - self._last) / 1e9,
            rate=(len(rows) - 1) / span if span else float("nan"),
            from_stamp=Spread.of(from_stamp),
            from_receipt=Spread.of(from_receipt),
            inference=Spread.of(inference),
            busy=Spread.of(busy),
        )
