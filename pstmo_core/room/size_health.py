"""How well floor and depth image agree with each other and with plausible body sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Seconds over which is averaged, and after which a source that is silent says nothing any more.
_TIME, _OLD = 5.0, 10.0


@dataclass(frozen=True)
class Agreement:
    """How far the readings of a source are from what is known of people's size."""

    bias: float
    """Relative, of the last seconds' mean; above 0 it makes people larger."""
    spread: float
    """Relative, root mean square of the readings."""
    refused: float = 0.0
    """Share of the readings that make people smaller or larger than people are."""


@dataclass(frozen=True)
class SizeHealth:
    """What can be said of the sources of people's size."""

    floor: Agreement | None
    """None where it has said nothing lately."""
    depth: Agreement | None
    height: float
    """Metres, median of the heights of people whom floor or depth image told lately; NaN without
    any."""

    @property
    def disagreement(self) -> float:
        """By how much the floor makes people larger than the depth image; 0 if one is silent."""
        if self.floor is None or self.depth is None:
            return 0.0
        return self.floor.bias - self.depth.bias


class AgreementFilter:
    """Averages residuals of one source over people and the last seconds."""

    def __init__(self) -> None:
        self._mean = self._square = self._refused = 0.0
        self._stamp: int | None = None

    def add(self, stamp: int, residuals: np.ndarray, refused: np.ndarray) -> None:
        """Take in the readings of a frame.

        Args:
            stamp: nanoseconds.
            residuals: (K,), logarithms.
            refused: (K,), bool, which of them make people smaller or larger than people are.
        """
        if not len(residuals):
            return
        passed = np.inf if self._stamp is None else (stamp - self._stamp) / 1e9
        gain = 1.0 if not 0 <= passed < _OLD else 1 - np.exp(-max(passed, 1e-3) / _TIME)
        self._mean += gain * (float(residuals.mean()) - self._mean)
        self._square += gain * (float((residuals**2).mean()) - self._square)
        self._refused += gain * (float(refused.mean()) - self._refused)
        self._stamp = stamp

    def at(self, stamp: int) -> Agreement | None:
        """Return what holds at a stamp, None if the source has been silent for long."""
        if self._stamp is None or abs(stamp - self._stamp) > _OLD * 1e9:
            return None
        return Agreement(float(np.expm1(self._mean)), float(np.sqrt(self._square)), self._refused)
