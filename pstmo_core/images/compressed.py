"""Decodes compressed images of messages and files, if the size in their header is allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.errors import quoted
from pstmo_core.images import ImageError, demosaiced, eight_bits, opencv
from pstmo_core.images.sizes import JPEG, claimed_size, jpeg_size, png_size

MOST_PIXELS = 1 << 25
"""Pixels of a compressed image: an 8K image (7680 x 4320). A few kilobytes can claim gigabytes, and
a decoder takes the memory before it looks at what follows."""
MOST_PIXELS_OF_FILES = 1 << 26
"""Pixels of an image in a folder, or in a video: photographs have up to 60 million."""
#: What image_transport calls a mosaic that it compressed without making colours of it.
_MOSAIC = re.compile(r"(bayer_(?:rggb|bggr|gbrg|grbg))(?:8|16); *(?:jpeg|png) compressed *$")
MOST_SCANS = 64
"""Scans of a JPEG, each of which can cost the time of a whole image; progressive ones have 10."""


def decode_compressed(data: Any, kind: str = "") -> np.ndarray:
    """Decode a JPEG or PNG to (H, W, 3) uint8 BGR, of `MOST_PIXELS` at most.

    An orientation in the file's metadata is not followed: a calibration is of the sensor's pixels.
    The mosaic of a colour camera, which image_transport compresses as it is, becomes colours.

    Args:
        data: bytes, or anything that offers them.
        kind: what the sender calls it, for the error.

    Raises:
        ImageError: if it is no such image, or too large a one.
    """
    cv2 = opencv("a compressed image")
    content = np.frombuffer(data, np.uint8).tobytes()
    size = png_size(content) or jpeg_size(content)
    image = None
    if size is not None and "compressedDepth" not in kind:
        _require_bounds(content, size, MOST_PIXELS, "let the camera send smaller ones")
        mosaic = _MOSAIC.match(kind)
        colour = cv2.IMREAD_GRAYSCALE if mosaic else cv2.IMREAD_COLOR
        image = _decoded(content, colour | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is not None and mosaic:
            image = demosaiced(f"{mosaic[1]}8", image)
    if image is None:
        raise ImageError(
            f"{len(content)} bytes called {quoted(kind)} are neither a whole JPEG nor a PNG"
        )
    return image


def read_image(path: Path) -> np.ndarray:
    """Read a JPEG, PNG, WebP, BMP or TIFF to (H, W, 3) uint8 BGR, upright by its metadata.

    Raises:
        ImageError: if it is no such image, or of more than `MOST_PIXELS_OF_FILES`.
        OSError: if the file cannot be read.
    """
    cv2 = opencv("an image")
    if path.stat().st_size > 4 * MOST_PIXELS_OF_FILES:
        raise ImageError("is no image: it is larger than the pixels of any that is read")
    content = path.read_bytes()
    size = claimed_size(content)
    image = None
    if size is not None:
        _require_bounds(content, size, MOST_PIXELS_OF_FILES, "make them smaller")
        image = _decoded(content, cv2.IMREAD_COLOR)
    if image is None:
        raise ImageError("is not a readable image")
    return image


def _require_bounds(data: bytes, size: tuple[int, int], most: int, advice: str) -> None:
    width, height = size
    if width * height > most:
        raise ImageError(
            f"a compressed image claims {width} x {height} pixels, but at most {most} are "
            f"decoded: {advice}"
        )
    if data.startswith(JPEG) and (scans := data.count(b"\xff\xda")) > MOST_SCANS:
        raise ImageError(f"a JPEG has {scans} scans, but at most {MOST_SCANS} are decoded")


def _decoded(data: bytes, flags: int) -> np.ndarray | None:
    cv2 = opencv("a compressed image")
    packed = np.frombuffer(data, np.uint8)
    try:
        image: np.ndarray | None = cv2.imdecode(packed, flags | cv2.IMREAD_ANYDEPTH)
        if image is not None and image.dtype == np.uint16:
            return eight_bits(image)
        if image is not None and image.dtype != np.uint8:
            image = cv2.imdecode(packed, flags)
    except cv2.error:
        return None
    return image
