"""The paper's encoding `screen`: x / w * 2 - 1 and y / w * 2 - h / w."""

from __future__ import annotations

from typing import Any

import numpy as np

from pstmo_core.encoding.base import Array, Encoding
from pstmo_core.skeleton import JOINTS


class Screen(Encoding):
    """Joints on the screen, (..., 17, 2). A joint that is not seen stands in the image's middle."""

    name, shape = "screen", (JOINTS, 2)
    tells_unseen = False

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
        pixels = xp.where(scores[..., None] > 0, pixels, size / 2)
        width, height = size[..., 0], size[..., 1]
        return xp.stack(
            [pixels[..., 0] / width * 2 - 1, pixels[..., 1] / width * 2 - height / width], -1
        )

    def decode(
        self, poses: np.ndarray, frames: np.ndarray, size: np.ndarray, focal: Array, up: np.ndarray
    ) -> np.ndarray:
        """See `Encoding.decode`."""
        width, height = size[..., :1], size[..., 1:]
        shifted = poses + np.concatenate([np.ones_like(width), height / width], -1)
        pixels: np.ndarray = shifted * width / 2
        return pixels

    def seen(self, frames: Array, xp: Any) -> Array:
        """See `Encoding.seen`: it cannot say so, all joints count."""
        return xp.ones_like(frames[..., :JOINTS, 0]) > 0
