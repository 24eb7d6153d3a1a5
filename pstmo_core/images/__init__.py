"""Converts camera images to the form that detectors take: (H, W, 3) uint8 BGR."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from pstmo_core.errors import PstmoError, quoted

_LARGEST = 1 << 15
#: An image with no value from here on is not a 16-bit one.
_FAINT = 1 << 14
#: Every so many rows and columns are looked at for its percentiles: odd, so that each of the four
#: pixels of a mosaic's pattern is.
_EACH = 5


class ImageError(PstmoError):
    """An image that cannot be decoded; says what is wrong with it."""


@dataclass(frozen=True, eq=False)
class RawImage:
    """An image that is not compressed, as a camera's driver describes it."""

    data: Any
    """Bytes, or anything that offers them (a buffer)."""
    width: int
    height: int
    encoding: str
    """One of `ENCODINGS`: the names of ROS, and nv12 and nv21."""
    step: int
    """Bytes from one row to the next; more than a row's pixels need is padding."""
    big_endian: bool = False
    """Byte order of 16-bit values."""


def decode_image(raw: RawImage) -> np.ndarray:
    """Decode an image to (H, W, 3) uint8 BGR; it may share the data's memory, read-only.

    16-bit values are scaled so that 65535 becomes 255. Images in 16 bits whose values need at most
    14, those of infrared, thermal and industrial cameras, would be nearly black so: they are
    stretched between their 1st and 99th percentile. YUV is that of BT.601 in video range.

    Raises:
        ImageError: if the encoding is not known, or size, step and data do not fit together.
    """
    encoding = raw.encoding.lower()
    if not (0 < raw.width <= _LARGEST and 0 < raw.height <= _LARGEST):
        raise ImageError(
            f"the image is {raw.width} x {raw.height} pixels, but must be 1 to {_LARGEST} on a side"
        )
    if encoding in _COLOURS:
        return _decode_channels(raw, *_COLOURS[encoding])
    if encoding in BAYER:
        kind, _ = BAYER[encoding]
        return demosaiced(encoding, eight_bits(_values(raw, kind, 1)[..., 0]))
    if encoding in _PACKED_YUV:
        return _decode_packed(raw, _PACKED_YUV[encoding])
    if encoding in _PLANAR_YUV:
        return _decode_planar(raw, _PLANAR_YUV[encoding])
    raise ImageError(
        f"the image's encoding is {quoted(raw.encoding)}, but must be one of {', '.join(ENCODINGS)}"
    )


def _decode_channels(raw: RawImage, kind: type, channels: int, order: list[int]) -> np.ndarray:
    pixels = _values(raw, kind, channels)
    if channels == 4:  # opacity says nothing of how faint the colours are
        pixels = pixels[..., :3]
        order = order[:3]
    pixels = eight_bits(pixels)
    if channels != 3 or order != [0, 1, 2]:
        pixels = pixels[..., order]
    return np.ascontiguousarray(pixels)


def _values(raw: RawImage, kind: type, channels: int) -> np.ndarray:
    """Return an image's values, (H, W, channels)."""
    rows = _rows(raw, raw.height, raw.width * channels * np.dtype(kind).itemsize)
    values = rows.view(np.dtype(kind).newbyteorder(">" if raw.big_endian else "<"))
    return values.reshape(raw.height, raw.width, channels)


def eight_bits(values: np.ndarray) -> np.ndarray:
    """Return values (H, W) or (H, W, C), uint8 or uint16 of any byte order, as uint8."""
    if values.dtype.itemsize == 1:
        return values
    if values.max() < _FAINT:
        return _stretched(values)
    # The nearest of 256 levels, as OpenCV rounds; in 32 bits, as 65535 + 128 is more than 16.
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _stretched(values: np.ndarray) -> np.ndarray:
    """Return uint16 as uint8, the 1st percentile black and the 99th white."""
    low, high = np.percentile(values[::_EACH, ::_EACH], [1, 99])
    scale = np.float32(255 / max(high - low, 1))
    levels = (values.astype(np.float32) - np.float32(low)) * scale
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def demosaiced(encoding: str, mosaic: np.ndarray) -> np.ndarray:
    """Return the colours of a Bayer mosaic (H, W) uint8, one of `BAYER`, as (H, W, 3) BGR."""
    cv2 = opencv(f"an image in {encoding}")
    if min(mosaic.shape) < 2:
        raise ImageError(f"an image in {encoding} must have two rows and columns or more")
    return cv2.cvtColor(np.ascontiguousarray(mosaic), getattr(cv2, BAYER[encoding][1]))


