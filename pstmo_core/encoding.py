"""From pixels to the numbers that a network sees, and nothing else.

Two encodings, named in `ModelConfig.encoding`:

`screen` (the paper's): x / w * 2 - 1 and y / w * 2 - h / w, shape (..., 17, 2). A missing joint has
no representation there.

`person` (ours, the default): keypoints as rays (pixel - image centre) / focal length, centred on
the pelvis and divided by the person's apparent size, with a flag that says whether a joint was
seen; an 18th row holds the place (x, y) of the pelvis and the log of the size. Shape (..., 18, 3).
Nothing is lost, but the network need not learn that a person may stand anywhere in the image, near
or far, which a small data set does not teach it; and it is told of missing joints.

Both are frame-wise, so a frame's SEM embedding can be kept. The functions accept NumPy arrays and
torch tensors alike (argument `xp` is the module), so that training and run time share one
definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Focal length over the longer image side that is assumed where the camera is not known.
ASSUMED_FOCAL = 0.85
#: Sizes are divided by this typical value before the logarithm, which keeps it near 0.
TYPICAL_SIZE = 0.12
_SMALLEST_SIZE = 1e-4

Array = Any


def input_shape(encoding: str) -> tuple[int, int]:
    """Return (rows, channels) of one frame under an encoding."""
    return (17, 2) if encoding == "screen" else (18, 3)


def encode_pixels(
    points: np.ndarray, seen: np.ndarray, size: np.ndarray, focal: float, encoding: str
) -> np.ndarray:
    """Encode windows of pixels for a network.

    Args:
        points: (B, F, 17, 2) pixels; where not seen, any finite value.
        seen: (B, F, 17), 1.0 or 0.0.
        size: (B, 2) image width and height in pixels.
        focal: focal length in pixels; 0 where it is not known, then a usual one is assumed.
        encoding: name of the encoding.

    Returns:
        (B, F, rows, channels) float32.
    """
    size = size[:, None, None].astype(np.float32)
    if encoding == "screen":
        points = np.where(seen[..., None] > 0, points, size / 2)
        return screen(points, size[..., 0], size[..., 1], np)
    rays = (points - size / 2) / _scale(size, focal)
    return person(rays.astype(np.float32, copy=False), seen, np)


def decode_poses(
    poses: np.ndarray, frames: np.ndarray, size: np.ndarray, focal: float, encoding: str
) -> np.ndarray:
    """Turn encoded 2D poses, such as stage I restores, back into pixels.

    Args:
        poses: (B, F, 17, 2), the first two channels of the joints' rows.
        frames: (B, F, rows, channels), the encoded frames that the poses belong to: under `person`
            their last row says where the person is and how large.
        size: (B, 2) image width and height in pixels.
        focal: focal length in pixels as it was given to `encode_pixels`.
        encoding: name of the encoding.

    Returns:
        (B, F, 17, 2) pixels.
    """
    size = size[:, None, None].astype(np.float32)
    width, height = size[..., :1], size[..., 1:]
    if encoding == "screen":
        return (poses + np.concatenate([np.ones_like(width), height / width], -1)) * width / 2
    place = frames[..., -1:, :]
    rays = poses * (TYPICAL_SIZE * np.exp(place[..., 2:])) + place[..., :2]
    return rays * _scale(size, focal) + size / 2


def _scale(size: np.ndarray, focal: float) -> Any:
    """Return the focal length in pixels, the usual one for the image's size where not known."""
    return focal or ASSUMED_FOCAL * size.max(-1, keepdims=True)


def screen(pixels: Array, width: Array, height: Array, xp: Any) -> Array:
    """Encode pixels (..., 17, 2) as the paper does; unseen joints must have been filled."""
    return xp.stack(
        [pixels[..., 0] / width * 2 - 1, pixels[..., 1] / width * 2 - height / width], -1
    )


def person(rays: Array, seen: Array, xp: Any) -> Array:
    """Encode rays (..., 17, 2) with a flag `seen` (..., 17), 1.0 or 0.0, as (..., 18, 3).

    A ray is (x, y) / z in the camera's optical frame, the pixel less the principal point over the
    focal length. The centre is the pelvis where seen, else the mean of the seen joints.
    """
    flags = seen[..., None]
    rays = xp.where(flags > 0, rays, xp.zeros_like(rays))
    count = flags.sum(-2).clip(1.0)
    centre, central = rays[..., 0, :], flags[..., 0, :] > 0
    if xp is not np or not central.all():  # mostly it is, and NumPy is slow at this sum
        centre = xp.where(central, centre, rays.sum(-2) / count)
    offsets = (rays - centre[..., None, :]) * flags
    squares = offsets**2
    spread = (squares[..., :1] + squares[..., 1:]).sum(-2) / count
    size = xp.sqrt(spread.clip(_SMALLEST_SIZE**2))
    joints = xp.concatenate([offsets / size[..., None, :], flags], -1)
    place = xp.concatenate([centre, xp.log(size / TYPICAL_SIZE)], -1)
    return xp.concatenate([joints, place[..., None, :]], -2)
