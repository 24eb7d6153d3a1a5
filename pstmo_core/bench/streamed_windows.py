"""Accuracy of what a stream answers: windows that pass through the streaming core and its filters.

Where `mocap_windows` gives a network the keypoints as they are, this shows them to `StreamLifter`
frame by frame, as a camera would that knows its focal length, and judges the answer for the newest.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pstmo_core.evaluation.mocap_windows import Scores
from pstmo_core.evaluation.virtual_windows import VirtualWindows
from pstmo_core.keypoints.recorded import Clip
from pstmo_core.runtime import AnyRuntime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import Prediction, lift_clip

_FOCAL, _SIDE = 1000.0, 8000
"""Pixels: the focal length, and the width and height of an image that holds what any camera saw."""


def measure_streamed(
    windows: VirtualWindows, step: float, runtime: AnyRuntime, config: StreamConfig
) -> Scores:
    """Measure the answers for the newest frames of windows, those that get one.

    Args:
        windows: N windows, as many people, none of whom was seen before.
        step: seconds between their frames.
        runtime: the network.
        config: settings; the focal length is set here.
    """
    config = replace(config, focal=_FOCAL, look_ahead=0)
    poses, truth = [], windows.poses[:, -1].numpy()
    for first in range(0, len(truth), config.max_people):
        people = slice(first, first + config.max_people)
        clip = _clip(windows.rays[people].numpy(), windows.seen[people].numpy(), step)
        poses.append(_newest(lift_clip(clip, runtime, config)))
    answered = np.concatenate(poses)
    known = np.isfinite(answered[..., :3]).all((1, 2))
    return Scores.of(answered[known], truth[known])


def _clip(rays: np.ndarray, seen: np.ndarray, step: float) -> Clip:
    """P windows (P, F, 17, 2), (P, F, 17) as a clip of P people."""
    people, frames = rays.shape[:2]
    return Clip(
        (rays * np.float32(_FOCAL) + np.float32(_SIDE / 2)).swapaxes(0, 1),
        seen.swapaxes(0, 1),
        np.round(np.arange(frames) * step * 1e9).astype(np.int64),
        _SIDE,
        _SIDE,
        "h36m17",
        tuple(f"window {index}" for index in range(people)),
    )


def _newest(lifted: Prediction) -> np.ndarray:
    """(P, 17, 4): the joints of the newest frame and, if the network says it, log sigma."""
    poses = lifted.joints[-1]
    if not lifted.says_sigma:
        return poses
    return np.concatenate([poses, np.log(lifted.sigma[-1])[..., None]], axis=-1)
