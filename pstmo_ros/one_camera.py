"""Notices when two cameras publish on one topic, and listens to only one of them."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from pstmo_core.errors import quoted

PATIENCE = 1_000_000_000
"""Nanoseconds without a message after which a camera is gone."""
_MOST = 8
"""Cameras that are remembered at once."""


class Sender(NamedTuple):
    """What tells cameras apart."""

    frame_id: str
    width: int
    """Of its images in pixels; 0 where not known. So is `height`."""
    height: int
    publisher: int = 0
    """Which of the topic's publishers it is, as `Publishers` says."""


class OneCamera:
    """Decides whose messages are used.

    A camera that takes the place of another (new frame id, image size or publisher) is followed at
    once. If the other then goes on too, both are there: the newer one is used until it falls
    silent.
    """

    def __init__(self) -> None:
        self._current: Sender | None = None
        self._heard: dict[Sender, int] = {}

    def admits(self, camera: Sender, now: int) -> bool:
        """Note a message of a camera at `now`, in nanoseconds, and say whether it is used."""
        self._heard = {k: at for k, at in self._heard.items() if abs(now - at) < PATIENCE}
        returns = camera in self._heard and self._current in self._heard
        if len(self._heard) < _MOST or camera in self._heard:
            self._heard[camera] = now
        if camera != self._current and returns:
            return False
        self._current = camera
        return True

    def describe(self) -> str:
        """Say which cameras were heard of late."""
        heard = Counter(
            (quoted(camera.frame_id) if camera.frame_id else "no frame_id")
            + (f" ({camera.width} x {camera.height})" if camera.width else "")
            for camera in self._heard
        )
        return " and ".join(
            f"{name} of {count} publishers" if count > 1 else name
            for name, count in sorted(heard.items())
        )
