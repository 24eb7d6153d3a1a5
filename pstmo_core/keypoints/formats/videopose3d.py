"""VideoPose3D's npz of videos in the wild (`data_2d_custom_*.npz`), a pickle that is not run."""

from __future__ import annotations

from typing import Any

import numpy as np

from pstmo_core.keypoints.formats.found import FormatError, Found, numbers

NAME = "VideoPose3D: data_2d_custom_*.npz"
_LAYOUTS = {"coco": "coco17", "h36m": "h36m17", "halpe": "halpe26"}


#: What VideoPose3D's scripts for detectors write of a video.
_DETECTRON = {"boxes", "keypoints", "metadata"}


def fits(keys: set[str]) -> bool:
    """Tell by the keys of an npz."""
    plain = bool(keys & {"positions_2d", "kpts"}) and "keypoints" not in keys
    return plain or keys >= _DETECTRON


def read(content: dict[str, Any]) -> Found:
    """Read the tracks of the file's one video; each is a person."""
    if set(content) >= _DETECTRON:
        return _read_detectron(content)
    if "kpts" in content:  # of detectors' scripts: (F, 17, 2), or people first
        array = numbers(content["kpts"], "'kpts'")
        tracks, found = list(array) if array.ndim == 4 else [array], Found("coco17")
    else:
        videos, facts = content["positions_2d"], content.get("metadata") or {}
        if len(videos) != 1:
            raise FormatError(
                f"holds {len(videos)} videos ({', '.join(map(str, videos))[:200]}): write each to "
                "a file of its own"
            )
        ((video, entry),) = videos.items()
        if "custom" not in entry:
            raise FormatError(
                f"holds {', '.join(map(str, entry))[:200]} of several cameras, not one video's "
                "'custom': write the track of one camera to a file of its own"
            )
        tracks = [numbers(track, f"video {video}") for track in entry["custom"]]
        found = Found(_LAYOUTS.get(str(facts.get("layout_name"))))
        size = (facts.get("video_metadata") or {}).get(video)
        if size:
            found.size = int(size["w"]), int(size["h"])
            found.fps = float(size["fps"]) if "fps" in size else None
    for person, track in enumerate(tracks):
        if track.ndim != 3:
            raise FormatError(f"has a track of the shape {track.shape}, not (frames, points, 2)")
        for number in range(len(track)):
            if person == 0:
                found.listed.append(number)
            if np.isfinite(track[number]).any():
                found.add(number, track[number], name=f"p{person}", where=f"frame {number}")
    return found


def _read_detectron(content: dict[str, Any]) -> Found:
    """Read what a detector found in each frame: of each person rows of x, y, logit, probability."""
    found = Found("coco17")
    found.take_facts(content["metadata"] or {})
    for number, classes in enumerate(content["keypoints"]):
        found.listed.append(number)
        for index, rows in enumerate(classes[-1] if len(classes) else ()):
            values = numbers(rows, f"frame {number}, person {index}")
            found.add(number, values[[0, 1, -1]].T, where=f"frame {number}, person {index}")
    return found