def _decode_packed(raw: RawImage, code: str) -> np.ndarray:
    if raw.width % 2:
        raise ImageError(f"an image in {raw.encoding} must have an even width, not {raw.width}")
    cv2 = opencv(f"an image in {raw.encoding}")
    rows = _rows(raw, raw.height, 2 * raw.width)
    return cv2.cvtColor(rows.reshape(raw.height, raw.width, 2), getattr(cv2, code))


def _decode_planar(raw: RawImage, code: str) -> np.ndarray:
    if raw.width % 2 or raw.height % 2:
        raise ImageError(
            f"an image in {raw.encoding} must have even sides, not {raw.width} x {raw.height}"
        )
    cv2 = opencv(f"an image in {raw.encoding}")
    return cv2.cvtColor(_rows(raw, raw.height * 3 // 2, raw.width), getattr(cv2, code))


def _rows(raw: RawImage, count: int, used: int) -> np.ndarray:
    """Return the bytes (count, used) of rows without their padding."""
    data = np.frombuffer(raw.data, np.uint8)
    # The last row need not be padded.
    needed = raw.step * (count - 1) + used
    if raw.step < used or len(data) < needed:
        raise ImageError(
            f"the image has {len(data)} bytes in rows of {raw.step}, but {raw.width} x "
            f"{raw.height} pixels in {raw.encoding} need {count} rows of at least {used}"
        )
    strides = (raw.step, 1)
    rows = np.lib.stride_tricks.as_strided(data, (count, used), strides, writeable=False)
    return np.ascontiguousarray(rows)


def opencv(what: str) -> ModuleType:
    """Return OpenCV, or say that `what` needs it."""
    # What it prints of a damaged image stands beside our sentence, and comes with every image.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")
    try:
        import cv2
    except ImportError as error:
        raise ImageError(
            f"{what} is decoded by OpenCV, which is not installed for {sys.executable}: "
            "pip install opencv-python-headless"
        ) from error
    return cv2


#: Type, channels, and which channels are blue, green and red.
_COLOURS: dict[str, tuple[type, int, list[int]]] = {
    "bgr8": (np.uint8, 3, [0, 1, 2]),
    "8uc3": (np.uint8, 3, [0, 1, 2]),
    "rgb8": (np.uint8, 3, [2, 1, 0]),
    "bgra8": (np.uint8, 4, [0, 1, 2]),
    "8uc4": (np.uint8, 4, [0, 1, 2]),
    "rgba8": (np.uint8, 4, [2, 1, 0]),
    "mono8": (np.uint8, 1, [0, 0, 0]),
    "8uc1": (np.uint8, 1, [0, 0, 0]),
    "mono16": (np.uint16, 1, [0, 0, 0]),
    "16uc1": (np.uint16, 1, [0, 0, 0]),
    "bgr16": (np.uint16, 3, [0, 1, 2]),
    "rgb16": (np.uint16, 3, [2, 1, 0]),
    "bgra16": (np.uint16, 4, [0, 1, 2]),
    "rgba16": (np.uint16, 4, [2, 1, 0]),
}
#: OpenCV's conversions. yuv422 is U Y V Y and yuv422_yuy2 is Y U Y V, as ROS has them.
_PACKED_YUV = {
    "yuv422": "COLOR_YUV2BGR_UYVY",
    "uyvy": "COLOR_YUV2BGR_UYVY",
    "yuv422_yuy2": "COLOR_YUV2BGR_YUY2",
    "yuyv": "COLOR_YUV2BGR_YUY2",
}
_PLANAR_YUV = {"nv12": "COLOR_YUV2BGR_NV12", "nv21": "COLOR_YUV2BGR_NV21"}
#: ROS names a mosaic by its first two rows, OpenCV by the second row's second and third pixels.
_MOSAICS = {"rggb": "BG", "bggr": "RG", "gbrg": "GR", "grbg": "GB"}
BAYER = {
    f"bayer_{order}{bits}": (kind, f"COLOR_Bayer{name}2BGR")
    for bits, kind in ((8, np.uint8), (16, np.uint16))
    for order, name in _MOSAICS.items()
}
"""Type and OpenCV's conversion of each mosaic of a colour camera's sensor."""
ENCODINGS = (*_COLOURS, *BAYER, *_PACKED_YUV, *_PLANAR_YUV)
"""The encodings that are decoded; capitals do not matter."""


def is_padded(raw: RawImage) -> bool:
    """Say whether rows are longer than their pixels, for encodings that hold pixels one by one."""
    encoding = raw.encoding.lower()
    kind, channels, _ = _COLOURS.get(encoding, (BAYER.get(encoding, (np.uint8,))[0], 1, []))
    bytes_a_pixel = 2 if encoding in _PACKED_YUV else np.dtype(kind).itemsize * channels
    return raw.step != raw.width * bytes_a_pixel
