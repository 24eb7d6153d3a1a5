"""The result of reading an input: keypoints as a clip, and what is known of the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.camera import Camera
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.sightings import Sightings


@dataclass(frozen=True, eq=False)
class Recording:
    """Keypoints of one camera, ready to be lifted."""

    clip: Clip | Sightings
    camera: Camera | None = None
    """The calibration that came with the recording, if one did."""
    frame_id: str = ""
    """Name of the camera's optical frame, where the recording is a bag."""
    notes: tuple[str, ...] = ()
    """Notes for the user: sentences."""


class ClipBuilder:
    """Collects keypoints frame by frame; people may come and go."""

    def __init__(self, layout: str, size: tuple[int, int]) -> None:
        self.layout = layout
        self.size = size
        self._frames: list[tuple[int, tuple[str, ...], np.ndarray, np.ndarray]] = []

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._frames)

    @property
    def lasted(self) -> int:
        """Nanoseconds from the first frame to the newest."""
        return self._frames[-1][0] - self._frames[0][0] if self._frames else 0

    def add(self, stamp: int, ids: tuple[str, ...], points: np.ndarray, scores: np.ndarray) -> None:
        """Add a frame: its stamp in nanoseconds, P ids, points (P, J, 2), scores (P, J)."""
        self._frames.append((stamp, ids, points.astype(np.float32), scores.astype(np.float32)))

    def build(self) -> Sightings:
        """Return what was collected.

        Raises:
            ClipError: if it has no frames.
        """
        return Sightings.collect(self._frames, self.size, self.layout)
