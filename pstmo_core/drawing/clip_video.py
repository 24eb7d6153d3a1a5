"""A picture and a video of a clip: its keypoints, and the skeletons that were made of them."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.drawing import shapes
from pstmo_core.drawing.drawn_clip import DrawnClip, RenderError
from pstmo_core.drawing.panels import overview, video_frame
from pstmo_core.errors import how_to_install
from pstmo_core.keypoints.clip import Clip

try:
    import cv2
    import imageio.v2 as imageio
    from tqdm import tqdm
except ImportError as error:
    raise ImportError(
        f"pictures and videos need imageio and tqdm: {how_to_install('media')}"
    ) from error

__all__ = ["RenderError", "render_animation", "render_clip", "render_picture", "render_video"]

_ANIMATION_RATE, _ANIMATION_WIDTH = 15.0, 900  # images per second, pixels


def render_clip(
    clip: Clip, joints: np.ndarray, directory: Path | str, *, title: str | None = None
) -> tuple[Path, Path]:
    """Write `clip.mp4` and `clip.png`: keypoints on the left, skeletons on the right.

    Skeletons stand with their lowest ankle on the floor and beside each other, since they say
    nothing of where their roots are. Truth is thin and grey behind them.

    Args:
        clip: the input.
        joints: (F, P, 17, 3) metres relative to the pelvis, camera's optical frame; NaN where
            not known.
        directory: where to write; it is made if it is missing.
        title: a line above.

    Returns:
        The paths of the video and of the picture.

    Raises:
        RenderError: if the joints do not fit the clip.
        OSError: if a file cannot be written.
    """
    drawn = DrawnClip.of(clip, joints)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    video, picture = directory / "clip.mp4", directory / "clip.png"
    with atomic_file(picture) as partial:
        imageio.imwrite(partial, overview(drawn, title)[..., ::-1])
    with atomic_file(video) as partial:
        _write_video(partial, drawn, title)
    return video, picture


def render_video(
    clip: Clip, joints: np.ndarray, path: Path | str, images: Iterable[np.ndarray] | None = None
) -> None:
    """Write only the video, to `path`, the keypoints on the clip's images.

    Args:
        clip: the input.
        joints: as of `render_clip`.
        path: of an mp4.
        images: F images (H, W, 3) uint8 BGR of the clip's size; without them the ground is plain.

    Raises:
        RenderError, OSError: as of `render_clip`.
    """
    _write_video(Path(path), DrawnClip.of(clip, joints), None, images)


def render_picture(
    clip: Clip, joints: np.ndarray, path: Path | str, images: Iterable[np.ndarray] | None = None
) -> None:
    """Write the first frame of the video as a png.

    Args:
        clip: as of `render_video`.
        joints: as of `render_video`.
        path: of a png.
        images: as of `render_video`.

    Raises:
        RenderError, OSError: as of `render_clip`.
    """
    photo = None if images is None else next(iter(images))
    imageio.imwrite(path, video_frame(DrawnClip.of(clip, joints), 0, None, photo)[..., ::-1])


def render_animation(
    clip: Clip, joints: np.ndarray, path: Path | str, images: Iterable[np.ndarray]
) -> None:
    """Write the video as an animated WebP that a web page shows by itself, small enough for one.

    Args:
        clip: the input.
        joints: as of `render_clip`.
        path: of a webp.
        images: as of `render_video`.

    Raises:
        RenderError, OSError: as of `render_clip`.
    """
    drawn = DrawnClip.of(clip, joints)
    rate = min(1e9 / float(np.median(np.diff(clip.stamps))), 120.0) if len(clip) > 1 else 25.0
    step = max(1, round(rate / _ANIMATION_RATE))
    shown = []
    for frame, photo in enumerate(images):
        if frame % step == 0:
            image = video_frame(drawn, frame, None, photo)
            height = round(image.shape[0] * _ANIMATION_WIDTH / image.shape[1])
            shown.append(shapes.fit(image, (_ANIMATION_WIDTH, height))[..., ::-1])
    duration = 1000 * step / rate
    with atomic_file(path) as partial:
        write: Any = imageio.mimwrite  # its types do not know that a format has a name
        write(partial, shown, format="WEBP", duration=duration, loop=0, quality=60)


def _write_video(
    path: Path, drawn: DrawnClip, title: str | None, photos: Iterable[np.ndarray] | None = None
) -> None:
    """Write H.264 that browsers play: even sizes, 4:2:0, the index in front.

    Raises:
        OSError: if ffmpeg, whose own words are on the terminal, wrote no whole video.
    """
    steps = np.diff(drawn.clip.stamps)
    steps = steps[steps > 0]
    rate = min(1e9 / float(np.median(steps)), 120.0) if len(steps) else 25.0
    writer = imageio.get_writer(
        path, fps=rate, codec="libx264", pixelformat="yuv420p", quality=None,
        macro_block_size=2, ffmpeg_log_level="error",
        output_params=["-crf", "20", "-preset", "veryfast", "-movflags", "+faststart"],
    )  # fmt: skip
    shown = itertools.repeat(None) if photos is None else photos
    with writer:
        frames = tqdm(range(len(drawn.clip)), desc="video", unit="frame", disable=None, leave=False)
        for frame, photo in zip(frames, shown, strict=False):
            image = video_frame(drawn, frame, title, photo)
            even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
            writer.append_data(np.ascontiguousarray(even[..., ::-1]))
    # Only the file tells that ffmpeg could not end it: imageio asks for no exit status.
    reader = cv2.VideoCapture(str(path))
    there = reader.isOpened()
    reader.release()
    if not there:
        raise OSError(errno.EIO, "ffmpeg wrote no whole video", str(path))
