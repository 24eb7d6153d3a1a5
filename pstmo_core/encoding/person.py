"""The encoding `person`: joints as rays about the pelvis, in units of the person's size."""

from __future__ import annotations

from typing import Any

import numpy as np

from pstmo_core.encoding.base import Array, Encoding
from pstmo_core.skeleton import JOINTS

#: Sizes are divided by this typical value before the logarithm, which keeps it near 0.
TYPICAL_SIZE = 0.12
SMALLEST_SIZE = 1e-4


class Person(Encoding):
    """Rays centred on the pelvis over the person's apparent size, with flags, (..., 18, 3).

    A ray is (x, y) / z in the camera's optical frame, the pixel less the principal point over the
    focal length. Each joint has a flag that says whether it was seen; an 18th row holds the centre
    (x, y), the pelvis where seen, else the mean of the seen joints, and the log of the size.

    Nothing is lost, but the network need not learn that a person may stand anywhere in the image,
    near or far, which a small data set does not teach it; and it sees which joints are missing.
    """

    name, shape = "person", (JOINTS + 1, 3)

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
        rays = xp.where(flags > 0, rays, xp.zeros_like(rays))
        count = flags.sum(-2).clip(1.0)
        middle, central = rays[..., 0, :], flags[..., 0, :] > 0
        if xp is not np or not central.all():  # mostly it is, and NumPy is slow at this sum
            middle = xp.where(central, middle, rays.sum(-2) / count)
        offsets = (rays - middle[..., None, :]) * flags
        squares = offsets**2
        spread = (squares[..., :1] + squares[..., 1:]).sum(-2) / count
        size = xp.sqrt(spread.clip(SMALLEST_SIZE**2))
        joints = xp.concatenate([offsets / size[..., None, :], flags], -1)
        place = xp.concatenate([middle, xp.log(size / TYPICAL_SIZE)], -1)
        return xp.concatenate([joints, place[..., None, :]], -2)

    def decode(
        self, poses: np.ndarray, frames: np.ndarray, size: np.ndarray, focal: Array, up: np.ndarray
    ) -> np.ndarray:
        """See `Encoding.decode`."""
        place = frames[..., JOINTS : JOINTS + 1, :]
        rays = poses * (TYPICAL_SIZE * np.exp(place[..., 2:])) + place[..., :2]
        pixels: np.ndarray = rays * focal + size / 2
        return pixels
