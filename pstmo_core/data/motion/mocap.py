"""Motion capture clips on the 17-joint skeleton, loaded once into arrays."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.npz.bounded import MOST_BYTES, require_size
from pstmo_core.skeleton import BODY_SIZE, JOINT_NAMES

SPLITS = ("train", "val", "test")


class MocapError(PstmoError):
    """A motion-capture file that cannot be used; says what is wrong with it."""


@dataclass(frozen=True)
class Mocap:
    """Clips of motion, end to end in one array.

    World frame: metres, z up, floor near z = 0.
    """

    positions: np.ndarray
    """(N, 17, 3) float32, joints of all clips."""
    start: np.ndarray
    """(C,) int64, first row of each clip."""
    length: np.ndarray
    """(C,) int64, rows of each clip."""
    fps: float
    clip: np.ndarray
    """(C,) names."""
    action: np.ndarray
    """(C,) coarse labels."""
    quality: np.ndarray
    """(C,) quality class of the skeleton: `own` is the trustworthy one."""
    actor: np.ndarray
    """(C,) who moves; "?" where that is not known."""
    licence: np.ndarray
    """(C,) licence of the recording; empty where the file does not say."""
    split: np.ndarray
    """(C,) what each clip is for, of `SPLITS`."""

    def seconds(self) -> float:
        """Return the length of all clips together."""
        return float(self.length.sum()) / self.fps

    def of_split(self, split: str) -> Mocap:
        """Return the clips of a split.

        Raises:
            MocapError: if there is no such split.
        """
        if split not in SPLITS:
            raise MocapError(f"split is {split!r}, but must be one of {SPLITS}")
        return self.select(self.split == split)

    def select(self, keep: np.ndarray) -> Mocap:
        """Return the clips where the mask (C,) is true, with their rows repacked."""
        rows = [slice(s, s + n) for s, n in zip(self.start[keep], self.length[keep], strict=True)]
        length = self.length[keep]
        return Mocap(
            positions=np.concatenate([self.positions[r] for r in rows])
            if rows
            else self.positions[:0],
            start=(np.cumsum(length) - length).astype(np.int64),
            length=length,
            fps=self.fps,
            clip=self.clip[keep],
            action=self.action[keep],
            quality=self.quality[keep],
            actor=self.actor[keep],
            licence=self.licence[keep],
            split=self.split[keep],
        )

    def joined(self, other: Mocap) -> Mocap:
        """Return these clips and those of another file, which must have the same frame rate."""
        if other.fps != self.fps:
            raise MocapError(
                f"one motion-capture file has {self.fps} frames/s, the other {other.fps}: "
                "resample one of them"
            )
        names = ("positions", "length", "clip", "action", "quality", "actor", "licence", "split")
        both = {n: np.concatenate([getattr(self, n), getattr(other, n)]) for n in names}
        start = np.concatenate([self.start, other.start + len(self.positions)])
        return Mocap(start=start, fps=self.fps, **both)


def load_mocap(path: Path | str, split: str | None = None) -> Mocap:
    """Load a motion-capture file (docs/data.md has its keys), or one split of it.

    Raises:
        MocapError: if the file is missing, truncated, or not such a file.
    """
    try:
        with Path(path).open("rb") as opened:
            require_size(opened, MOST_BYTES)
        with np.load(path, allow_pickle=False) as file:
            mocap = _read(file)
            _check(mocap)
            return mocap if split is None else mocap.of_split(split)
    except FileNotFoundError as error:
        raise MocapError(
            f"{path}: no such motion-capture file; docs/data.md says where one comes from, and how "
            "yours becomes one. The repository's test/data/mocap_excerpt.npz is enough for a try"
        ) from error
    except MocapError as error:
        raise MocapError(f"{path}: {error}") from error
    except (
        OSError, KeyError, zipfile.BadZipFile, zlib.error, ValueError, TypeError, EOFError
    ) as error:  # fmt: skip
        raise MocapError(f"{path}: not a readable motion-capture file ({error})") from error


def _read(file: Mapping[str, np.ndarray]) -> Mocap:
    names = tuple(str(name) for name in file["joint_names"])
    if names != JOINT_NAMES:
        raise MocapError(f"joints are {names}, but must be {JOINT_NAMES}")
    relative, root = file["rel_pos"], file["root_pos"]
    if relative.shape[1:] != (len(names), 3) or root.shape != (len(relative), 3):
        raise MocapError(
            f"rel_pos and root_pos have the shapes {relative.shape} and {root.shape}, but must "
            f"have (rows, {len(names)}, 3) and (rows, 3)"
        )
    metres = relative.astype(np.float32) * np.float32(file["rel_scale"])
    return Mocap(
        positions=metres + root.astype(np.float32)[:, None],
        start=file["clip_start"].astype(np.int64),
        length=file["clip_len"].astype(np.int64),
        fps=float(file["fps"]),
        clip=file["clip_id"],
        action=file["action"],
        quality=file["skeleton"],
        actor=_labels(file, "actor", "?"),
        licence=_labels(file, "licence", ""),
        split=file["split"],
    )


def _labels(file: Mapping[str, np.ndarray], key: str, default: str) -> np.ndarray:
    """Labels of clips, or a default where a file of an earlier kind has none."""
    return file[key] if key in file else np.full(len(file["clip_id"]), default)


def _check(mocap: Mocap) -> None:
    """Check that what a file says of its clips fits its rows, which are indexed unchecked later."""
    if not 0 < mocap.fps < np.inf:
        raise MocapError(f"fps is {mocap.fps}, but must be a number above 0")
    names = ("start", "length", "action", "quality", "actor", "licence", "split")
    shapes = {getattr(mocap, name).shape for name in names}
    if shapes != {mocap.clip.shape} or mocap.clip.ndim != 1:
        raise MocapError(
            f"clip_id names {mocap.clip.size} clips, but another key has more or fewer entries"
        )
    ends = np.cumsum(mocap.length)
    if (mocap.length < 1).any() or (mocap.start != ends - mocap.length).any():
        raise MocapError("clip_start and clip_len do not give clips of a row or more, end to end")
    if ends[-1:].sum() != len(mocap.positions):
        raise MocapError(
            f"its clips have {ends[-1:].sum()} rows, but {len(mocap.positions)} are there"
        )
    _check_positions(mocap)


def _check_positions(mocap: Mocap) -> None:
    broken = np.flatnonzero(~np.isfinite(mocap.positions).all((1, 2)))
    if len(broken):
        clip = mocap.clip[np.searchsorted(mocap.start, broken[0], side="right") - 1]
        raise MocapError(
            f"has NaN or infinite positions in {len(broken)} rows, first in row {broken[0]}, clip "
            f"{clip}: cut these frames out"
        )
    some = mocap.positions[:: max(1, len(mocap.positions) // 1000)]
    size = float(np.median(np.linalg.norm(some - some[:, :1], axis=-1))) if len(some) else 0.0
    if len(some) and not BODY_SIZE[0] <= size <= BODY_SIZE[1]:
        raise MocapError(
            f"half of the joints are within {size:.3g} m of the hip, which is not a human's size "
            f"({BODY_SIZE[0]} to {BODY_SIZE[1]} m): rel_pos times rel_scale must be metres"
        )
