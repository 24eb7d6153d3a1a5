"""Lifts a recorded clip offline, with the streaming core that the node uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.camera import Camera
from pstmo_core.keypoints.npz.dense_rows import DenseRows, write_npz
from pstmo_core.keypoints.recorded import Clip
from pstmo_core.keypoints.sightings import Sightings
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.runtime import AnyRuntime, load_runtime
from pstmo_core.skeleton import JOINT_NAMES, JOINTS
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import MOST_AT_ONCE, StreamLifter
from pstmo_core.streaming.skeleton_frame import SkeletonFrame


@dataclass(frozen=True, eq=False)
class Bodies:
    """N skeletons, each of a person in a frame."""

    joints: np.ndarray
    """(N, 17, 3) float32 metres relative to the pelvis, camera's optical frame."""
    confidence: np.ndarray
    """(N, 17) float32."""
    sigma: np.ndarray
    """(N, 17) float32 metres, see `SkeletonFrame`; NaN from a network that does not say."""
    observed: np.ndarray
    """(N,) float32."""
    roots: np.ndarray
    """(N, 3) float64 metres, pelvises in the camera's optical frame; NaN without a calibrated
    camera."""
    root_covariance: np.ndarray
    """(N, 3, 3) square metres, NaN where `roots` are."""
    root_source: np.ndarray
    """(N,) uint8, what the distance rests on, see `RootSource`."""


