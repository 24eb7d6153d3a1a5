"""A video or picture of an input: its images with the keypoints, and the skeletons beside."""

from __future__ import annotations

from pathlib import Path

from pstmo_core.atomic_files import atomic_file
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.recorded import Clip
from pstmo_core.keypoints.sightings import Sightings
from pstmo_core.lift.sources import Images
from pstmo_core.streaming.lift_clip import Prediction


def write_overlay(
    path: Path, clip: Clip | Sightings, prediction: Prediction, images: Images | None = None
) -> list[Path]:
    """Write an mp4, or a png of the first frame.

    The images are read a second time; without them the ground is plain.

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
        render = render_picture if path.suffix == ".png" else render_video
        render(drawn, prediction.joints, partial, images=shown)
    return [path]
