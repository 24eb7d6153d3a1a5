"""Degrades the input of an evaluation on purpose (paper, section 0.A.7 and Table 8).

Noise and what is missing belong to a recording: a frame has them in all windows that it is in, as
if a detector had made them. The order of frames belongs to a window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pstmo_core.data.sequences.windows import SequenceWindows, Windows
from pstmo_core.settings import check_settings, setting

#: Independent streams of random numbers, so that one option does not change another's draws.
_NOISE, _JOINTS, _FRAMES, _ORDER = range(4)


@dataclass(frozen=True)
class Corruption:
    """Faults of the keypoints, each off by default; the same seed gives the same faults.

    Raises:
        ConfigError: if a value cannot be used.
    """

    noise: float = setting(
        0.0,
        "Deviation sigma of Gaussian noise in the paper's normalised units, half image widths.",
        low=0.0,
        below=float("inf"),
    )
    shuffle: bool = False
    """Put the frames of each window in a random order; what is predicted keeps its frame."""
    missing_joints: float = setting(
        0.0,
        "Share of joints that are not seen, drawn for every frame and joint. `person` marks "
        "them; under `screen`, which cannot, a joint stays where it was last seen.",
        low=0.0,
        below=1.0,
    )
    missing_frames: float = setting(
        0.0,
        "Share of frames that are lost: the last frame before them is repeated, as a stream does.",
        low=0.0,
        below=1.0,
    )
    seed: int = setting(0, "Of what is drawn.", low=0)

    def __post_init__(self) -> None:
        check_settings(self)


def corrupt(data: SequenceWindows, corruption: Corruption) -> SequenceWindows:
    """Return a data set's sequences with noise, and with joints and frames missing.

    What is not seen keeps the place where it was last seen in its sequence, or is first seen where
    it was not seen before, or the image's centre where it is never seen. Truth is left alone.
    """
    keypoints, seen = data.keypoints, data.seen
    sequence = torch.repeat_interleave(data.length)
    if corruption.noise:
        # One unit is half the width along both axes.
        unit = data.size[sequence, :1, None] / 2
        normal = _generator(corruption, _NOISE).standard_normal(keypoints.shape, np.float32)
        keypoints = keypoints + corruption.noise * unit * torch.from_numpy(normal).to(unit.device)
    if corruption.missing_joints:
        present = _kept(seen.shape, corruption.missing_joints, corruption, _JOINTS, seen.device)
        seen = seen * present
        centre = data.size[sequence, None] / 2
        source, known = _last_rows(present, data)
        held = keypoints.gather(0, source[..., None].expand_as(keypoints))
        keypoints = torch.where(known[..., None], held, centre)
    if corruption.missing_frames:
        present = _kept(seen.shape[:1], corruption.missing_frames, corruption, _FRAMES, seen.device)
        source, known = _last_rows(present[:, None], data)
        rows = torch.where(known, source, data.start[sequence][:, None])[:, 0]
        keypoints, seen = keypoints[rows], seen[rows] * known
    return replace(data, keypoints=keypoints, seen=seen)


class Shuffle:
    """Puts the frames of windows in a random order, whatever batches they come in."""

    def __init__(self, corruption: Corruption) -> None:
        self._generator = _generator(corruption, _ORDER)

    def __call__(self, windows: Windows) -> Windows:
        """Shuffle the keypoints of the next windows (B); their poses stay in order."""
        batch, frames = windows.seen.shape[:2]
        keys = torch.from_numpy(self._generator.random((batch, frames)))
        order = keys.argsort(1).to(windows.seen.device)
        own = torch.arange(batch, device=order.device)[:, None]
        return replace(
            windows, keypoints=windows.keypoints[own, order], seen=windows.seen[own, order]
        )


def _generator(corruption: Corruption, stream: int) -> np.random.Generator:
    return np.random.default_rng([corruption.seed, stream])


def _kept(
    shape: tuple[int, ...], share: float, corruption: Corruption, stream: int, device: torch.device
) -> Tensor:
    drawn = _generator(corruption, stream).random(shape, np.float32)
    return torch.from_numpy(drawn >= share).to(device)


def _last_rows(present: Tensor, data: SequenceWindows) -> tuple[Tensor, Tensor]:
    """Return the row (N, K) at which each of K things (N, K) was last there in its sequence.

    Where it was not there before, the next row at which it is; where it never is, any row, and the
    second result is False.
    """
    sequence = torch.repeat_interleave(data.length)
    first = data.start[sequence][:, None]
    last = first + data.length[sequence][:, None] - 1
    rows = torch.arange(len(present), device=present.device)[:, None].expand(present.shape)
    before = torch.where(present, rows, -1).cummax(0).values
    after = torch.where(present, rows, len(rows)).flip(0).cummin(0).values.flip(0)
    source = torch.where(before >= first, before, after)
    known = (source >= first) & (source <= last)
    return torch.where(known, source, rows), known
