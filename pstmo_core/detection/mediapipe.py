"""MediaPipe's pose landmarker from a `.task` file, image by image: no smoothing, no tracking."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.detection.base import Detections, DetectorError
from pstmo_core.detection.options import DetectorOptions
from pstmo_core.errors import how_to_install

WHERE = (
    "get pose_landmarker_full.task at "
    "https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker#models"
)
_POINTS = 33


class MediapipeDetector:
    """Finds the 33 landmarks of BlazePose.

    Raises:
        DetectorError: if MediaPipe or the file is missing.
    """

    layout = "blazepose33"

    def __init__(self, options: DetectorOptions) -> None:
        path = Path(options.pose_model)
        if not options.pose_model:
            raise DetectorError(
                f"the detector mediapipe needs the path of a .task file: {WHERE}, then set "
                "pose_model"
            )
        if not path.is_file():
            raise DetectorError(f"{path}: no such file; {WHERE}, then set pose_model")
        self._mediapipe, tasks = _library()
        self._path = path
        landmarker = tasks.vision.PoseLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(path)),
            num_poses=options.most_people,
            min_pose_detection_confidence=options.least_score,
        )
        try:
            self._landmarker = tasks.vision.PoseLandmarker.create_from_options(landmarker)
        except (RuntimeError, ValueError, OSError) as error:
            line = str(error).strip().splitlines()[0]
            raise DetectorError(f"{path}: no pose landmarker ({line}); {WHERE}") from error

    def detect(self, image: np.ndarray) -> Detections:
        """See `Detector.detect`."""
        rgb = np.ascontiguousarray(image[..., ::-1])
        form = self._mediapipe.ImageFormat.SRGB
        result = self._landmarker.detect(self._mediapipe.Image(image_format=form, data=rgb))
        return read_landmarks(result.pose_landmarks, image.shape[1], image.shape[0])

    def reset(self) -> None:
        """See `Detector.reset`: there is nothing to forget."""

    def describe(self) -> str:
        """See `Detector.describe`."""
        return f"{self._path.name} by MediaPipe {self._mediapipe.__version__}, {self.layout}"


def read_landmarks(poses: list[list[Any]], width: int, height: int) -> Detections:
    """Return MediaPipe's landmarks (x, y from 0 to 1, visibility) in pixels of the image."""
    if not poses:
        return Detections.nobody(_POINTS)
    values = np.array([[(p.x, p.y, p.visibility or 0.0) for p in pose] for pose in poses])
    points = values[..., :2] * (width, height)
    return Detections(points.astype(np.float32), np.clip(values[..., 2], 0, 1).astype(np.float32))


def _library() -> tuple[Any, Any]:
    try:
        import mediapipe
        from mediapipe.tasks import python as tasks
        from mediapipe.tasks.python import vision
    except (ImportError, OSError) as error:  # OSError: a system library that it needs is missing
        raise DetectorError(
            f"the detector mediapipe needs MediaPipe, which does not load in {sys.executable} "
            f"({error}): pip install mediapipe, or {how_to_install('mediapipe')}"
        ) from error
    del vision  # imported so that tasks.vision is there
    return mediapipe, tasks
