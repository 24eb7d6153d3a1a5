"""Detector and tracker over images, one at a time: memory does not grow with the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from pstmo_core.detection.base import Detector
from pstmo_core.keypoints.frame import placeholders
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.keypoints.tracking import Tracker, TrackerConfig
from pstmo_core.lift.input_kinds import SourceError
from pstmo_core.lift.recording import ClipBuilder, Recording
from pstmo_core.lift.sources import Images
from pstmo_core.streaming.config import StreamConfig

#: Reasons, for the user, for which images or messages were left out.
_MOST_REASONS = 3


def keypoints_from_images(
    images: Images,
    detector: Detector,
    config: StreamConfig,
    name: str,
    progress: Callable[[float], object] | None = None,
) -> Recording:
    """Find everybody in every image and tell who is who.

    Args:
        images: where to look. Ctrl-C ends a live camera's images, as its silence does, and what
            came is kept.
        detector: finds keypoints.
        config: `min_score` and `expire` hold for the tracker too.
        name: of the input, for errors.
        progress: is called with the share that is done, where that is known.

    Raises:
        SourceError: if there are no images, or half of them cannot be used.
    """
    detector.reset()
    tracker = Tracker(TrackerConfig(expire=config.expire))
    builder: ClipBuilder | None = None
    ended: tuple[str, ...] = ()
    crowded = 0
    try:
        for stamp, image in images.of_one_size():
            size = (image.shape[1], image.shape[0])
            builder = builder or ClipBuilder(detector.layout, size)
            for _ in range(images.looks):
                found = detector.detect(image)
            ids = identify(tracker, stamp, found.points, found.scores, detector.layout, config)
            builder.add(stamp, ids, found.points, found.scores)
            crowded += found.left_out > 0
            if progress is not None and (images.seconds or images.count):
                progress(min(1.0, _share(images, len(builder), builder.lasted)))
    except KeyboardInterrupt:
        if not images.live or builder is None:
            raise
    except SourceError as error:
        if not images.live or builder is None:
            raise
        ended = (f"{error}; what came before was lifted",)
    lost = left_out(images.faults, "image")
    if builder is None:
        why = "; ".join(lost) or "copy or record it again"
        raise SourceError(f"{name}: no image in it can be decoded: {why}")
    if images.faults.total() >= len(builder):
        raise SourceError(f"{name}: half of the images or more cannot be used: {'; '.join(lost)}")
    clip = builder.build()
    notes = (
        *ended,
        *images.notes,
        *lost,
        *_notes(images, clip.stamps, clip.ids),
        *_crowd(crowded),
        f"keypoints by {detector.describe()}",
    )
    return Recording(clip, images.camera, images.frame_id, notes)


def _crowd(images: int) -> tuple[str, ...]:
    """Say in how many images there were too many people."""
    if not images:
        return ()
    return (
        f"more people are in view than are followed, in {counted(images, 'image')}: "
        "--detector-option detected_people=... says how many are, at most 64",
    )


def identify(
    tracker: Tracker,
    stamp: int,
    points: np.ndarray,
    scores: np.ndarray,
    layout: str,
    config: StreamConfig,
) -> tuple[str, ...]:
    """Name the people of one image: points (P, J, 2) and scores (P, J) of some layout."""
    scores = np.where(placeholders(points), np.float32(0), scores)
    joints, seen = get_layout(layout).convert(points, scores)
    return tracker.identify(stamp, joints, seen >= max(config.min_score, 1e-6))


def left_out(faults: Counter[str], what: str) -> tuple[str, ...]:
    """Return a sentence for each reason for which something was left out, the first few."""
    common = faults.most_common(_MOST_REASONS)
    rest = faults.total() - sum(count for _, count in common)
    sentences = [f"{counted(count, what)} left out: {why}" for why, count in common]
    return (*sentences, *([f"{counted(rest, f'further {what}')} left out"] if rest else []))


def counted(count: int, what: str) -> str:
    """Return a number and the noun that it counts."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def _share(images: Images, frames: int, lasted: int) -> float:
    """Return how much is done after some images and nanoseconds."""
    return lasted / 1e9 / images.seconds if images.seconds else frames / (images.count or 1)


def _is_cut(images: Images, frames: int, lasted: float) -> bool:
    """Say whether an input ended early, after some images and seconds."""
    if images.live or not images.count or frames >= images.count - max(2, images.count // 50):
        return False
    if not images.seconds:
        return True
    # With a frame rate that varies, the number of images is a guess.
    return lasted < images.seconds - max(3 * lasted / max(frames, 1), images.seconds / 50)


def _notes(images: Images, stamps: np.ndarray, ids: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    frames = len(stamps) + images.faults.total()
    if _is_cut(images, frames, float(np.ptp(stamps)) / 1e9):
        notes.append(
            f"only {frames} of {images.count} images could be decoded: the file is truncated or "
            "damaged"
        )
    if not ids:
        notes.append(f"nobody was found in {counted(frames, 'image')}")
    return tuple(notes)
