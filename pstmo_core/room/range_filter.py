"""Filters people's distances over time, against the jitter of keypoints and poses.

Where a person appears in the image gives the direction within a centimetre, but how large the
person appears gives the distance only within several: at 5 m, one pixel of 200 is 2.5 cm. So only
the distance is filtered, by one Kalman filter per person for its logarithm and rate of change. In
the image nothing lags, and turns of the camera have no effect.
"""

from __future__ import annotations

import numpy as np

#: How much the speed along the ray wanders, metres per second in the square root of a second.
_WANDER = 0.5
#: Deviation of the speed of people who have just come, metres per second.
_FIRST_SPEED = 1.0
#: Share of the variance of a frame's distance that differs from frame to frame, and the seconds
#: over which even that is alike. The rest stays while the pose does and belongs to the size.
_FLEETING, _ALIKE = 0.25, 0.16
#: Readings up to this many deviations off have full weight, larger ones less.
_TRUSTED = 3.0
#: Readings this many deviations off have none; after so many seconds of them it is somebody else
#: under the same id.
_ELSEWHERE, _PATIENCE = 8.0, 0.4
#: A person not seen for this long starts again, seconds.
_GAP = 1.0


class RangeFilter:
    """Follows the distances of people, each in a row of arrays that their owner hands out.

    Args:
        rows: people that can be remembered.
    """

    def __init__(self, rows: int) -> None:
        self._range = np.zeros(rows)
        """Logarithm of the distance."""
        self._rate = np.zeros(rows)
        self._cov = np.zeros((rows, 3))
        """Variance of the range, covariance, variance of the rate."""
        self._seen: np.ndarray = np.full(rows, -1, np.int64)
        self._expected: np.ndarray = np.full(rows, -1, np.int64)
        """When somebody was last near where they were expected."""

    def forget(self, row: int) -> None:
        """Forget the person in a row."""
        self._seen[row] = -1

    def forget_all(self) -> None:
        """Forget everybody."""
        self._seen[:] = -1

    def follow(
        self,
        rows: np.ndarray,
        stamp: int,
        distance: np.ndarray,
        variance: np.ndarray,
        moved: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take in a frame.

        Args:
            rows: (P,) of the people in it.
            stamp: nanoseconds.
            distance: (P,) metres as measured in this frame, NaN where not known.
            variance: (P,), relative, of the distance but for that of the person's size.
            moved: (P,), by how much the logarithm of the distance changed since the last frame
                because more is known of the person's size, not because the person moved.

        Returns:
            Distances (P,) in metres and their relative variances, NaN where not known.
        """
        known = np.isfinite(distance) & (distance > 0) & np.isfinite(variance)
        kept = rows[known]
        told = np.log(distance[known])
        passed = (stamp - self._seen[kept]) / 1e9
        passed = np.where(self._seen[kept] < 0, np.inf, np.maximum(passed, 1e-3))
        noise = _FLEETING * np.maximum(variance[known], 1e-8) * np.maximum(1.0, _ALIKE / passed)
        lost = stamp - self._expected[kept] > _PATIENCE * 1e9
        new = (passed > _GAP) | lost
        self._begin(kept[new], told[new], noise[new])
        self._advance(kept[~new], passed[~new], moved[known][~new])
        off = self._correct(kept, told, noise)
        self._expected[kept[new | (off < _ELSEWHERE)]] = stamp
        self._seen[kept] = stamp
        steady, left = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        steady[known], left[known] = np.exp(self._range[kept]), self._cov[kept, 0]
        return steady, left

    def _begin(self, rows: np.ndarray, told: np.ndarray, noise: np.ndarray) -> None:
        """Let people be where they are seen; what is measured of them then is this alone."""
        self._range[rows], self._rate[rows] = told, 0.0
        speed = (_FIRST_SPEED / np.exp(told)) ** 2
        self._cov[rows] = np.stack([noise, np.zeros_like(noise), speed], -1)

    def _advance(self, rows: np.ndarray, passed: np.ndarray, moved: np.ndarray) -> None:
        self._range[rows] += moved + self._rate[rows] * passed
        range_, both, rate = self._cov[rows].T
        wander = (_WANDER / np.exp(self._range[rows])) ** 2 * passed
        self._cov[rows] = np.stack([
            range_ + passed * (2 * both + passed * rate) + wander * passed**2 / 3,
            both + passed * rate + wander * passed / 2,
            rate + wander,
        ], -1)  # fmt: skip

    def _correct(self, rows: np.ndarray, told: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """Take in readings and return by how many deviations (P,) they were off."""
        range_, both, rate = self._cov[rows].T
        off = told - self._range[rows]
        usual = np.sqrt(range_ + noise)
        far = np.abs(off) / usual
        noise = np.where(far < _ELSEWHERE, noise * np.maximum(1.0, far / _TRUSTED), np.inf)
        first, second = range_ / (range_ + noise), both / (range_ + noise)
        self._range[rows] += first * off
        self._rate[rows] += second * off
        self._cov[rows] = np.stack([
            (1 - first) * range_, (1 - first) * both, rate - second * both,
        ], -1)  # fmt: skip
        return far
