"""Reads a recording of any kind that is known: BVH, or AMC with its ASF file."""

from __future__ import annotations

from pathlib import Path

from asf_amc import MOST_BYTES_OF_ASF, parse_amc, skeleton_of
from bones import MotionError, Recording, read_text
from bvh import parse_bvh

from pstmo_core.errors import PstmoError, quoted


def files_of(path: Path) -> list[Path]:
    """Return the files that reading a recording opens.

    Raises:
        MotionError: if the recording or its skeleton is not there, or is of another kind.
    """
    kind = path.suffix.lower()
    if kind not in (".bvh", ".amc"):
        raise MotionError(f"{path}: name ends in {quoted(kind)}, but must end in .bvh or .amc")
    if not path.exists():
        raise MotionError(f"{path}: no such file")
    try:
        return [path] if kind == ".bvh" else [path, skeleton_of(path)]
    except MotionError as error:
        raise MotionError(f"{path}: {error}") from error


def read_recording(path: Path, fps: float = 120.0) -> Recording:
    """Read a BVH file, or an AMC file with its skeleton.

    Args:
        path: a file whose name ends in .bvh or .amc.
        fps: frames/s of AMC files, which do not say it.

    Raises:
        MotionError: if the file is of another kind or broken.
    """
    texts = [
        read_text(each, *([MOST_BYTES_OF_ASF] if each.suffix.lower() == ".asf" else []))
        for each in files_of(path)
    ]
    kind = path.suffix[1:].upper()
    try:
        return parse_bvh(texts[0]) if kind == "BVH" else parse_amc(texts[1], texts[0], fps)
    except PstmoError as error:
        raise MotionError(f"{path}: {error}") from error
    except (ValueError, LookupError) as error:
        raise MotionError(f"{path}: not a complete {kind} file ({error!r:.200})") from error
    except StopIteration as error:
        raise MotionError(f"{path}: not a complete {kind} file: is it cut off?") from error
