"""Reads the size that an image file claims from its header, before a decoder allocates for it."""

from __future__ import annotations

import re
import struct

JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
_WITHOUT_CONTENT = frozenset((0x01, *range(0xD0, 0xD8)))
#: Markers of a frame header: all of C0 to CF but tables (C4, CC) and a reserved one (C8).
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Before the frame header stand a dozen; each costs a step here.
_MOST_SEGMENTS = 1000
_OLD_BMP = 12  # bytes of the head of OS/2's
#: Of TIFF: tags, and kinds of numbers.
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT, _SHORT, _LONG = 256, 257, 322, 323, 3, 4


def claimed_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG, PNG, WebP, BMP or TIFF; None if it is no such file."""
    sizes = (of(data) for of in (png_size, jpeg_size, _webp_size, _bmp_size, _tiff_size))
    return next((size for size in sizes if size is not None), None)


def png_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, from its first chunk."""
    if not data.startswith(_PNG) or data[12:16] != b"IHDR" or len(data) < 24:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG, from its first frame header, found as libjpeg finds it."""
    position = len(JPEG)
    for _ in range(_MOST_SEGMENTS if data.startswith(JPEG) else 0):
        found = _MARKER.search(data, position)
        if found is None or found.end() + 7 > len(data):
            return None
        marker, position = found[0][1], found.end()
        if marker in _FRAME_HEADERS:
            height, width = struct.unpack_from(">HH", data, position + 3)
            return width, height
        if marker not in _WITHOUT_CONTENT:
            position += int.from_bytes(data[position : position + 2], "big")
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return width + 1, height + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _bmp_size(data: bytes) -> tuple[int, int] | None:
    if data[:2] != b"BM" or len(data) < 26:
        return None
    if int.from_bytes(data[14:18], "little") == _OLD_BMP:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = map(abs, struct.unpack_from("<ii", data, 18))  # upside down: negative
    return width, height


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height from the first directory, the only one that is decoded."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    if start + 2 > len(data):
        return None
    (count,) = struct.unpack_from(f"{order}H", data, start)
    values: dict[int, int] = {}
    for entry in range(start + 2, min(start + 2 + 12 * count, len(data) - 11), 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if kind in (_SHORT, _LONG):
            number = f"{order}{'H' if kind == _SHORT else 'I'}"
            (value,) = struct.unpack_from(number, data, entry + 8)
            values.setdefault(tag, value)
    if not {_WIDTH, _HEIGHT} <= values.keys():
        return None
    # Memory is taken for whole tiles, too.
    width, height = max(values[_WIDTH], values.get(_TILE_WIDTH, 0)), values[_HEIGHT]
    return width, max(height, values.get(_TILE_HEIGHT, 0))
