"""The offline twin of the node: a recorded clip through the same streaming core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.clip import Clip
from pstmo_core.runtime import Runtime
from pstmo_core.skeleton import JOINT_NAMES, JOINTS
from pstmo_core.skeletons import SkeletonFrame
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import StreamLifter


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
    observed: np.ndarray
    """(F, P) float32."""
    counters: dict[str, int]
    """What the streaming core counted."""

    def save(self, path: Path | str) -> None:
        """Write an npz, whole or not at all; stamps become seconds."""
        path = Path(path)
        partial = path.with_name(path.name + ".partial")
        with partial.open("wb") as file:
            np.savez_compressed(
                file,
                joints=self.joints,
                stamps=self.stamps / 1e9,
                confidence=self.confidence,
                observed=self.observed,
                ids=np.array(self.ids),
                joint_names=np.array(JOINT_NAMES),
            )
        partial.replace(path)


def predict(
    clip: Clip,
    runtime: Runtime,
    config: StreamConfig,
    progress: Callable[[int], object] | None = None,
) -> Prediction:
    """Lift a clip frame by frame, as the node would.

    A frame that the streaming core ignores (a repeated stamp, say) stays NaN, and so do people
    that were not in a frame. `progress` is called with the number of frames done.
    """
    frames, people = len(clip.stamps), len(clip.ids)
    prediction = Prediction(
        clip.stamps,
        clip.ids,
        np.full((frames, people, JOINTS, 3), np.nan, np.float32),
        np.zeros((frames, people, JOINTS), np.float32),
        np.zeros((frames, people), np.float32),
        {},
    )
    lifter = StreamLifter(runtime, config)
    waiting: dict[int, int] = {}
    for index in range(frames):
        stamp = int(clip.stamps[index])
        waiting.setdefault(stamp, index)
        _store(lifter.push(clip.frame(index)), prediction, waiting)
        if progress is not None:
            progress(index + 1)
    _store(lifter.flush(), prediction, waiting)
    prediction.counters.update(lifter.counters)
    return prediction


def _store(answers: list[SkeletonFrame], prediction: Prediction, waiting: dict[int, int]) -> None:
    for answer in answers:
        row = waiting.pop(answer.stamp, None)
        if row is None:
            continue
        people = [prediction.ids.index(name) for name in answer.ids]
        prediction.joints[row, people] = answer.joints
        prediction.confidence[row, people] = answer.confidence
        prediction.observed[row, people] = answer.observed
