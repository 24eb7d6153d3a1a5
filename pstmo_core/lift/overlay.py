"""A video or picture of an input: its images with the keypoints, and the skeletons beside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.recorded import Clip
from pstmo_core.keypoints.sightings import Sightings
from pstmo_core.lift.sources import Images
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.streaming.lift_clip import Prediction


def write_overlay(
    path: Path,
    clip: Clip | Sightings,
    prediction: Prediction,
    images: Images | None = None,
    pose: CameraPose | None = None,
) -> list[Path]:
    """Write an mp4, or a png of the first frame.

    Args:
        path: where to write.
        clip: the keypoints.
        prediction: the skeletons.
        images: they are read a second time; without them the ground is plain.
        pose: how the camera stands: with it the skeletons stand upright on the drawn floor, which
            they do not in the frame of a camera that looks down.

    Raises:
        PstmoError: if OpenCV or imageio is not installed.
    """
    try:
        from pstmo_core.drawing.clip_video import render_picture, render_video
    except ImportError as error:
        raise PstmoError(str(error)) from error
    shown = None if images is None else (image for _, image in images.of_one_size())
    with atomic_file(path) as partial:
        drawn = clip if isinstance(clip, Clip) else clip.dense()
        turn = np.eye(3) if pose is None else pose.levelling
        if drawn.truth is not None:
            drawn = replace(drawn, truth=drawn.truth @ turn.T)
        render = render_picture if path.suffix == ".png" else render_video
        render(drawn, prediction.joints @ turn.T, partial, images=shown)
    return [path]
