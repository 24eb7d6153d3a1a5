"""What every backend offers."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pstmo_core.config import ModelConfig
from pstmo_core.errors import PstmoError


class RuntimeLoadError(PstmoError):
    """A model file that cannot be run; says what is wrong with it and what to do."""


class Runtime(Protocol):
    """A loaded network."""

    config: ModelConfig

    def infer(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lift windows (B, F, rows, channels), encoded as `config.encoding` says, float32.

        Returns:
            Poses of all frames (B, F, 17, 3) and of the target frame (B, 17, 3), metres relative
            to the pelvis, camera's optical frame.
        """
        ...

    def describe(self) -> str:
        """Say in a line what runs where."""
        ...
