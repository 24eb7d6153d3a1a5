"""COCO: a list of results, one a person and image, or annotations; AlphaPose writes the same."""

from __future__ import annotations

from typing import Any

from pstmo_core.keypoints.formats.found import Found, is_list_of, number_in, ordered_numbers

NAME = 'COCO results, AlphaPose: [{"image_id": .., "keypoints": [x, y, score, ..]}, ..]'


def fits(content: Any) -> bool:
    """Tell by content."""
    entries: Any = content.get("annotations") if isinstance(content, dict) else content
    return is_list_of(entries, dict) and {"image_id", "keypoints"} <= set(entries[0])


def read(content: Any) -> Found:
    """Read results, or annotations with their images."""
    found = Found()
    if isinstance(content, dict):
        entries, images = content["annotations"], content.get("images", [])
        names = {image["id"]: image.get("file_name", image["id"]) for image in images}
        order = ordered_numbers(names.values())
        frame = {image: order[name] for image, name in names.items()}
        if images and "width" in images[0]:
            found.size = int(images[0]["width"]), int(images[0]["height"])
        found.listed = sorted(order.values())
    else:
        entries = content
        frame = {entry["image_id"]: number_in(entry["image_id"], "image_id") for entry in entries}
    for index, entry in enumerate(entries):
        where = f"entry {index}"
        name = entry.get("track_id", entry.get("idx"))
        # AlphaPose writes the track as a list where it does not track.
        name = None if isinstance(name, (list, dict)) else name
        if entry["keypoints"]:
            found.add(frame[entry["image_id"]], entry["keypoints"], name=name, where=where)
    return found
