"""AlphaPose's other output (`--format cmu` or `open`): an object of images by file name."""

from __future__ import annotations

from typing import Any

from pstmo_core.keypoints.formats.found import Found, frame_numbers

NAME = 'AlphaPose --format cmu: {"0.jpg": {"bodies": [{"joints": [x, y, score, ..]}]}, ..}'
_LISTS = {"bodies": "joints", "people": "pose_keypoints_2d"}


def fits(content: Any) -> bool:
    """Tell by content."""
    first = next(iter(content.values()), None) if isinstance(content, dict) else None
    return isinstance(first, dict) and bool(set(_LISTS) & set(first))


def read(content: Any) -> Found:
    """Read the images."""
    found = Found()
    frame = frame_numbers(content, "an image's name")
    for image, entry in content.items():
        number = frame[image]
        found.listed.append(number)
        for people, points in _LISTS.items():
            for index, person in enumerate(entry.get(people, ())):
                found.add(number, person[points], where=f"image {image}, person {index}")
    return found
