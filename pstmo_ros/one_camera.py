"""Notices when two cameras publish on one topic, and listens to only one of them."""

from __future__ import annotations

from pstmo_core.errors import quoted

#: Frame id, width and height: what tells cameras apart.
Key = tuple[str, int, int]

PATIENCE = 1_000_000_000
"""Nanoseconds without a message after which a camera is gone."""
_MOST = 8
"""Cameras that are remembered at once."""


class OneCamera:
    """Decides whose messages are used.

    A camera that takes the place of another (new frame id or image size) is followed at once. If
    the other then goes on too, both are there: the newer one is used until it falls silent.
    """

    def __init__(self) -> None:
        self._current: Key | None = None
        self._heard: dict[Key, int] = {}

    def admits(self, key: Key, now: int) -> bool:
        """Note a message of a camera at `now`, in nanoseconds, and say whether it is used."""
        self._heard = {k: at for k, at in self._heard.items() if abs(now - at) < PATIENCE}
        returns = key in self._heard and self._current in self._heard
        if len(self._heard) < _MOST or key in self._heard:
            self._heard[key] = now
        if key != self._current and returns:
            return False
        self._current = key
        return True

    def describe(self) -> str:
        """Say which cameras were heard of late."""
        cameras = [
            f"{quoted(name) if name else 'no frame_id'} ({w} x {h})"
            for name, w, h in sorted(self._heard)
        ]
        return " and ".join(cameras)
