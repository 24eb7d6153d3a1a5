"""The images of a video file, upright and with square pixels, at its own stamps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pstmo_core.images.compressed import MOST_PIXELS_OF_FILES
from pstmo_core.lift.input_kinds import SourceError
from pstmo_core.lift.sources import USUAL_RATE, Frame, Images, opencv

_FASTEST = 1e4
"""Frames per second; what claims more does not know its rate."""
#: Nanoseconds of the latest stamp: 146 years, so that differences of stamps fit into 64 bits.
_LATEST = 1 << 62
#: How far pixels may be from square, and a ratio of their sides that no camera has.
_SQUARE, _MOST_STRETCHED = 0.01, 4.0


def video_images(path: Path, fps: float | None) -> Images:
    """Return the images of a video at its own time stamps, or at `fps` frames per second.

    They are upright and have square pixels, as players show them.

    Raises:
        SourceError: if it cannot be opened.
    """
    capture = _open_video(path)
    cv2 = opencv()
    count, rate = (capture.get(what) for what in (cv2.CAP_PROP_FRAME_COUNT, cv2.CAP_PROP_FPS))
    stretched = _stretch(capture) is not None
    capture.release()

    def frames() -> Iterator[Frame]:
        return _video_frames(path, fps)

    return Images(
        frames,
        count=int(count) if count > 0 else None,
        seconds=count / rate if count > 0 and 0 < rate < _FASTEST and not fps else None,
        stretched=stretched,
        notes=("its pixels are not square: images were stretched, as players do",) * stretched,
    )


def _open_video(path: Path) -> Any:
    cv2 = opencv()
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise SourceError(
            f"{path}: is no video that can be decoded, or its beginning or index is lost; copy or "
            "record it again"
        )
    _require_size(capture, str(path))
    return capture


def _require_size(capture: Any, shown: str) -> None:
    """Check how large the images become before one is decoded."""
    cv2 = opencv()
    width, height = _stretch(capture) or (
        int(capture.get(which)) for which in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    if width * height > MOST_PIXELS_OF_FILES:
        capture.release()
        raise SourceError(
            f"{shown}: has images of {width} x {height} pixels, but at most "
            f"{MOST_PIXELS_OF_FILES} pixels are decoded: make them smaller"
        )


def _video_frames(path: Path, fps: float | None) -> Iterator[Frame]:
    cv2 = opencv()
    capture = _open_video(path)
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        step = 1e9 / (fps or (rate if 0 < rate < _FASTEST else USUAL_RATE))
        size = _stretch(capture)
        index, last = 0, -1
        while True:
            there, image = capture.read()
            if not there:
                return
            own = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
            # Some files have no stamps, or the same one again and again.
            stamp = round(index * step) if fps else own if own > last else last + round(step)
            if stamp > _LATEST:
                raise SourceError(
                    f"{path}: an image is stamped {stamp / 3.2e16:.0f} years after the beginning, "
                    "so the stamps are damaged: give --fps, which counts instead"
                )
            yield stamp, image if size is None else cv2.resize(image, size)
            index, last = index + 1, stamp
    finally:
        capture.release()


def _stretch(capture: Any) -> tuple[int, int] | None:
    """Return the width and height at which a video's pixels are square; None if they are."""
    cv2 = opencv()
    width, height, across, down = (
        capture.get(what)
        for what in (
            cv2.CAP_PROP_FRAME_WIDTH,
            cv2.CAP_PROP_FRAME_HEIGHT,
            cv2.CAP_PROP_SAR_NUM,
            cv2.CAP_PROP_SAR_DEN,
        )
    )
    if across <= 0 or down <= 0:
        return None
    wide = across / down
    if capture.get(cv2.CAP_PROP_ORIENTATION_META) % 180:  # images are turned before they come
        wide = 1 / wide
    if abs(wide - 1) < _SQUARE or not 1 / _MOST_STRETCHED < wide < _MOST_STRETCHED:
        return None
    return round(width * max(wide, 1)), round(height * max(1 / wide, 1))
