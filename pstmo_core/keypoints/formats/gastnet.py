"""GAST-Net: frames of skeletons on COCO's points, people by their position in the list."""

from __future__ import annotations

from typing import Any

from pstmo_core.keypoints.formats.found import FormatError, Found

NAME = 'GAST-Net: {"data": [{"skeleton": [{"pose": [[x, y], ..], "score": [..]}]}, ..]}'


def fits(content: Any) -> bool:
    """Tell by content."""
    return isinstance(content, dict) and isinstance(content.get("data"), list)


def read(content: Any) -> Found:
    """Read frames."""
    frames = content["data"]
    try:
        found = Found("coco17")
        for row, frame in enumerate(frames):
            number = int(frame.get("frame_index", row))
            found.listed.append(number)
            for index, skeleton in enumerate(frame["skeleton"]):
                where = f"frame {row}, person {index}"
                found.add(number, skeleton["pose"], skeleton["score"], f"p{index}", where)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"breaks its format ({type(error).__name__}: {error}): each frame needs 'skeleton', a "
            "list of people with 17 points in 'pose' and 17 numbers in 'score'"
        ) from error
    return found
