"""What was read from an input: keypoints as a clip, and what is known of the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.camera import Camera
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.layouts import get_layout


@dataclass(frozen=True, eq=False)
class Recording:
    """Keypoints of one camera, ready to be lifted."""

    clip: Clip
    camera: Camera | None = None
    """The calibration that came with the recording, if one did."""
    frame_id: str = ""
    """Name of the camera's optical frame, where the recording is a bag."""
    notes: tuple[str, ...] = ()
    """What a user should hear of: sentences."""


class ClipBuilder:
    """Collects keypoints frame by frame; people may come and go."""

    def __init__(self, layout: str, size: tuple[int, int]) -> None:
        self.layout = layout
        self.size = size
        self._points = len(get_layout(layout).joint_names)
        self._stamps: list[int] = []
        self._frames: list[tuple[list[int], np.ndarray, np.ndarray]] = []
        self._people: dict[str, int] = {}

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._stamps)

    def add(self, stamp: int, ids: tuple[str, ...], points: np.ndarray, scores: np.ndarray) -> None:
        """Add a frame: its stamp in nanoseconds, P ids, points (P, J, 2), scores (P, J)."""
        columns = [self._people.setdefault(name, len(self._people)) for name in ids]
        self._stamps.append(stamp)
        self._frames.append((columns, points.astype(np.float32), scores.astype(np.float32)))

    def build(self) -> Clip:
        """Return the clip.

        Raises:
            ClipError: if it has no frames.
        """
        shape = (len(self), len(self._people), self._points)
        keypoints = np.full((*shape, 2), np.nan, np.float32)
        scores = np.zeros(shape, np.float32)
        for row, (columns, points, seen) in enumerate(self._frames):
            keypoints[row, columns] = points
            scores[row, columns] = seen
        known: np.ndarray = np.all(np.isfinite(keypoints), axis=-1)
        return Clip(
            keypoints=np.where(known[..., None], keypoints, np.float32(np.nan)),
            scores=np.where(known, np.clip(np.nan_to_num(scores, nan=0.0), 0, 1), np.float32(0)),
            stamps=np.array(self._stamps, np.int64),
            width=self.size[0],
            height=self.size[1],
            layout=self.layout,
            ids=tuple(self._people),
        )
