"""The camera's pose and the depths at the keypoints, for frames that wait for their answer."""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.skeleton import JOINTS


class Views:
    """Waiting frames that know the camera's pose or depths, by stamp."""

    def __init__(self) -> None:
        self._frames: dict[int, KeypointFrame] = {}

    def keep(self, frame: KeypointFrame) -> None:
        """Keep what a frame knows, if anything."""
        if frame.pose is not None or frame.depths is not None:
            self._frames[frame.stamp] = frame

    def of(self, stamp: int, ids: tuple[str, ...]) -> tuple[CameraPose | None, np.ndarray | None]:
        """Return the camera's pose in a frame and the depths (P, 17) of people in it."""
        frame = self._frames.get(stamp)
        return (None, None) if frame is None else view_of(frame, ids)

    def drop(self, limit: int) -> None:
        """Forget the frames with stamps up to a limit."""
        for stamp in [stamp for stamp in self._frames if stamp <= limit]:
            del self._frames[stamp]

    def clear(self) -> None:
        """Forget every frame."""
        self._frames.clear()


def view_of(
    frame: KeypointFrame, ids: tuple[str, ...]
) -> tuple[CameraPose | None, np.ndarray | None]:
    """Return the camera's pose in a frame and the depths (P, 17) of people, NaN if not in it."""
    if frame.depths is None:
        return frame.pose, None
    depths = np.full((len(ids), JOINTS), np.nan)  # of those who are only bridged
    for row, name in enumerate(ids):
        if name in frame.ids:
            depths[row] = frame.depths[frame.ids.index(name)]
    return frame.pose, depths
