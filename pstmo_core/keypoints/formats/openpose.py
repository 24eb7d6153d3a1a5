"""OpenPose: a folder with a JSON file for each frame, or one such file."""

from __future__ import annotations

from typing import Any

from pstmo_core.keypoints.formats.found import Found, ordered_numbers

NAME = 'OpenPose: a folder of NAME_000000000000_keypoints.json, {"people": [..]}'
#: The end of the names of its files.
SUFFIX = "_keypoints.json"


def fits(content: Any) -> bool:
    """Tell by content."""
    return isinstance(content, dict) and isinstance(content.get("people"), list)


def read(content: Any) -> Found:
    """Read the file of one frame."""
    return read_files({"0": content})


def read_files(contents: dict[str, Any]) -> Found:
    """Read the files of all frames, by name."""
    order = ordered_numbers(contents)
    found = Found(listed=list(order.values()))
    for name, number in order.items():
        for index, person in enumerate(contents[str(name)]["people"]):
            points = person.get("pose_keypoints_2d", person.get("pose_keypoints"))
            if points:  # of somebody of whom only hands or a face were found, there are none
                found.add(number, points, name=_track(person), where=f"{name}, person {index}")
    return found


def _track(person: dict[str, Any]) -> str | None:
    """Return who it is; OpenPose writes -1 where it does not track."""
    track = person.get("person_id", -1)
    track = track[0] if isinstance(track, list) and track else track
    return str(track) if isinstance(track, int) and track >= 0 else None
