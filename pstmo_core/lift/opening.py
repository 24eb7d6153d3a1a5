"""Opens an input by its kind: images to be searched for people, or keypoints."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pstmo_core.keypoints.clip import load_keypoints
from pstmo_core.keypoints.layouts import layout_name
from pstmo_core.lift import bags, cameras, input_kinds, sources, videos
from pstmo_core.lift.bag_messages import PEOPLE
from pstmo_core.lift.recording import Recording
from pstmo_core.lift.settings import LiftSettings
from pstmo_core.lift.sources import Images

Progress = Callable[[float], object]
Keypoints = Callable[[Progress], Recording]
"""Reads keypoints; takes a callback for the share that is done."""


def open_source(source: str, kind: str, settings: LiftSettings) -> Images | Keypoints:
    """Open an input.

    Args:
        source: its name.
        kind: of `pstmo_core.lift.input_kinds`; empty to look again.
        settings: the user's, some of which say what a file does not.

    Raises:
        PstmoError: if it is missing, broken or of no known kind.
    """
    return _OPEN[kind or input_kinds.kind_of(source)](source, settings)


def _keypoint_file(source: str, settings: LiftSettings) -> Keypoints:
    def read(progress: Progress) -> Recording:
        clip = load_keypoints(source, fps=settings.fps, size=settings.size, layout=settings.layout)
        return Recording(clip, notes=clip.notes)

    return read


def _video(source: str, settings: LiftSettings) -> Images:
    return videos.video_images(Path(source), settings.fps)


def _folder(source: str, settings: LiftSettings) -> Images:
    return sources.folder_images(Path(source), settings.fps)


def _image(source: str, settings: LiftSettings) -> Images:
    return sources.still_image(Path(source))


def _camera(source: str, settings: LiftSettings) -> Images:
    return cameras.camera_images(
        int(source) if source.isdecimal() else source, time.time_ns, settings.images
    )


def _bag(source: str, settings: LiftSettings) -> Images | Keypoints:
    path = Path(source)
    topic, message = bags.input_topic(path, settings.topic)
    if message != PEOPLE:
        return bags.bag_images(path, topic, settings.rectified)
    layout = settings.layout and layout_name(settings.layout)
    return lambda progress: bags.bag_keypoints(
        path, topic, settings.stream, progress, layout, settings.rectified
    )


_OPEN: dict[str, Callable[[str, LiftSettings], Images | Keypoints]] = {
    input_kinds.KEYPOINTS: _keypoint_file,
    input_kinds.VIDEO: _video,
    input_kinds.FOLDER: _folder,
    input_kinds.IMAGE: _image,
    input_kinds.CAMERA: _camera,
    input_kinds.BAG: _bag,
}
