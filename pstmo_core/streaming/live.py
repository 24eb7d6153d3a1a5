"""Live use from Python: the streaming core with a network, a camera and a tracker around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pstmo_core.camera import Camera
from pstmo_core.keypoints.frame import KeypointFrame, keypoint_frame
from pstmo_core.keypoints.tracking import Tracker, TrackerConfig
from pstmo_core.runtime import AnyRuntime, load_runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter
from pstmo_core.streaming.skeleton_frame import SkeletonFrame


class Lifter(StreamLifter):
    """Lifts the people in a live stream of 2D keypoints to 3D skeletons.

    Feed it each image's keypoints as they come, by `push_points` (arrays) or `push` (a
    `KeypointFrame`). Both return the skeletons that are ready: with the default look-ahead of 0
    those of the frame just given, with a larger one those of an earlier frame; `flush` returns what
    still waits when the stream ends.

    Args:
        runtime: the network, from `load_runtime`; by default the shipped one.
        config: settings; by default all defaults.
        camera: the calibration of the camera. With it lens distortion is undone and root
            positions, where in the camera's frame each pelvis is, are estimated.

    Raises:
        ConfigError: if the settings do not fit the network.
    """

    def __init__(
        self,
        runtime: AnyRuntime | None = None,
        config: StreamConfig | None = None,
        camera: Camera | None = None,
    ) -> None:
        super().__init__(runtime or load_runtime(), config or StreamConfig())
        self.camera = camera
        self._tracker: Tracker | None = None

    def push_points(
        self,
        stamp: int,
        points: np.ndarray,
        scores: np.ndarray,
        size: tuple[int, int],
        layout: str,
        ids: Sequence[str] | None = None,
    ) -> list[SkeletonFrame]:
        """Take in the keypoints of one image as arrays.

        Args:
            stamp: when the image was taken, nanoseconds; only differences matter.
            points: (P, J, 2) pixels; NaN where a point is not known.
            scores: (P, J), 0 (not seen) to 1.
            size: image width and height in pixels.
            layout: name of the layout of the J points, for example "coco17".
            ids: P names that stay with the people from image to image; by default a tracker
                tells who is who.

        Returns:
            The skeletons that are ready, oldest first.

        Raises:
            KeypointError: if sizes, counts or ids are wrong.
            LayoutError: if the layout is not known.
            CameraError: if the calibration is not for images of this aspect.
        """
        points, scores = np.asarray(points), np.asarray(scores)
        unnamed = tuple(map(str, range(len(points)))) if ids is None else tuple(ids)
        frame = keypoint_frame(stamp, unnamed, points, scores, size, layout)
        return self.push(frame if ids is not None else self._identified(frame))

    def push(self, frame: KeypointFrame) -> list[SkeletonFrame]:
        """Take in a frame and return the skeletons that are ready, oldest first.

        Raises:
            CameraError: if the calibration is not for images of this aspect.
        """
        return super().push(self._calibrated(frame))

    def push_all(self, frames: Sequence[KeypointFrame]) -> list[SkeletonFrame]:
        """Take in frames as `StreamLifter.push_all` does.

        Raises:
            CameraError: if the calibration is not for images of this aspect.
        """
        return super().push_all([self._calibrated(frame) for frame in frames])

    def _identified(self, frame: KeypointFrame) -> KeypointFrame:
        if self._tracker is None:  # made when needed: it imports SciPy
            settings = TrackerConfig(expire=self.config.expire, reset=self.config.reset)
            self._tracker = Tracker(settings)
        seen = frame.scores >= max(self.config.min_score, 1e-6)
        return replace(frame, ids=self._tracker.identify(frame.stamp, frame.points, seen))

    def _calibrated(self, frame: KeypointFrame) -> KeypointFrame:
        return frame if self.camera is None else self.camera.ideal(frame)
