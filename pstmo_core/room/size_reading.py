"""One frame's measurement of people's sizes: the common form of floor and depth image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SizeReading:
    """By how much people are larger than they were lifted, in P rows or (P, K) that are merged."""

    growth: np.ndarray
    """Logarithm of true over lifted size; 0 where not known."""
    white: np.ndarray
    """Variance of what differs from frame to frame."""
    steady: np.ndarray
    """Variance of what stays: errors of a camera's tilt, of a sensor's calibration."""
    known: np.ndarray
    """Bool."""

    def merged(self) -> SizeReading:
        """Return the readings (P, K) of each person as one, weighted by variance; (P,)."""
        weights = self.known / (self.white + self.steady)
        total = weights.sum(-1)
        known = total > 0
        share = weights / np.where(known, total, 1.0)[..., None]
        return SizeReading(
            (share * self.growth).sum(-1),
            np.where(known, (share**2 * self.white).sum(-1), np.inf),
            np.where(known, (share * self.steady).sum(-1), np.inf),
            known,
        )

    @classmethod
    def nothing(cls, people: int) -> SizeReading:
        """Return the reading of a frame that tells nothing."""
        unknown = np.full(people, np.inf)
        return cls(np.zeros(people), unknown, unknown, np.zeros(people, bool))
