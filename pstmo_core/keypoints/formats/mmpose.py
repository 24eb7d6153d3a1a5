"""MMPose's predictions: frames with instances, with or without a head that describes the points."""

from __future__ import annotations

from typing import Any

from pstmo_core.keypoints.formats.found import Found, is_list_of

NAME = 'MMPose: {"meta_info": .., "instance_info": [{"frame_id": .., "instances": [..]}, ..]}'
_LAYOUTS = {"coco": "coco17", "coco_wholebody": "wholebody133", "halpe26": "halpe26",
            "halpe": "halpe136", "h36m": "h36m17"}  # fmt: skip


def fits(content: Any) -> bool:
    """Tell by content."""
    if isinstance(content, dict):
        return isinstance(content.get("instance_info"), list)
    return is_list_of(content, dict) and (
        "instances" in content[0] or {"keypoints", "keypoint_scores"} <= set(content[0])
    )


def read(content: Any) -> Found:
    """Read frames, or the instances of one image."""
    found = Found()
    if isinstance(content, dict):
        frames = content["instance_info"]
        if frames and "instances" not in frames[0]:  # of one image
            frames = [{"instances": frames}]
        found.layout = _LAYOUTS.get(str((content.get("meta_info") or {}).get("dataset_name")))
    else:
        frames = content if "instances" in content[0] else [{"instances": content}]
    first = int(frames[0].get("frame_id", 0)) if frames else 0
    for index, frame in enumerate(frames):
        number = int(frame.get("frame_id", first + index))
        found.listed.append(number)
        for person, instance in enumerate(frame["instances"]):
            found.add(
                number,
                instance["keypoints"],
                instance.get("keypoint_scores"),
                instance.get("track_id", instance.get("instance_id")),
                f"frame {number}, instance {person}",
            )
    return found
