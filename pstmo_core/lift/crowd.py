"""Counts how many people a recording shows at once, which is how many are lifted by default."""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints.recorded import Clip
from pstmo_core.keypoints.sightings import Sightings


def people_at_once(clip: Clip | Sightings, expire: float) -> int:
    """Return the most people who are there at any time.

    Args:
        clip: the recording.
        expire: seconds after the last sighting at which somebody has left.
    """
    if isinstance(clip, Clip):
        frames, people = clip.present(slice(None)).nonzero()
    else:
        frames, people = clip.frames, clip.people
    if not len(frames):
        return 0
    order = np.lexsort((clip.stamps[frames], people))
    stamps, people = clip.stamps[frames][order], people[order]
    stays = np.concatenate([[True], (np.diff(people) != 0) | (np.diff(stamps) > expire * 1e9)])
    begins = np.sort(stamps[stays])
    ends = np.sort(stamps[np.append(stays[1:], True)] + round(expire * 1e9))
    there = np.arange(1, len(begins) + 1) - np.searchsorted(ends, begins, side="left")
    return int(there.max())
