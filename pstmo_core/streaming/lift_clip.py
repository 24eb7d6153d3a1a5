"""The offline twin of the node: a recorded clip through the same streaming core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from pstmo_core.atomic_files import atomic_file
from pstmo_core.camera import Camera
from pstmo_core.keypoints.clip import Clip
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.runtime import Runtime, load_runtime
from pstmo_core.skeleton import JOINT_NAMES, JOINTS
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import MOST_AT_ONCE, StreamLifter
from pstmo_core.streaming.skeleton_frame import SkeletonFrame


@dataclass(frozen=True)
class Prediction:
    """Skeletons of the people of a clip, one row a frame of the clip; NaN where nobody was."""

    stamps: np.ndarray
    """(F,) int64 nanoseconds, those of the clip."""
    ids: tuple[str, ...]
    """P ids."""
    joints: np.ndarray
    """(F, P, 17, 3) float32 metres relative to the pelvis, camera's optical frame."""
    confidence: np.ndarray
    """(F, P, 17) float32."""
    sigma: np.ndarray
    """(F, P, 17) float32 metres, see `SkeletonFrame`; NaN from a network that does not say."""
    observed: np.ndarray
    """(F, P) float32."""
    roots: np.ndarray
    """(F, P, 3) float64 metres, pelvises in the camera's optical frame; NaN without a calibrated
    camera."""
    root_covariance: np.ndarray
    """(F, P, 3, 3) square metres, NaN where `roots` are."""
    root_source: np.ndarray
    """(F, P) uint8, what the distance rests on, see `RootSource`."""
    counters: dict[str, int]
    """What the streaming core counted."""

    @property
    def lifted(self) -> np.ndarray:
        """(F, P) bool: who was lifted in which frame."""
        known: np.ndarray = np.any(np.isfinite(self.joints), axis=(-2, -1))
        return known

    @property
    def says_sigma(self) -> bool:
        """Whether the network says how far off joints may be."""
        return bool(np.isfinite(self.sigma).any())

    @property
    def placed(self) -> bool:
        """Whether anybody's place is known: whether the camera was calibrated."""
        return bool(np.isfinite(self.roots).any())

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what an npz holds, by its keys; stamps become seconds.

        Places are in it where any is known.
        """
        places = {"roots": self.roots, "root_covariance": self.root_covariance}
        places["root_source"] = self.root_source
        sigma = {"sigma": self.sigma} if self.says_sigma else {}
        return (places if self.placed else {}) | {
            "joints": self.joints,
            "stamps": self.stamps / 1e9,
            "confidence": self.confidence,
            **sigma,
            "observed": self.observed,
            "ids": np.array(self.ids, dtype=np.str_),
            "joint_names": np.array(JOINT_NAMES),
        }

    def save(self, path: Path | str) -> None:
        """Write an npz; the write is atomic."""
        with atomic_file(Path(path)) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **self.arrays())  # type: ignore[arg-type]


def lift_clip(
    clip: Clip,
    runtime: Runtime | None = None,
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
        pose: how the camera stood, the same all the time.

    Raises:
        CameraError: if the calibration is not for images of the clip's aspect.
    """
    frames, people = len(clip.stamps), len(clip.ids)
    prediction = Prediction(
        clip.stamps,
        clip.ids,
        np.full((frames, people, JOINTS, 3), np.nan, np.float32),
        np.zeros((frames, people, JOINTS), np.float32),
        np.full((frames, people, JOINTS), np.nan, np.float32),
        np.zeros((frames, people), np.float32),
        np.full((frames, people, 3), np.nan),
        np.full((frames, people, 3, 3), np.nan),
        np.zeros((frames, people), np.uint8),
        {},
    )
    lifter = StreamLifter(runtime or load_runtime(), config or StreamConfig())
    waiting: dict[int, int] = {}
    for part in _parts(clip.stamps, at_once):
        for index in part:
            waiting.setdefault(int(clip.stamps[index]), index)
        seen = [clip.frame(index) for index in part]
        if camera is not None:
            seen = [camera.ideal(frame) for frame in seen]
        if pose is not None:
            seen = [replace(frame, pose=pose) for frame in seen]
        _store(lifter.push_all(seen), prediction, waiting)
        if progress is not None:
            progress(part.stop)
    _store(lifter.flush(), prediction, waiting)
    prediction.counters.update(lifter.counters)
    return prediction


def _parts(stamps: np.ndarray, at_once: int) -> Iterator[range]:
    """Cut a clip into parts of increasing stamps, so that a stamp says which frame is answered."""
    steps_back = (np.flatnonzero(np.diff(stamps) <= 0) + 1).tolist()
    for start, end in pairwise([0, *steps_back, len(stamps)]):
        for first in range(start, end, at_once):
            yield range(first, min(first + at_once, end))


def _store(answers: list[SkeletonFrame], prediction: Prediction, waiting: dict[int, int]) -> None:
    for answer in answers:
        row = waiting.pop(answer.stamp, None)
        if row is None:
            continue
        people = [prediction.ids.index(name) for name in answer.ids]
        prediction.joints[row, people] = answer.joints
        prediction.confidence[row, people] = answer.confidence
        if answer.sigma is not None:
            prediction.sigma[row, people] = answer.sigma
        prediction.observed[row, people] = answer.observed
        prediction.roots[row, people] = answer.roots.position
        prediction.root_covariance[row, people] = answer.roots.covariance
        prediction.root_source[row, people] = answer.roots.source
