"""COCO: a list of results, one per person and image, or annotations; AlphaPose writes the same."""

from __future__ import annotations

from typing import Any

from pstmo_core.keypoints.formats.found import Found, frame_numbers, is_list_of, ordered_numbers

NAME = 'COCO results, AlphaPose: [{"image_id": .., "keypoints": [x, y, score, ..]}, ..]'


#: Where scores stand apart from the points.
_SCORES = ("keypoint_scores", "keypoints_scores")


def fits(content: Any) -> bool:
    """Tell by content: results without points, of other things than people, may be among them."""
    entries: Any = _entries(content)
    return is_list_of(entries, dict) and any(
        {"image_id", "keypoints"} <= set(entry) for entry in entries[:1000]
    )


def read(content: Any) -> Found:
    """Read results, or annotations with their images."""
    found = Found()
    entries = [entry for entry in _entries(content) if entry.get("keypoints")]
    if isinstance(content, dict) and content.get("images"):
        images = content["images"]
        names = {image["id"]: image.get("file_name", image["id"]) for image in images}
        order = ordered_numbers(names.values())
        frame = {image: order[name] for image, name in names.items()}
        if "width" in images[0]:
            found.size = int(images[0]["width"]), int(images[0]["height"])
        found.listed = sorted(order.values())
    else:
        frame = frame_numbers((entry["image_id"] for entry in entries), "image_id")
    for index, entry in enumerate(entries):
        where = f"entry {index}"
        name = entry.get("track_id", entry.get("idx"))
        # AlphaPose writes the track as a list where it does not track, else as 1.0.
        name = None if isinstance(name, (list, dict)) else name
        name = int(name) if isinstance(name, float) and name.is_integer() else name
        scores = next((entry[key] for key in _SCORES if key in entry), None)
        found.add(frame[entry["image_id"]], entry["keypoints"], scores, name, where)
    return found


def _entries(content: Any) -> Any:
    return content.get("annotations") if isinstance(content, dict) else content
