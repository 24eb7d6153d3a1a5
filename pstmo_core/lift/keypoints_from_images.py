"""Detector and tracker over images, one at a time: memory does not grow with the images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pstmo_core.detection.base import Detector
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.keypoints.tracking import Tracker, TrackerConfig
from pstmo_core.lift.recording import ClipBuilder, Recording
from pstmo_core.lift.sources import Images, SourceError
from pstmo_core.streaming.config import StreamConfig


def keypoints_from_images(
    images: Images,
    detector: Detector,
    config: StreamConfig,
    name: str,
    progress: Callable[[float], object] | None = None,
) -> Recording:
    """Find everybody in every image and tell who is who.

    Args:
        images: where to look. Ctrl-C ends a live camera's images, and what came is kept.
        detector: finds keypoints.
        config: `min_score` and `expire` hold for the tracker too.
        name: of the input, for errors.
        progress: is called with the share that is done, where that is known.

    Raises:
        SourceError: if there are no images, or they differ in size.
    """
    detector.reset()
    tracker = Tracker(TrackerConfig(expire=config.expire))
    builder: ClipBuilder | None = None
    try:
        for stamp, image in images.frames():
            size = (image.shape[1], image.shape[0])
            builder = builder or ClipBuilder(detector.layout, size)
            if size != builder.size:
                raise SourceError(
                    f"{name}: image {len(builder)} has {size[0]} x {size[1]} pixels, but those "
                    f"before it have {builder.size[0]} x {builder.size[1]}: images of one camera "
                    "are of one size"
                )
            found = detector.detect(image)
            ids = identify(tracker, stamp, found.points, found.scores, detector.layout, config)
            builder.add(stamp, ids, found.points, found.scores)
            if progress is not None and images.count:
                progress(min(1.0, len(builder) / images.count))
    except KeyboardInterrupt:
        if not images.live or builder is None:
            raise
    if builder is None:
        raise SourceError(f"{name}: no image in it can be decoded; copy or record it again")
    clip = builder.build()
    notes = (*_notes(images, len(clip), clip.ids), f"keypoints by {detector.describe()}")
    return Recording(clip, images.camera, images.frame_id, notes)


def identify(
    tracker: Tracker,
    stamp: int,
    points: np.ndarray,
    scores: np.ndarray,
    layout: str,
    config: StreamConfig,
) -> tuple[str, ...]:
    """Name the people of one image: points (P, J, 2) and scores (P, J) of some layout."""
    joints, seen = get_layout(layout).convert(points, scores)
    return tracker.identify(stamp, joints, seen >= max(config.min_score, 1e-6))


def _notes(images: Images, frames: int, ids: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    if not images.live and images.count and frames < images.count - max(2, images.count // 50):
        notes.append(
            f"only {frames} of {images.count} images could be decoded: the file is truncated or "
            "damaged"
        )
    if not ids:
        notes.append(f"nobody was found in {frames} images")
    return tuple(notes)
