"""One person's window of a clip, sampled and encoded as the streaming core does it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.encoding import encode_pixels
from pstmo_core.figures.canvas import FigureError
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.model.config import ModelConfig
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.grid import Grid, sample


@dataclass(frozen=True)
class ClipWindow:
    """What a network sees of a person, the target frame in the window's centre."""

    person: str
    time: float
    """Seconds from the clip's first frame to the target frame."""
    offsets: np.ndarray
    """(F,) seconds from the target frame to each frame of the window."""
    points: np.ndarray
    """(F, 17, 2) pixels, NaN where a joint was not seen."""
    frames: np.ndarray
    """(1, F, rows, channels) float32, the same encoded for the network."""
    size: np.ndarray
    """(1, 2) image width and height in pixels."""
    focal: float
    """As given, 0 = not known."""


def cut_window(
    clip: Clip,
    model: ModelConfig,
    person: str | None = None,
    frame: int | None = None,
    focal: float = 0.0,
) -> ClipWindow:
    """Cut the window round a frame of a clip (TDS, section 3.3.2), as a live network gets it.

    Args:
        clip: the recording.
        model: of the network.
        person: an id; None takes the first.
        frame: row of the clip; None takes the middle one of those in which the person is.
        focal: focal length in pixels; 0 assumes a usual one.

    Raises:
        FigureError: if there is no such person, or the person is not in that frame.
    """
    settings = StreamConfig()
    index = find_person(clip, person)
    keypoints, scores = clip.keypoints[:, [index]], clip.scores[:, [index]]
    points, scores = get_layout(clip.layout).convert(keypoints, scores)
    seen = scores >= settings.min_score
    seen &= seen.sum(-1, keepdims=True) >= settings.min_joints
    target = _target(np.flatnonzero(seen.any((1, 2))), frame, clip.ids[index])

    stamps, rows = np.unique(clip.stamps, return_index=True)
    grid = Grid.of(model.frames, model.step, model.target, settings.tolerance, settings.max_gap)
    moment = int(clip.stamps[target])
    # A live lifter answers as soon as the window's last moment has come, and knows nothing later.
    known = rows[: np.searchsorted(stamps, moment + grid.offsets[-1]) + 1]
    points, seen, only = points[known], seen[known], np.array([0])
    scores = np.where(seen, scores[known], np.float32(0))
    samples = sample(clip.stamps[known], points, scores, seen.any(-1), only, moment, grid)
    points, scores = samples.written_out(points, scores, only)
    size = np.array([[clip.width, clip.height]])
    return ClipWindow(
        person=clip.ids[index],
        time=float(moment - clip.stamps[0]) / 1e9,
        offsets=grid.offsets / 1e9,
        points=np.where(scores[0, ..., None] > 0, points[0], np.nan),
        frames=encode_pixels(points, scores, size, focal, model.encoding),
        size=size,
        focal=focal,
    )


def find_person(clip: Clip, person: str | None) -> int:
    """Return the place of an id among a clip's people; None is the first.

    Raises:
        FigureError: if the clip has no such person.
    """
    if not clip.ids:
        raise FigureError("the clip has no people")
    if person is None:
        return 0
    if person not in clip.ids:
        raise FigureError(f"nobody is named {person!r}: the clip has {', '.join(clip.ids)}")
    return clip.ids.index(person)


def _target(rows: np.ndarray, frame: int | None, name: str) -> int:
    """Choose among the frames (rows of the clip) in which a person is."""
    if len(rows) == 0:
        raise FigureError(f"{name} has too few keypoints in every frame of the clip")
    if frame is None:
        return int(rows[len(rows) // 2])
    if frame not in rows:
        raise FigureError(
            f"{name} is not in frame {frame}, or has too few keypoints there: take one between "
            f"{rows[0]} and {rows[-1]}"
        )
    return frame
