"""Reads a camera as long as its node lives, even if the camera or its driver fails."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

from pstmo_core.errors import PstmoError
from pstmo_core.lift.sources import Frame, Images
from pstmo_ros.drops import RARELY, DropCounter
from pstmo_ros.mailbox import Mailbox

RETRY = 2.0
"""Seconds after which a camera that fell silent is opened again."""
SILENCE = 15.0
"""Seconds without an image after which a camera counts as silent even if its driver says nothing.
OpenCV gives up after 10 s where it can."""
_LAST_IMAGE = 2.0
"""Seconds that the end waits for a reading."""
_AT_ONCE = 3
"""So many readings may hang in their drivers; each keeps a thread and what the driver holds."""


class CameraReader:
    """Puts a camera's images in a mailbox; a camera that falls silent is opened again and again.

    Each reading has a thread of its own: one that hangs in the camera's driver is left to itself,
    and what it still brings is thrown away.

    Args:
        name: of the camera, for the log.
        images: opens the camera each time that its frames are asked for.
        newest: takes the images.
        log: takes a line of the log, and whether it is an error.
    """

    def __init__(
        self,
        name: str,
        images: Images,
        newest: Mailbox[Frame],
        log: Callable[[str, bool], None],
    ) -> None:
        self._name, self._images, self._newest, self._log = name, images, newest, log
        self._drops = DropCounter()
        self._ended = threading.Event()
        self._hanging: list[_Reading] = []

    def run(self) -> None:
        """Read until `end` is called."""
        while not self._ended.is_set():
            fault = self._read()
            if self._ended.is_set():
                return
            sentence = f"{fault}; it is opened again every {RETRY:.0f} s"
            self._say("silent", sentence, error=True)
            self._ended.wait(RETRY)

    def end(self) -> None:
        """Let `run` return, at once or nearly."""
        self._ended.set()

    def _read(self) -> str:
        """Read until the camera fails, falls silent, or the end; return what is wrong with it."""
        silent = f"{self._name}: the camera sends no images any more"
        self._hanging = [reading for reading in self._hanging if reading.is_alive()]
        if len(self._hanging) >= _AT_ONCE:
            return f"{silent}, and its driver hangs"
        reading = _Reading(self._images, self._take)
        reading.start()
        while not reading.over.wait(0.05):
            if self._ended.is_set():
                reading.abandoned = True
                reading.over.wait(_LAST_IMAGE)  # it lets go of the camera
                break
            if time.monotonic() - reading.last > SILENCE:
                reading.abandoned = True
                self._hanging.append(reading)
                break
        return reading.fault or silent

    def _take(self, frame: Frame) -> None:
        if self._newest.put(frame):
            sentence = "images come faster than they are published: the newest is taken"
            self._say("replaced", sentence, period=RARELY)

    def _say(
        self, reason: str, sentence: str, error: bool = False, period: int | None = None
    ) -> None:
        if line := self._drops.add(reason, sentence, time.monotonic_ns(), period=period):
            self._log(line, error)


class _Reading(threading.Thread):
    """One opening of the camera, until it fails or nobody wants it any more."""

    def __init__(self, images: Images, take: Callable[[Frame], None]) -> None:
        super().__init__(daemon=True)
        self._images, self._take = images, take
        self.last = time.monotonic() + SILENCE
        """When the last image came; at first in the future, since to open a camera takes time."""
        self.abandoned = False
        self.over = threading.Event()
        self.fault = ""

    def run(self) -> None:
        try:
            for frame in self._images.frames():
                if self.abandoned:
                    return
                self.last = time.monotonic()
                self._take(frame)
        except PstmoError as error:
            self.fault = str(error)
        except Exception:  # of the driver: a thread would end without a word
            self.fault = f"the camera cannot be read:\n{traceback.format_exc()}"
        finally:
            self.over.set()
