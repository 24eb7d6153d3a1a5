"""The images of a connected camera or of a network camera, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pstmo_core.lift.input_kinds import SourceError, without_password
from pstmo_core.lift.sources import Frame, Images, opencv

#: How addresses begin at which a file may lie.
_OF_FILES = ("http://", "https://", "file://")
_PATIENCE = 10_000
"""Milliseconds that a network camera has to answer."""


def camera_images(
    device: int | str,
    clock: Callable[[], int],
    frames: int | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
) -> Images:
    """Return the images of a camera as they come.

    Args:
        device: number of a connected camera, its file (/dev/video0) or an address (rtsp://...).
        clock: gives the time in nanoseconds at which an image has come.
        frames: number of images to take; None: until the user interrupts.
        size: width and height to ask a connected camera for; it may give others.
        fps: images per second to ask it for.

    Raises:
        SourceError: if there is no such camera, or it falls silent.
    """
    opencv()
    shown = without_password(str(device))

    def images() -> Iterator[Frame]:
        capture = _open_camera(device, size, fps)
        try:
            taken = 0
            while frames is None or taken < frames:
                there, image = capture.read()
                if not there:
                    raise SourceError(f"{shown}: the camera sends no images any more")
                taken += 1
                yield clock(), image
        finally:
            capture.release()

    return Images(images, frames, live=True)


def _open_camera(device: int | str, size: tuple[int, int] | None, fps: float | None) -> Any:
    cv2 = opencv()
    shown = without_password(str(device))
    if isinstance(device, str) and "://" in device:
        patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _PATIENCE, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        capture = cv2.VideoCapture(device, cv2.CAP_FFMPEG, [*patience, _PATIENCE])
    else:
        capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        if isinstance(device, str) and "://" in device:
            raise SourceError(
                f"{shown}: no stream is to be opened there; check address, network and password"
            )
        raise SourceError(
            f"{shown}: there is no camera of this number or name, it is in use, or you may not "
            "open it (on Linux, members of the group video may)"
        )
    if str(device).startswith(_OF_FILES) and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:
        # Images of a file come as fast as they are read: when they arrive says nothing.
        capture.release()
        raise SourceError(f"{shown}: is a recorded video, not a stream; give it as a file")
    for what, value in (
        (cv2.CAP_PROP_FRAME_WIDTH, size and size[0]),
        (cv2.CAP_PROP_FRAME_HEIGHT, size and size[1]),
        (cv2.CAP_PROP_FPS, fps),
    ):
        if value:
            capture.set(what, value)
    return capture
