"""Flip averaging of windows: lifted as they are and mirrored, as streams do by default."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pstmo_core.encoding import get_encoding
from pstmo_core.runtime.flipped import mean_of_flipped


def lift_both_ways(
    lift: Callable[[Tensor], tuple[Tensor, ...]], frames: Tensor, encoding: str
) -> list[np.ndarray]:
    """Return the mean of a network's answers (..., 17, C) to windows and to their mirror images.

    Args:
        lift: gives one or more answers to windows.
        frames: (N, F, rows, channels), encoded.
        encoding: name of their encoding.
    """
    mirrored = get_encoding(encoding).mirror(frames, torch)
    answers = zip(lift(frames), lift(mirrored), strict=True)
    return [mean_of_flipped(a.cpu().numpy(), b.cpu().numpy()) for a, b in answers]
