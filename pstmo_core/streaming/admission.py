"""Selects the people of a frame that are lifted: enough joints seen, and a free slot."""

from __future__ import annotations

from collections import Counter

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.people import People


def admit(
    frame: KeypointFrame, config: StreamConfig, people: People, counters: Counter[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give people their slots; count those who get none.

    Returns:
        The slots (P,) of those who are lifted, their keypoints (P, 17, 2) and the scores (P, 17)
        of these, 0 where they are below `min_score`.
    """
    scores = np.where(frame.scores >= config.min_score, frame.scores, np.float32(0))
    enough = ((scores > 0).sum(-1) >= config.min_joints).tolist()
    counters["too_few_joints"] += enough.count(False)
    slots = [
        people.slot_of(name) if keep else None for name, keep in zip(frame.ids, enough, strict=True)
    ]
    rows = [index for index, slot in enumerate(slots) if slot is not None]
    counters["too_many_people"] += enough.count(True) - len(rows)
    taken = np.array([slots[index] for index in rows], np.intp)
    if len(rows) == len(slots):
        return taken, frame.points, scores
    return taken, frame.points[rows], scores[rows]
