"""From pixels to the numbers that a network sees, and nothing else.

Three encodings, named in `ModelConfig.encoding`:

`screen` (the paper's): x / w * 2 - 1 and y / w * 2 - h / w, shape (..., 17, 2). A missing joint has
no representation there.

`person`: keypoints as rays (pixel - image centre) / focal length, centred on
the pelvis and divided by the person's apparent size, with a flag that says whether a joint was
seen; an 18th row holds the place (x, y) of the pelvis and the log of the size. Shape (..., 18, 3).
Nothing is lost, but the network need not learn that a person may stand anywhere in the image, near
or far, which a small data set does not teach it; and it is told of missing joints.

`view`: as `person`, but as the person would be seen by the same camera turned until the person is
in the middle of its image and, where gravity is known, until up is up in it. How a pose looks
depends on where in the image it is; after the turn it does not, and the network need not learn
that. The poses that it gives are in the turned camera's frame; `view_turns` says how to turn them
back. Joints come with the detector's score instead of a flag, and a 19th row holds the direction up
in the turned camera's frame, 0 where it is not known. Shape (..., 19, 3).

All are frame-wise, so a frame's SEM embedding can be kept. The functions accept NumPy arrays and
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
#: Least z of a turned ray: what lies 84 degrees or more beside the person is drawn in.
_SHALLOWEST = 0.1

Array = Any


def input_shape(encoding: str) -> tuple[int, int]:
    """Return (rows, channels) of one frame under an encoding."""
    return {"screen": (17, 2), "person": (18, 3), "view": (19, 3)}[encoding]


def encode_pixels(
    points: np.ndarray,
    scores: np.ndarray,
    size: np.ndarray,
    focal: float,
    encoding: str,
    up: np.ndarray | None = None,
) -> np.ndarray:
    """Encode windows of pixels for a network.

    Args:
        points: (B, F, 17, 2) pixels; where not seen, any finite value.
        scores: (B, F, 17), above 0 (`view`: up to 1, how sure the detector is) where seen, else 0.
        size: (B, 2) image width and height in pixels.
        focal: focal length in pixels; 0 where it is not known, then a usual one is assumed.
        encoding: name of the encoding.
        up: (3,) or (B, F, 3) unit vectors against gravity in the camera's optical frame; None or
            0 where it is not known. Only `view` uses it.

    Returns:
        (B, F, rows, channels) float32.
    """
    size = size[:, None, None].astype(np.float32)
    if encoding == "screen":
        points = np.where(scores[..., None] > 0, points, size / 2)
        return screen(points, size[..., 0], size[..., 1], np)
    rays = ((points - size / 2) / _scale(size, focal)).astype(np.float32, copy=False)
    if encoding == "person":
        return person(rays, (scores > 0).astype(np.float32), np)
    up = np.zeros(3, np.float32) if up is None else np.asarray(up, np.float32)
    up = np.broadcast_to(up, (*rays.shape[:-2], 3))
    return view(rays, scores.astype(np.float32, copy=False), up, np)


def decode_poses(
    poses: np.ndarray,
    frames: np.ndarray,
    size: np.ndarray,
    focal: float,
    encoding: str,
    up: np.ndarray | None = None,
) -> np.ndarray:
    """Turn encoded 2D poses, such as stage I restores, back into pixels.

    Args:
        poses: (B, F, 17, 2), the first two channels of the joints' rows.
        frames: (B, F, rows, channels), the encoded frames that the poses belong to: their
            18th row says where the person is and how large.
        size: (B, 2) image width and height in pixels.
        focal: focal length in pixels as it was given to `encode_pixels`.
        encoding: name of the encoding.
        up: as it was given to `encode_pixels`.

    Returns:
        (B, F, 17, 2) pixels.
    """
    size = size[:, None, None].astype(np.float32)
    width, height = size[..., :1], size[..., 1:]
    if encoding == "screen":
        return (poses + np.concatenate([np.ones_like(width), height / width], -1)) * width / 2
    place = frames[..., 17:18, :]
    rays = poses * (TYPICAL_SIZE * np.exp(place[..., 2:]))
    if encoding == "view":
        directions = camera_poses(_directions(rays, np), frames, up)
        rays = directions[..., :2] / directions[..., 2:].clip(_SHALLOWEST)
    else:
        rays = rays + place[..., :2]
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


def view(rays: Array, scores: Array, up: Array, xp: Any) -> Array:
    """Encode rays (..., 17, 2) with scores (..., 17), 0 where not seen, as (..., 19, 3).

    `up` (..., 3) is the direction against gravity in the camera's frame, 0 where it is not known.
    The rows of joints that are not seen are 0: the network has an embedding for them.
    """
    flags = (scores > 0)[..., None] * xp.ones_like(rays[..., :1])
    count = flags.sum(-2)
    centre = _centre(rays, flags, count, xp)
    turns = view_turns(centre, up, xp)
    turned = _directions(rays, xp) @ xp.swapaxes(turns, -1, -2)
    offsets = turned[..., :2] / turned[..., 2:].clip(_SHALLOWEST) * flags
    squares = offsets**2
    spread = (squares[..., :1] + squares[..., 1:]).sum(-2) / count.clip(1.0)
    spread = xp.where(count > 1, spread, xp.full_like(spread, TYPICAL_SIZE**2))
    size = xp.sqrt(spread.clip(_SMALLEST_SIZE**2))
    joints = xp.concatenate([offsets / size[..., None, :], scores[..., None]], -1)
    place = xp.concatenate([centre, xp.log(size / TYPICAL_SIZE)], -1)
    turned_up = (turns @ up[..., None])[..., 0]
    return xp.concatenate([joints, place[..., None, :], turned_up[..., None, :]], -2)


def view_turns(centre: Array, up: Array, xp: Any) -> Array:
    """Return the rotations (..., 3, 3) from a camera's frame to that of `view`.

    Args:
        centre: (..., 2), the ray that the turned camera looks along: the first two numbers of a
            frame's 18th row.
        up: (..., 3) in the camera's frame; where it is not 0, it lies in the turned camera's
            vertical plane.
        xp: the module of the arrays.
    """
    ahead = _directions(centre, xp)
    ahead = ahead / xp.sqrt((ahead**2).sum(-1))[..., None]
    x, y, z = ahead[..., 0], ahead[..., 1], ahead[..., 2]
    share = 1 / (1 + z)
    right = xp.stack([1 - x * x * share, -x * y * share, -x], -1)
    down = xp.stack([-x * y * share, 1 - y * y * share, -y], -1)
    across, along = (right * up).sum(-1), (down * up).sum(-1)
    length = xp.sqrt(across**2 + along**2)
    known = length > _SMALLEST_SIZE
    length = xp.where(known, length, xp.ones_like(length))
    cos = xp.where(known, -along / length, xp.ones_like(length))[..., None]
    sin = xp.where(known, -across / length, xp.zeros_like(length))[..., None]
    return xp.stack([cos * right - sin * down, sin * right + cos * down, ahead], -2)


def pixel_turns(
    points: np.ndarray, scores: np.ndarray, size: np.ndarray, focal: float, up: np.ndarray | None
) -> np.ndarray:
    """Return the rotations (P, 3, 3) of `view_turns` for the keypoints of people in one image.

    Args:
        points: (P, 17, 2) pixels.
        scores: (P, 17), 0 where not seen.
        size: (2,) image width and height in pixels.
        focal: as of `encode_pixels`.
        up: (3,), as of `encode_pixels`.
    """
    rays = ((points - size / 2) / _scale(size, focal)).astype(np.float32, copy=False)
    flags = (scores > 0)[..., None].astype(np.float32)
    up = np.zeros(3, np.float32) if up is None else np.asarray(up, np.float32)
    return view_turns(_centre(rays, flags, flags.sum(-2), np), up, np)


def camera_poses(poses: np.ndarray, frames: np.ndarray, up: np.ndarray | None) -> np.ndarray:
    """Turn poses (..., 17, 3) of the encoding `view` into the camera's frame.

    Args:
        poses: what the network gave for some frames.
        frames: (..., 19, 3), these frames as they were encoded.
        up: (3,), as of `encode_pixels`.
    """
    up = np.zeros(3, np.float32) if up is None else np.asarray(up, np.float32)
    return poses @ view_turns(frames[..., 17, :2], up, np)


def _centre(rays: Array, flags: Array, count: Array, xp: Any) -> Array:
    """The pelvis where seen, else the mean of the seen joints, else the middle: (..., 2)."""
    mean = (rays * flags).sum(-2) / count.clip(1.0)
    return xp.where(flags[..., 0, :] > 0, rays[..., 0, :], mean)


def _directions(rays: Array, xp: Any) -> Array:
    """Rays (..., 2) as directions (..., 3)."""
    return xp.concatenate([rays, xp.ones_like(rays[..., :1])], -1)
