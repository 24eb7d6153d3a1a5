"""A picture and a video of a clip: its keypoints, and the skeletons that were made of them."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.drawing import shapes
from pstmo_core.drawing.colours import LEFT_COLOUR, MIDDLE_COLOUR, RIGHT_COLOUR, TRUTH_COLOUR
from pstmo_core.errors import PstmoError, how_to_install
from pstmo_core.evaluation.metrics import mpjpe
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.skeleton import JOINT_NAMES, JOINTS, ROOT

try:
    import cv2
    import imageio.v2 as imageio
    from tqdm import tqdm
except ImportError as error:
    raise ImportError(
        f"pictures and videos need imageio and tqdm: {how_to_install('media')}"
    ) from error

MOMENTS = 4
"""How many moments the picture shows."""
_SPACING = 1.0  # metres between people: skeletons say nothing of where their roots are
_FLOOR = 0.92  # metres from the scene's origin down to the floor
_ANKLE = 0.07  # metres from the floor to a standing person's ankle
_TURN = 65.0  # degrees between the camera's view and the turned one
_CAPTIONS = ("input: 2D keypoints", "3D, from the camera", f"3D, turned by {_TURN:.0f} degrees")
_FINE = 2  # panels are drawn this many times larger and made smaller
_ANIMATION_RATE, _ANIMATION_WIDTH = 15.0, 900  # images a second, pixels
_EDGE, _HEADER, _FOOTER = 16, 56, 44  # pixels


class RenderError(PstmoError):
    """What cannot be drawn; says why."""


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
    stage = _Stage.of(clip, joints)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    video, picture = directory / "clip.mp4", directory / "clip.png"
    with atomic_file(picture) as partial:
        imageio.imwrite(partial, _picture(stage, title)[..., ::-1])
    with atomic_file(video) as partial:
        _write_video(partial, stage, title)
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
    _write_video(Path(path), _Stage.of(clip, joints), None, images)


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
    stage = _Stage.of(clip, joints)
    rate = min(1e9 / float(np.median(np.diff(clip.stamps))), 120.0) if len(clip) > 1 else 25.0
    step = max(1, round(rate / _ANIMATION_RATE))
    shown = []
    for frame, photo in enumerate(images):
        if frame % step == 0:
            image = _video_frame(stage, frame, None, photo)
            height = round(image.shape[0] * _ANIMATION_WIDTH / image.shape[1])
            shown.append(shapes.fit(image, (_ANIMATION_WIDTH, height))[..., ::-1])
    duration = 1000 * step / rate
    with atomic_file(path) as partial:
        write: Any = imageio.mimwrite  # its types do not know that a format has a name
        write(partial, shown, format="WEBP", duration=duration, loop=0, quality=60)


@dataclass(frozen=True)
class _Stage:
    """A clip, ready to be drawn."""

    clip: Clip
    pixels: np.ndarray
    """(F, P, 17, 2) keypoints as the network sees them, NaN where not seen."""
    joints: np.ndarray
    """(F, P, 17, 3)."""
    truth: np.ndarray
    """(F, P, 17, 3), NaN where there is none."""
    errors: np.ndarray
    """(F,) millimetres, mean over people, NaN where not known."""
    slots: np.ndarray
    """(P,) metres to the side at which each person stands."""
    views: tuple[shapes.View, shapes.View]
    """The camera's and the turned one."""

    @classmethod
    def of(cls, clip: Clip, joints: np.ndarray) -> _Stage:
        expected = (*clip.keypoints.shape[:2], JOINTS, 3)
        if joints.shape != expected:
            raise RenderError(
                f"joints have the shape {joints.shape}, but the clip asks for {expected}"
            )
        joints = np.asarray(joints, dtype=np.float64)
        pixels, scores = get_layout(clip.layout).convert(clip.keypoints, clip.scores)
        pixels = np.where(scores[..., None] > 0, pixels, np.nan)
        truth = np.full_like(joints, np.nan) if clip.truth is None else clip.truth
        slots = _slots(pixels, joints)
        reach = (0.85 + float(np.abs(slots).max(initial=0.0)), 1.0)
        return cls(
            clip=clip,
            pixels=pixels,
            joints=joints,
            truth=truth,
            errors=_mean(1000 * mpjpe(joints, truth), axis=1),
            slots=slots,
            views=(
                shapes.View(0.0, 4.0, distance=3.5 + reach[0], reach=reach),
                shapes.View(_TURN, 12.0, distance=3.5 + reach[0], reach=reach),
            ),
        )

    def seconds(self, frame: int) -> float:
        return float(self.clip.stamps[frame] - self.clip.stamps[0]) / 1e9

    def input_panel(
        self, frame: int, size: tuple[int, int], photo: np.ndarray | None = None
    ) -> np.ndarray:
        """Draw the keypoints of a frame on a panel of the image's aspect, or on the image."""
        fine = (size[0] * _FINE, size[1] * _FINE)
        image = shapes.canvas(*fine, shapes.PANEL) if photo is None else shapes.fit(photo, fine)
        scale = image.shape[1] / self.clip.width
        thickness = _FINE * max(2.0, max(size) / 160)
        for raw, pixels in zip(self.clip.keypoints[frame], self.pixels[frame], strict=True):
            shapes.draw_dots(image, raw * scale, thickness * 0.4)
            shapes.draw_skeleton(image, pixels * scale, thickness)
        return shapes.shrink(image, _FINE)

    def view_panel(self, frame: int, view: shapes.View, size: tuple[int, int]) -> np.ndarray:
        """Draw the skeletons of a frame, and the truth behind them."""
        fine = (size[0] * _FINE, size[1] * _FINE)
        half = 1.5 + float(np.abs(self.slots).max(initial=0.0))
        image = shapes.ground(view, fine, _FLOOR, half)
        thickness = max(2.0 * _FINE, 0.025 * view.scale(fine))
        aside = self.slots[:, None, None] * view.right
        lift = _floor_shift(self.joints[frame])
        for poses, truth in ((self.truth[frame], True), (self.joints[frame], False)):
            pixels, depth = view.project(poses + aside + lift, fine)
            for person in range(len(poses)):
                shapes.draw_skeleton(image, pixels[person], thickness, depth[person], truth)
        return shapes.shrink(image, _FINE)


