"""The encoding `view`: as `person`, seen by a camera that is turned to the person and upright."""

from __future__ import annotations

from typing import Any

import numpy as np

from pstmo_core.encoding.base import Array, Encoding
from pstmo_core.encoding.person import SMALLEST_SIZE, TYPICAL_SIZE
from pstmo_core.skeleton import JOINTS

#: Least z of a turned ray: what lies 84 degrees or more beside the person is drawn in.
_SHALLOWEST = 0.1


class View(Encoding):
    """As `person`, but as the same camera would see the person in the middle of its image.

    The camera is turned until the person is in its middle and, where gravity is known, until up is
    up in it. How a pose looks depends on where in the image it is; after the turn it does not, and
    the network need not learn that. The poses that it gives are in the turned camera's frame;
    `turns` says how that lies. Joints come with the detector's score instead of a flag, rows of
    joints that are not seen are 0 (the network has an embedding for them), and a 19th row holds the
    direction up in the turned camera's frame, 0 where it is not known: (..., 19, 3).
    """

    name, shape = "view", (JOINTS + 2, 3)
    embeds_unseen = turned = True

    def encode(
        self,
        pixels: Array,
        scores: Array,
        size: Array,
        focal: Array,
        centre: Array,
        up: Array,
        xp: Any,
    ) -> Array:
        """See `Encoding.encode`."""
        rays = (pixels - centre) / focal
        flags = (scores > 0)[..., None] * xp.ones_like(rays[..., :1])
        count = flags.sum(-2)
        middle = _middle(rays, flags, count, xp)
        turns = view_turns(middle, up, xp)
        turned = _directions(rays, xp) @ xp.swapaxes(turns, -1, -2)
        offsets = turned[..., :2] / turned[..., 2:].clip(_SHALLOWEST) * flags
        squares = offsets**2
        spread = (squares[..., :1] + squares[..., 1:]).sum(-2) / count.clip(1.0)
        spread = xp.where(count > 1, spread, xp.full_like(spread, TYPICAL_SIZE**2))
        size = xp.sqrt(spread.clip(SMALLEST_SIZE**2))
        joints = xp.concatenate([offsets / size[..., None, :], scores[..., None]], -1)
        place = xp.concatenate([middle, xp.log(size / TYPICAL_SIZE)], -1)
        turned_up = (turns @ up[..., None])[..., 0]
        return xp.concatenate([joints, place[..., None, :], turned_up[..., None, :]], -2)

    def decode(
        self, poses: np.ndarray, frames: np.ndarray, size: np.ndarray, focal: Array, up: np.ndarray
    ) -> np.ndarray:
        """See `Encoding.decode`."""
        place = frames[..., JOINTS : JOINTS + 1, :]
        rays = poses * (TYPICAL_SIZE * np.exp(place[..., 2:]))
        directions = _directions(rays, np) @ self.turns(frames, up, np)
        rays = directions[..., :2] / directions[..., 2:].clip(_SHALLOWEST)
        pixels: np.ndarray = rays * focal + size / 2
        return pixels

    def turns(self, frames: Array, up: Array, xp: Any) -> Array:
        """See `Encoding.turns`."""
        return view_turns(frames[..., JOINTS, :2], up, xp)


def view_turns(centre: Array, up: Array, xp: Any) -> Array:
    """Return the rotations (..., 3, 3) from a camera's frame to that of one turned to a person.

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
    if xp is np and not up.any():  # the same, sooner
        return np.stack([right, down, ahead], -2)
    across, along = (right * up).sum(-1), (down * up).sum(-1)
    length = xp.sqrt(across**2 + along**2)
    known = length > SMALLEST_SIZE
    length = xp.where(known, length, xp.ones_like(length))
    cos = xp.where(known, -along / length, xp.ones_like(length))[..., None]
    sin = xp.where(known, -across / length, xp.zeros_like(length))[..., None]
    return xp.stack([cos * right - sin * down, sin * right + cos * down, ahead], -2)


def pixel_turns(
    points: np.ndarray, scores: np.ndarray, size: np.ndarray, focal: Any, up: np.ndarray
) -> np.ndarray:
    """Return the rotations (P, 3, 3) of `view_turns` for the keypoints of people in one image.

    Args:
        points: (P, 17, 2) pixels.
        scores: (P, 17), 0 where not seen.
        size: (2,) image width and height in pixels.
        focal: focal length in pixels.
        up: (3,), 0 where not known.
    """
    rays = ((points - size / 2) / focal).astype(np.float32, copy=False)
    flags = (scores > 0)[..., None].astype(np.float32)
    turns: np.ndarray = view_turns(_middle(rays, flags, flags.sum(-2), np), up, np)
    return turns


def _middle(rays: Array, flags: Array, count: Array, xp: Any) -> Array:
    """The pelvis where seen, else the mean of the seen joints, else the middle: (..., 2)."""
    mean = (rays * flags).sum(-2) / count.clip(1.0)
    return xp.where(flags[..., 0, :] > 0, rays[..., 0, :], mean)


def _directions(rays: Array, xp: Any) -> Array:
    """Rays (..., 2) as directions (..., 3)."""
    return xp.concatenate([rays, xp.ones_like(rays[..., :1])], -1)
