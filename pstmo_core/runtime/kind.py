"""Tells which kind of network a file holds, before loading it."""

from __future__ import annotations

import json
from pathlib import Path

from pstmo_core.runtime.base import LIVE_KEY
from pstmo_core.runtime.onnx_file import LARGEST_MODEL
from pstmo_core.runtime.onnx_graph import metadata

_LONGEST_HEADER = 1 << 24


def holds_live(path: Path) -> bool:
    """Say whether a file holds a network STMO-Live.

    Args:
        path: an ONNX file, or one of weights (safetensors). If it is missing, weights beside it
            tell. Of a file that cannot be read this is False: who loads it says what is wrong.
    """
    if not path.is_file():
        path = path.with_suffix(".safetensors")
    try:
        if path.suffix == ".safetensors":
            return LIVE_KEY in _weights_metadata(path)
        return path.stat().st_size <= LARGEST_MODEL and LIVE_KEY in metadata(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False


def _weights_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a file of safetensors: a length of eight bytes, then that much JSON."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        header = json.loads(file.read(length))
    held = header.get("__metadata__") if isinstance(header, dict) else None
    return held if isinstance(held, dict) else {}
