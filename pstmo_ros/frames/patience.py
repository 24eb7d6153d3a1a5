"""Decides whether an image waits for its transform, or too many before it did so in vain."""

from __future__ import annotations

#: After so many failures in a row nothing is waited for, but once in so many, when TF speaks again.
_HOPELESS = 5


class Patience:
    """Counts how often TF had no transform to a frame."""

    def __init__(self) -> None:
        self._failures = 0
        self._next_trial = _HOPELESS
        self._on_trial: int | None = None
        """Stamp of an image that waits although others before it did so in vain."""
        self._latest: int | None = None

    def found(self) -> None:
        """Note that there was one."""
        self._failures, self._next_trial = 0, _HOPELESS

    def missed(self) -> None:
        """Note that there was none."""
        self._failures += 1

    @property
    def tries(self) -> bool:
        """Whether the last images did not all wait in vain."""
        return self._failures < _HOPELESS

    def ends(self, stamp: int, latest: int | None) -> bool:
        """Say whether an image need not wait any longer.

        TF may come a little later than the keypoints each time: who never waited would never see
        it. So an image waits now and then, if TF has told something new since the last time.

        Args:
            stamp: of the image.
            latest: of the newest transform, None without any; asked for only if not `tries`.
        """
        if self.tries or stamp == self._on_trial:
            return False
        if self._failures < self._next_trial:
            return True
        before, self._latest = self._latest, latest
        if latest is None or latest == before:
            return True
        self._on_trial, self._next_trial = stamp, self._failures + 2 * _HOPELESS
        return False