def _slots(pixels: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Return where people stand (P,): in the order in which the image shows them."""
    shown = np.flatnonzero(np.isfinite(joints).any((0, 2, 3)))
    order = np.argsort(_mean(pixels[:, shown][..., 0], axis=(0, 2)))
    slots = np.zeros(joints.shape[1])
    slots[shown[order]] = (np.arange(len(shown)) - (len(shown) - 1) / 2) * _SPACING
    return slots


def _floor_shift(joints: np.ndarray) -> np.ndarray:
    """Return the shift (P, 1, 3) that puts the lowest ankle of each person (P, 17, 3) on the floor.

    Where no ankle is known, the pelvis stays at the height of one who stands.
    """
    ankles = joints[:, [JOINT_NAMES.index("lankle"), JOINT_NAMES.index("rankle")], 1]
    lowest = np.where(np.isfinite(ankles), ankles, -np.inf).max(-1)
    lowest = np.where(np.isfinite(lowest), lowest, joints[:, ROOT, 1] + _FLOOR - _ANKLE)
    shift = np.zeros((len(joints), 1, 3))
    shift[:, 0, 1] = _FLOOR - _ANKLE - lowest
    return shift


def _mean(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Mean of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis)
    total = np.where(known, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _fit(clip: Clip, width: int, height: int) -> tuple[int, int]:
    """Return the largest size of the image's aspect within a box."""
    scale = min(width / clip.width, height / clip.height)
    return max(2, round(clip.width * scale)), max(2, round(clip.height * scale))


def _video_frame(
    stage: _Stage, frame: int, title: str | None, photo: np.ndarray | None = None
) -> np.ndarray:
    size = _fit(stage.clip, 720, 480)
    height, side = max(size[1], 400), 400
    panels = [stage.input_panel(frame, size, photo)]
    panels += [stage.view_panel(frame, view, (side, height)) for view in stage.views]
    image = shapes.canvas(
        sum(panel.shape[1] + _EDGE for panel in panels) + _EDGE, height + _HEADER + _FOOTER
    )
    left = _EDGE
    for panel, caption in zip(panels, _CAPTIONS, strict=True):
        top = _HEADER + (height - panel.shape[0]) // 2
        image[top : top + panel.shape[0], left : left + panel.shape[1]] = panel
        if photo is None or panel is not panels[0]:  # on a photograph it would not be read
            shapes.write(image, caption, (left + 12, top + 26), size=16, colour=shapes.FAINT)
        left += panel.shape[1] + _EDGE
    words = f"{stage.seconds(frame):.2f} s"
    if np.isfinite(stage.errors[frame]):
        words = f"error {stage.errors[frame]:.0f} mm     {words}"
    _write_margins(image, stage, title, words)
    return image


def _picture(stage: _Stage, title: str | None) -> np.ndarray:
    """Draw several moments side by side; rows are the input and both views."""
    column, view_height = 330, 330
    input_size = _fit(stage.clip, column, 400)
    second = _HEADER + input_size[1] + _EDGE
    rows = (_HEADER, second, second + view_height + _EDGE)
    image = shapes.canvas(
        _EDGE + MOMENTS * (column + _EDGE), rows[-1] + view_height + _FOOTER, shapes.GROUND
    )
    captions = iter(_CAPTIONS)
    for number, frame in enumerate(_moments(stage)):
        left = _EDGE + number * (column + _EDGE)
        panels = [stage.input_panel(frame, input_size)]
        panels += [stage.view_panel(frame, view, (column, view_height)) for view in stage.views]
        for panel, top in zip(panels, rows, strict=True):
            start = left + (column - panel.shape[1]) // 2
            image[top : top + panel.shape[0], start : start + panel.shape[1]] = panel
            if number == 0:
                caption = next(captions)
                shapes.write(image, caption, (start + 12, top + 24), size=15, colour=shapes.FAINT)
        words = f"{stage.seconds(frame):.2f} s"
        shapes.write(image, words, (left + column - 12, rows[1] + 24), size=15, align="right")
    known = stage.errors[np.isfinite(stage.errors)]
    words = f"mean error {known.mean():.0f} mm" if len(known) else ""
    _write_margins(image, stage, title, words)
    return image


def _moments(stage: _Stage) -> np.ndarray:
    """Choose frames at equal distances among those that show somebody."""
    shown = np.flatnonzero(np.isfinite(stage.joints).any((1, 2, 3)))
    frames = shown if len(shown) else np.arange(len(stage.clip))
    return frames[((np.arange(MOMENTS) + 0.5) / MOMENTS * len(frames)).astype(int)]


def _write_margins(image: np.ndarray, stage: _Stage, title: str | None, words: str) -> None:
    """Write the title and some words above, and what the colours mean below."""
    height, width = image.shape[:2]
    shapes.write(image, title or "P-STMO", (_EDGE, 36), size=21)
    shapes.write(image, words, (width - _EDGE, 36), size=21, align="right")
    meanings = [("left", LEFT_COLOUR), ("right", RIGHT_COLOUR), ("middle", MIDDLE_COLOUR)]
    if stage.clip.truth is not None:
        meanings.append(("truth", TRUTH_COLOUR))
    for number, (meaning, colour) in enumerate(meanings):
        left = _EDGE + 100 * number
        image[height - 25 : height - 15, left : left + 18] = shapes.bgr(colour)
        shapes.write(image, meaning, (left + 26, height - 14), size=15, colour=shapes.FAINT)


def _write_video(
    path: Path, stage: _Stage, title: str | None, photos: Iterable[np.ndarray] | None = None
) -> None:
    """Write H.264 that browsers play: even sizes, 4:2:0, the index in front.

    Raises:
        OSError: if ffmpeg, whose own words are on the terminal, wrote no whole video.
    """
    steps = np.diff(stage.clip.stamps)
    steps = steps[steps > 0]
    rate = min(1e9 / float(np.median(steps)), 120.0) if len(steps) else 25.0
    writer = imageio.get_writer(
        path, fps=rate, codec="libx264", pixelformat="yuv420p", quality=None,
        macro_block_size=2, ffmpeg_log_level="error",
        output_params=["-crf", "20", "-preset", "veryfast", "-movflags", "+faststart"],
    )  # fmt: skip
    shown = itertools.repeat(None) if photos is None else photos
    with writer:
        frames = tqdm(range(len(stage.clip)), desc="video", unit="frame", disable=None, leave=False)
        for frame, photo in zip(frames, shown, strict=False):
            image = _video_frame(stage, frame, title, photo)
            even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
            writer.append_data(np.ascontiguousarray(even[..., ::-1]))
    # Only the file tells that ffmpeg could not end it: imageio asks for no exit status.
    reader = cv2.VideoCapture(str(path))
    there = reader.isOpened()
    reader.release()
    if not there:
        raise OSError(errno.EIO, "ffmpeg wrote no whole video", str(path))