#: What the arrays of a prediction hold for those who were not in a frame.
_NOBODY = {
    "joints": np.nan, "confidence": 0, "sigma": np.nan, "observed": 0, "roots": np.nan,
    "root_covariance": np.nan, "root_source": 0,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Prediction:
    """Skeletons of the people of a clip.

    They are kept as a row for each person in a frame, so that passers-by cost what they are seen;
    `joints` and the like are arrays of all F frames and P people, made when asked for.
    """

    stamps: np.ndarray
    """(F,) int64 nanoseconds, those of the clip."""
    ids: tuple[str, ...]
    """P ids."""
    frames: np.ndarray
    """(N,) int64: index of each skeleton's frame; does not decrease."""
    people: np.ndarray
    """(N,) int64: index of its person."""
    bodies: Bodies
    counters: dict[str, int]
    """What the streaming core counted."""

    @cached_property
    def joints(self) -> np.ndarray:
        """(F, P, 17, 3) float32 metres relative to the pelvis, camera's optical frame."""
        return self._dense("joints").array()

    @cached_property
    def confidence(self) -> np.ndarray:
        """(F, P, 17) float32."""
        return self._dense("confidence").array()

    @cached_property
    def sigma(self) -> np.ndarray:
        """(F, P, 17) float32 metres, see `SkeletonFrame`; NaN from a network that does not say."""
        return self._dense("sigma").array()

    @cached_property
    def observed(self) -> np.ndarray:
        """(F, P) float32."""
        return self._dense("observed").array()

    @cached_property
    def roots(self) -> np.ndarray:
        """(F, P, 3) float64 metres, pelvises in the camera's optical frame; NaN = not known."""
        return self._dense("roots").array()

    @cached_property
    def root_covariance(self) -> np.ndarray:
        """(F, P, 3, 3) square metres, NaN where `roots` are."""
        return self._dense("root_covariance").array()

    @cached_property
    def root_source(self) -> np.ndarray:
        """(F, P) uint8, what the distance rests on, see `RootSource`."""
        return self._dense("root_source").array()

    def _dense(self, name: str) -> DenseRows:
        size = len(self.stamps), len(self.ids)
        return DenseRows(getattr(self.bodies, name), self.frames, self.people, size, _NOBODY[name])

    def rows(self, frame: int) -> range:
        """Return which skeletons are of a frame."""
        return range(*np.searchsorted(self.frames, [frame, frame + 1]).tolist())

    @property
    def lifted(self) -> np.ndarray:
        """(F, P) bool: who was lifted in which frame."""
        known = np.zeros((len(self.stamps), len(self.ids)), bool)
        known[self.frames, self.people] = True
        return known

    @cached_property
    def says_sigma(self) -> bool:
        """Whether the network says how far off joints may be."""
        return bool(np.isfinite(self.bodies.sigma).any())

    @cached_property
    def has_roots(self) -> bool:
        """Whether there are root positions: whether the camera was calibrated."""
        return bool(np.isfinite(self.bodies.roots).any())

    def members(self) -> dict[str, np.ndarray | DenseRows]:
        """Return what an npz holds, by its keys; stamps become seconds.

        Root positions are in it where any is known.
        """
        names = ["joints", "confidence", *(["sigma"] if self.says_sigma else []), "observed"]
        names += ["roots", "root_covariance", "root_source"] if self.has_roots else []
        return {name: self._dense(name) for name in names} | {
            "stamps": self.stamps / 1e9,
            "ids": np.array(self.ids, dtype=np.str_),
            "joint_names": np.array(JOINT_NAMES),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """Return `members` as whole arrays."""
        return {
            name: member.array() if isinstance(member, DenseRows) else member
            for name, member in self.members().items()
        }

    def save(self, path: Path | str) -> None:
        """Write an npz; the write is atomic."""
        with atomic_file(Path(path)) as partial, partial.open("wb") as file:
            write_npz(file, self.members())


def lift_clip(
    clip: Clip | Sightings,
    runtime: AnyRuntime | None = None,
    config: StreamConfig | None = None,
    progress: Callable[[int], object] | None = None,
    at_once: int = MOST_AT_ONCE,
    camera: Camera | None = None,
    pose: CameraPose | None = None,
) -> Prediction:
    """Lift a recorded clip; the numbers are those that the ROS node publishes for it.

    A frame that the streaming core ignores (a repeated stamp, say) stays NaN, and so do people
    that were not in a frame.

    Args:
        clip: the keypoints.
        runtime: the network, from `load_runtime`; by default the shipped one.
        config: settings; by default all defaults.
        progress: is called with the number of frames done.
        at_once: frames that are lifted together, 64 at most. With 1 the results are the node's to
            the last bit; with more they come several times as fast and differ by rounding, below
            1e-5 m.
        camera: the calibration of the clip's camera; with it root positions are estimated.
        pose: how the camera stood, a `pstmo_core.room.camera_pose.CameraPose`, the same all the
            time; `tilt` of the settings is the simpler way.

    Raises:
        CameraError: if the calibration is not for images of the clip's aspect.
    """
    lifter = StreamLifter(runtime or load_runtime(), config or StreamConfig())
    answers: list[tuple[int, SkeletonFrame]] = []
    waiting: dict[int, int] = {}
    for part in _parts(clip.stamps, at_once):
        for index in part:
            waiting.setdefault(int(clip.stamps[index]), index)
        seen = clip.frames_of(part)
        if camera is not None:
            seen = [camera.ideal(frame) for frame in seen]
        if pose is not None:
            seen = [replace(frame, pose=pose) for frame in seen]
        _assign(lifter.push_all(seen), answers, waiting)
        if progress is not None:
            progress(part.stop)
    _assign(lifter.flush(), answers, waiting)
    answers.sort(key=lambda answer: answer[0])
    column = {name: index for index, name in enumerate(clip.ids)}
    frames = [frame for frame, answer in answers for _ in answer.ids]
    people = [column[name] for _, answer in answers for name in answer.ids]
    order = np.lexsort((people, frames))
    return Prediction(
        clip.stamps,
        clip.ids,
        np.array(frames, np.int64)[order],
        np.array(people, np.int64)[order],
        _stacked([answer for _, answer in answers], order),
        dict(lifter.counters),
    )


def _parts(stamps: np.ndarray, at_once: int) -> Iterator[range]:
    """Cut a clip into parts of increasing stamps, so that a stamp says which frame is answered."""
    steps_back = (np.flatnonzero(np.diff(stamps) <= 0) + 1).tolist()
    for start, end in pairwise([0, *steps_back, len(stamps)]):
        for first in range(start, end, at_once):
            yield range(first, min(first + at_once, end))


def _assign(
    answers: list[SkeletonFrame],
    assigned: list[tuple[int, SkeletonFrame]],
    waiting: dict[int, int],
) -> None:
    """Note of which frame of the clip each answer is."""
    for answer in answers:
        row = waiting.pop(answer.stamp, None)
        if row is not None:
            assigned.append((row, answer))


def _stacked(answers: list[SkeletonFrame], order: np.ndarray) -> Bodies:
    def stack(parts: list[np.ndarray], kind: type, *shape: int) -> np.ndarray:
        return np.concatenate([np.empty((0, *shape), kind), *parts]).astype(kind, copy=False)[order]

    return Bodies(
        stack([each.joints for each in answers], np.float32, JOINTS, 3),
        stack([each.confidence for each in answers], np.float32, JOINTS),
        stack([_sigma(each) for each in answers], np.float32, JOINTS),
        stack([each.observed for each in answers], np.float32),
        stack([each.roots.position for each in answers], np.float64, 3),
        stack([each.roots.covariance for each in answers], np.float64, 3, 3),
        stack([each.roots.source for each in answers], np.uint8),
    )


def _sigma(answer: SkeletonFrame) -> np.ndarray:
    nothing = np.full_like(answer.confidence, np.nan)
    return nothing if answer.sigma is None else answer.sigma
