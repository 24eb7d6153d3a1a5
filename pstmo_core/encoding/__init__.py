"""How keypoints in pixels become network input. Each encoding is one object in a file of its own.

`screen` is the paper's encoding, `person` and `view` are this project's; `ModelConfig.encoding`
names the one that a network uses. The functions below work on NumPy arrays of keypoints in
pixels; the encoding objects also work on tensors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pstmo_core.encoding.base import ASSUMED_FOCAL, Encoding, image_scale
from pstmo_core.encoding.person import Person
from pstmo_core.encoding.screen import Screen
from pstmo_core.encoding.view import View
from pstmo_core.encoding.view import pixel_turns as _pixel_turns

__all__ = [
    "ASSUMED_FOCAL",
    "ENCODINGS",
    "Encoding",
    "camera_poses",
    "decode_poses",
    "encode_pixels",
    "get_encoding",
    "input_shape",
    "pixel_turns",
    "viewing_rays",
]

ENCODINGS: dict[str, Encoding] = {each.name: each for each in (Screen(), Person(), View())}


def get_encoding(name: str) -> Encoding:
    """Return the encoding of this name, a key of `ENCODINGS`."""
    return ENCODINGS[name]


def input_shape(name: str) -> tuple[int, int]:
    """Return (rows, channels) of one frame under an encoding."""
    return ENCODINGS[name].shape


def encode_pixels(
    points: np.ndarray,
    scores: np.ndarray,
    size: np.ndarray,
    focal: float,
    name: str,
    up: np.ndarray | None = None,
) -> np.ndarray:
    """Encode windows of pixels for a network.

    Args:
        points: (B, F, 17, 2) pixels; any finite value for joints that are not seen.
        scores: (B, F, 17); 0 for joints that are not seen, above 0 for others. `view` takes the
            detector's confidence, up to 1.
        size: (B, 2) image width and height in pixels.
        focal: focal length in pixels; 0 if it is not known, then a common one is assumed.
        name: of the encoding.
        up: (3,) or (B, F, 3) unit vectors against gravity in the camera's optical frame; None or
            0 where it is not known. Only `view` uses it.

    Returns:
        (B, F, rows, channels) float32.
    """
    size = size[:, None, None].astype(np.float32)
    scores = scores.astype(np.float32, copy=False)
    up = np.broadcast_to(_vector(up), (*points.shape[:-2], 3))
    scale = image_scale(size, focal)
    frames = ENCODINGS[name].encode(points, scores, size, scale, size / 2, up, np)
    encoded: np.ndarray = frames.astype(np.float32, copy=False)
    return encoded


def decode_poses(
    poses: np.ndarray,
    frames: np.ndarray,
    size: np.ndarray,
    focal: float,
    name: str,
    up: np.ndarray | None = None,
) -> np.ndarray:
    """Turn encoded 2D poses, such as stage I restores, back into pixels.

    Args:
        poses: (B, F, 17, 2), the first two channels of the joints' rows.
        frames: (B, F, rows, channels), the encoded frames that the poses belong to.
        size: (B, 2) image width and height in pixels.
        focal: focal length in pixels as it was given to `encode_pixels`.
        name: of the encoding.
        up: as it was given to `encode_pixels`.

    Returns:
        (B, F, 17, 2) pixels.
    """
    size = size[:, None, None].astype(np.float32)
    scale = image_scale(size, focal)
    return ENCODINGS[name].decode(poses, frames, size, scale, _vector(up))


def pixel_turns(
    points: np.ndarray, scores: np.ndarray, size: np.ndarray, focal: float, up: np.ndarray | None
) -> np.ndarray:
    """Return the rotations (P, 3, 3) from the camera's frame to the frames of `view`.

    Args:
        points: (P, 17, 2) pixels.
        scores: (P, 17), 0 where not seen.
        size: (2,) image width and height in pixels.
        focal: as of `encode_pixels`.
        up: (3,), as of `encode_pixels`.
    """
    return _pixel_turns(points, scores, size, image_scale(size, focal), _vector(up))


def viewing_rays(points: np.ndarray, size: np.ndarray, focal: float) -> np.ndarray:
    """Return the rays (P, 17, 2) of keypoints, x / z and y / z.

    Args:
        points: (P, 17, 2) pixels.
        size: (2,) image width and height in pixels.
        focal: as of `encode_pixels`.
    """
    rays: np.ndarray = (points - size / 2) / image_scale(size, focal)
    return rays


def camera_poses(
    poses: np.ndarray, frames: np.ndarray, up: np.ndarray | None, name: str = "view"
) -> np.ndarray:
    """Turn a network's poses (..., 17, 3) into the camera's frame.

    Args:
        poses: what the network gave for some frames.
        frames: (..., rows, channels), these frames as they were encoded.
        up: (3,), as of `encode_pixels`.
        name: of the encoding.
    """
    turns: Any = ENCODINGS[name].turns(frames, _vector(up), np)
    return poses if turns is None else poses @ turns


def _vector(up: np.ndarray | None) -> np.ndarray:
    return np.zeros(3, np.float32) if up is None else np.asarray(up, np.float32)
