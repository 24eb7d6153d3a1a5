"""Time-stamped 2D keypoints of people: what enters the streaming core."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pstmo_core.errors import PstmoError, quoted
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.room.camera_pose import CameraPose

#: Keypoints with a lower score count as not seen, unless a setting says otherwise.
MIN_SCORE = 0.2

#: Coordinates up to this are shares of the image, or of nothing: no image is one pixel wide.
LARGEST_SHARE = 1.5


class KeypointError(PstmoError):
    """Keypoints that cannot be used; says what is wrong with them."""


@dataclass(frozen=True)
class KeypointFrame:
    """The people in one image, on the Human3.6M layout."""

    stamp: int
    """Nanoseconds; only differences matter."""
    ids: tuple[str, ...]
    """P ids, one per person, no id twice."""
    points: np.ndarray
    """(P, 17, 2) float32 pixels; finite also where not seen."""
    scores: np.ndarray
    """(P, 17) float32, 0 (not seen) to 1."""
    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""
    focal: float = 0.0
    """Focal length in pixels of the camera, whose principal point is the image's middle; 0 where
    it is not known. `pstmo_core.camera` makes such frames of any calibrated camera's."""
    pose: CameraPose | None = None
    """How the camera stood when it took the image; None where that is not known."""
    depths: np.ndarray | None = None
    """(P, 17) float32 metres along the camera's axis to what a depth image shows at the points, NaN
    where it shows nothing; None without a depth image."""

    def seen_with(self, focal: float) -> KeypointFrame:
        """Return what a camera of another focal length in pixels would have seen of these people.

        The focal length of the frame must be known.
        """
        middle = np.array([self.width, self.height], np.float32) / 2
        points = middle + (self.points - middle) * np.float32(focal / self.focal)
        return replace(self, points=points, focal=focal)


def keypoint_frame(
    stamp: int,
    ids: tuple[str, ...],
    points: np.ndarray,
    scores: np.ndarray,
    size: tuple[int, int],
    layout: str,
) -> KeypointFrame:
    """Check keypoints and convert them to the Human3.6M layout.

    Args:
        stamp: nanoseconds.
        ids: P ids.
        points: (P, J, 2) pixels; a joint that is NaN or infinite, or one of `placeholders`, counts
            as not seen.
        scores: (P, J), 0 to 1; NaN counts as 0, more than 1 as 1.
        size: image width and height in pixels.
        layout: name of the layout of the J points, see `pstmo_core.keypoints.layouts`.

    Raises:
        KeypointError: if sizes, counts or ids are wrong.
        LayoutError: if the layout is not known.
    """
    table = get_layout(layout)
    width, height = size
    if width <= 0 or height <= 0:
        raise KeypointError(f"the image size is {width} x {height}, but must be above 0")
    expected = (len(ids), len(table.joint_names), 2)
    if points.shape != expected:
        raise KeypointError(
            f"points have the shape {points.shape}, but {len(ids)} people (one for each "
            f"id) of the layout {layout} need {expected}"
        )
    if scores.shape != expected[:2]:
        raise KeypointError(f"scores have the shape {scores.shape}, but must have {expected[:2]}")
    if len(set(ids)) != len(ids):
        raise KeypointError(f"an id appears twice in {quoted(list(ids))}")
    largest = np.fmax.reduce(np.abs(points), axis=None, initial=0.0)
    if 0 < largest <= LARGEST_SHARE:
        raise KeypointError(
            f"all coordinates lie within {largest:.3g} pixels of the image's corner: keypoints are "
            "in pixels, and not from 0 to 1; multiply them by the image's width and height "
            "(a node does it with its parameter normalized)"
        )
    scores = np.where(placeholders(points), np.float32(0), scores)
    points, scores = table.convert(points, scores)
    return KeypointFrame(stamp, tuple(ids), points, scores, width, height)


def placeholders(points: np.ndarray) -> np.ndarray:
    """Say which points are no points: (0, 0) and (-1, -1) are how many detectors write "not found".

    Args:
        points: (..., 2) pixels. A real point with neither coordinate above 0 would lie on the
            image's very corner or beyond it, so that nothing is lost.

    Returns:
        (...,) bool.
    """
    return np.asarray((points <= 0).all(-1))


def resized(frame: KeypointFrame, size: tuple[int, int]) -> KeypointFrame:
    """Return a frame as of an image of another size, if that shows the same; else as it is.

    Args:
        frame: the people in an image.
        size: width and height in pixels of an image of the same camera.
    """
    width, height = size
    scale = width / frame.width
    if size == (frame.width, frame.height) or abs(height - scale * frame.height) > 1:
        return frame
    points = frame.points * np.float32(scale)
    return replace(frame, points=points, width=width, height=height, focal=frame.focal * scale)
