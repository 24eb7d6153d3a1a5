"""Any number of people at any frame rate, from the shipped sample."""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints.clip import Clip

SHIFT = 20.0
"""Pixels between a person and the next one that moves alike."""


def crowd(clip: Clip, people: int, fps: float, frames: int) -> Clip:
    """Return a clip in which so many people are always there.

    Those of the given clip, from the time when all of them are in the image, go through their
    motion forth and back; further people move like them, shifted in the image, with ids of their
    own. Keypoints that a detector missed are missing here too.
    """
    together = np.flatnonzero(clip.present(slice(None)).all(-1))
    order = np.concatenate([together, together[-2:0:-1]])
    rows = order[np.arange(frames) % len(order)]
    columns = np.arange(people) % len(clip.ids)
    shift = SHIFT * (np.arange(people) // len(clip.ids)).astype(np.float32)
    keypoints = clip.keypoints[rows][:, columns].copy()
    keypoints[..., 0] += shift[:, None]
    return Clip(
        keypoints=keypoints,
        scores=clip.scores[rows][:, columns],
        stamps=np.rint(np.arange(frames) * 1e9 / fps).astype(np.int64),
        width=clip.width,
        height=clip.height,
        layout=clip.layout,
        ids=tuple(f"p{person}" for person in range(people)),
    )
