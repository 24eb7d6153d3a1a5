"""Converts image messages to (H, W, 3) uint8 BGR, by cv_bridge where it works, else by the core.

cv_bridge is compiled against one version of NumPy, and with another it raises or ends the process;
its Python side reads big-endian images and rows padded by odd amounts wrongly. So it is tried
first, in a process of its own, on small images whose pixels are known, and used for the encodings
that it has right, where rows are not padded.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from pstmo_core.errors import quoted
from pstmo_core.images import (
    ENCODINGS,
    ImageError,
    RawImage,
    decode_image,
    is_padded,
)
from pstmo_core.images.compressed import decode_compressed

_OURS = frozenset(name for name in ENCODINGS if "16" in name)
"""Where cv_bridge makes 12 or 14 bits nearly black, and the core does not."""
_PATIENCE = 30.0
"""Seconds that the trial may take."""
_TOLERANCE = 2
"""Grey levels by which conversions may differ in rounding."""


class ImageDecoder:
    """Decodes Image and CompressedImage messages."""

    def __init__(self) -> None:
        self._bridged, self._why = bridged_encodings()
        self._bridge: Any = None
        if self._bridged:
            from cv_bridge import CvBridge

            self._bridge = CvBridge()

    def decode(self, message: Image | CompressedImage) -> np.ndarray:
        """Return an image (H, W, 3) uint8 BGR.

        Compressed images go to OpenCV directly, as cv_bridge would give them to it too, but takes
        grey ones for coloured.

        Raises:
            ImageError: if it cannot be decoded.
        """
        if isinstance(message, CompressedImage):
            return decode_compressed(message.data, message.format)
        raw = raw_image(message)
        plain = not (raw.big_endian or is_padded(raw))
        if plain and message.encoding.lower() in self._bridged:
            return bridge_image(self._bridge, message)
        return decode_image(raw)

    def describe(self) -> str:
        """Say what decodes, and why."""
        return self._why


def raw_image(message: Image) -> RawImage:
    """Return a message as the core's image."""
    return RawImage(
        data=message.data,
        width=int(message.width),
        height=int(message.height),
        encoding=message.encoding,
        step=int(message.step),
        big_endian=bool(message.is_bigendian),
    )


def bridge_image(bridge: Any, message: Image) -> np.ndarray:
    """Decode a message by cv_bridge.

    Raises:
        ImageError: if it cannot.
    """
    try:
        return np.asarray(bridge.imgmsg_to_cv2(message, "bgr8"))
    except Exception as error:  # CvBridgeError, and NumPy's for data that are too short
        raise ImageError(
            f"cv_bridge cannot decode an image in {quoted(message.encoding)}: {error}"
        ) from (error)


@functools.cache
def bridged_encodings() -> tuple[frozenset[str], str]:
    """Return the encodings that cv_bridge is to decode here, and a sentence on it."""
    if find_spec("cv_bridge") is None:
        return frozenset(), "decodes images by NumPy, as cv_bridge is not installed"
    command = [sys.executable, "-m", "pstmo_ros.images"]
    try:
        # Not where the caller stands: -m would look for pstmo_ros in a repository first.
        trial = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=True, cwd="/"
        )
        right = frozenset(json.loads(trial.stdout.splitlines()[-1])) - _OURS
    except (subprocess.SubprocessError, OSError, ValueError, IndexError):
        right = frozenset()
    if not right:
        return right, "decodes images by NumPy, as cv_bridge does not work with this NumPy"
    return right, f"decodes images by cv_bridge ({', '.join(sorted(right))}), others by NumPy"


def _try_bridge() -> list[str]:
    """Return the encodings in which cv_bridge decodes images as the core does."""
    from cv_bridge import CvBridge

    bridge, right = CvBridge(), []
    for encoding in ENCODINGS:
        message = _trial_image(encoding)
        if _is_right(lambda m=message: bridge_image(bridge, m), message):  # type: ignore[misc]
            right.append(encoding)
    return right


def _trial_image(encoding: str, width: int = 8, height: int = 6) -> Image:
    """Return noise in some encoding."""
    raw = RawImage(b"", width, height, encoding, step=0)
    step = next(n * width for n in range(1, 9) if not is_padded(replace(raw, step=n * width)))
    rows = height * 3 // 2 if encoding.startswith("nv") else height
    data = np.random.default_rng(1).integers(0, 256, rows * step, np.uint8).tobytes()
    return Image(width=width, height=height, encoding=encoding, step=step, data=data)


def _is_right(decode: Callable[[], np.ndarray], message: Image) -> bool:
    try:
        image = decode()
        wanted = decode_image(raw_image(message)).astype(int)
    except ImageError:
        return False
    return image.shape == wanted.shape and int(np.abs(image - wanted).max()) <= _TOLERANCE


if __name__ == "__main__":
    print(json.dumps(_try_bridge()))
