"""Accuracy on streams: at any frame rate and look-ahead, with missing joints and frames.

Motion that no network has seen, before virtual cameras, with the errors of detectors, goes through
the streaming core as a node would get it. One seed gives the same people, cameras and motion to all
networks and situations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from pstmo_core.data.motion import detector_errors
from pstmo_core.data.motion.detector_errors import DetectorErrors
from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.data.motion.virtual_cameras import CameraRange, Cameras, rays
from pstmo_core.data.motion.windows import Clips
from pstmo_core.data.sequences.mocap import LONGER_SIDE, best_camera
from pstmo_core.errors import PstmoError
from pstmo_core.evaluation.metrics import mpjpe, n_mpjpe, p_mpjpe
from pstmo_core.keypoints.clip import Clip
from pstmo_core.runtime import AnyRuntime
from pstmo_core.skeleton import ROOT
from pstmo_core.streaming.config import PLAIN, StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

#: Seconds at the beginning that are not judged, while networks have not seen much yet, and at the
#: end, where look-aheads end.
_BEFORE, _AFTER = 1.0, 0.6
#: Accelerations are second differences over this time in seconds.
_STEP = 0.04
#: A detector of the usual quality that finds everything.
_ERRORS = DetectorErrors(
    clean_share=0.0, levels=(1.0, 1.0), swapped=0.0, merged=0.0, stuck=0.0, lost=0.0, flicker=0.0,
    legs_hidden=0.0,
)  # fmt: skip


class StreamBenchError(PstmoError):
    """Motion that nothing can be measured on."""


@dataclass(frozen=True)
class Situation:
    """How frames come, and what is asked."""

    rate: float = 25.0
    """Frames a second."""
    look_ahead: int = 0
    """Frames of 40 ms after the pose that is asked for."""
    missing_joints: float = 0.0
    """Share of joints that the detector does not see."""
    missing_frames: float = 0.0
    """Share of frames that are lost."""


SITUATIONS = (
    *(Situation(rate=rate) for rate in (10.0, 25.0, 50.0, 120.0)),
    *(Situation(look_ahead=frames) for frames in (1, 2, 4, 8, 13)),
    *(Situation(missing_joints=share) for share in (0.1, 0.3, 0.5)),
    *(Situation(missing_frames=share) for share in (0.2, 0.5)),
)


@dataclass(frozen=True)
class StreamScores:
    """Means over all frames that are judged."""

    frames: int
    mpjpe: float
    """mm, pelvises aligned."""
    n_mpjpe: float
    p_mpjpe: float
    acceleration_error: float
    """m/s², over 40 ms."""
    jitter: float
    """mm: mean second difference of the answer over 40 ms."""


@dataclass(frozen=True)
class Scene:
    """One person for some seconds before a standing camera."""

    clips: Clips
    clip: int
    first: float
    """Row of the clip at which it begins."""
    camera: Cameras
    seed: int


def scenes(motion: Mocap, count: int, seconds: float, seed: int = 15) -> list[Scene]:
    """Choose parts of clips, spread evenly over all that are long enough, and cameras for them.

    Raises:
        StreamBenchError: if no clip is long enough.
    """
    clips = Clips.of(motion)
    rows = round(seconds * motion.fps)
    long = np.flatnonzero(motion.length > rows)
    if not len(long):
        raise StreamBenchError(
            f"no clip is {seconds:g} s long, the longest has "
            f"{motion.length.max() / motion.fps:.1f} s: measure shorter ones (--seconds)"
        )
    chosen = long[np.linspace(0, len(long) - 1, min(count, len(long))).round().astype(int)]
    generator = torch.Generator().manual_seed(seed)
    made = []
    for index, clip in enumerate(chosen.tolist()):
        first = int(torch.randint(int(motion.length[clip]) - rows, (1,), generator=generator))
        start = int(motion.start[clip]) + first
        world = torch.as_tensor(motion.positions[start : start + rows])
        camera = best_camera(world, CameraRange(), generator)
        made.append(Scene(clips, clip, float(first), camera, seed + index))
    return made


def record(scene: Scene, seconds: float, situation: Situation) -> Clip:
    """Let a camera and a detector see a scene; the clip has the truth beside the keypoints."""
    generator = torch.Generator().manual_seed(scene.seed)
    count = int(seconds * situation.rate)
    jitter = 0.1 * torch.randn(count, generator=generator).clamp(-2, 2)
    times = (torch.arange(count) + jitter + 0.3) / situation.rate
    times = times[torch.rand(count, generator=generator) >= situation.missing_frames]
    rows = scene.first + times * scene.clips.fps
    world = scene.clips.at(torch.tensor([scene.clip]), rows[None].float())
    camera = scene.camera
    in_camera = camera.to_camera(world.double()).float()
    seen, scores = detector_errors.apply(
        rays(in_camera), _single(camera), in_camera[..., 2], _ERRORS, generator, times[None]
    )
    hidden = torch.rand(scores.shape, generator=generator) < situation.missing_joints
    shown = torch.where(hidden, 0.0, scores)[0].numpy()
    size = np.rint(camera.size[0].numpy() * LONGER_SIDE).astype(int)
    pixels = seen[0].numpy() * focal_of(scene) + size / 2
    truth = (in_camera - in_camera[:, :, ROOT : ROOT + 1])[0].numpy()
    return Clip(
        np.where(shown[..., None] > 0, pixels, np.nan).astype(np.float32)[:, None],
        shown.astype(np.float32)[:, None],
        np.round(times.double().numpy() * 1e9).astype(np.int64),
        int(size[0]), int(size[1]), "h36m17", ("person",), truth[:, None],
    )  # fmt: skip


def focal_of(scene: Scene) -> float:
    """Return the focal length of a scene's camera in pixels."""
    return float(scene.camera.focal[0]) * LONGER_SIDE


def measure(
    runtime: AnyRuntime, recorded: Sequence[Scene], seconds: float, situation: Situation
) -> StreamScores:
    """Measure a network in a situation; nothing is made steady, before or after it."""
    parts = []
    for scene in recorded:
        clip = record(scene, seconds, situation)
        config = StreamConfig(look_ahead=situation.look_ahead, focal=focal_of(scene), **PLAIN)
        answer = lift_clip(clip, runtime, config).joints[:, 0]
        assert clip.truth is not None
        parts.append(_judge(answer, clip.truth[:, 0], clip.stamps / 1e9, seconds))
    poses, truth, errors, jitters = (np.concatenate(each) for each in zip(*parts, strict=True))
    return StreamScores(
        frames=len(poses),
        mpjpe=float(mpjpe(poses, truth).mean() * 1e3),
        n_mpjpe=float(n_mpjpe(poses, truth).mean() * 1e3),
        p_mpjpe=float(p_mpjpe(poses, truth).mean() * 1e3),
        acceleration_error=float(errors.mean()),
        jitter=float(jitters.mean() * 1e3),
    )


def measure_all(
    runtimes: dict[str, AnyRuntime],
    recorded: Sequence[Scene],
    seconds: float,
    situations: Sequence[Situation] = SITUATIONS,
) -> Iterator[tuple[str, Situation, StreamScores]]:
    """Measure networks by name in all situations, one after the other."""
    for situation in situations:
        for name, runtime in runtimes.items():
            yield name, situation, measure(runtime, recorded, seconds, situation)


def _judge(
    answer: np.ndarray, truth: np.ndarray, times: np.ndarray, seconds: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Poses and truth (n, 17, 3) of the frames that count; on a grid of 40 ms the errors of joints'
    accelerations in m/s² and the second differences of the answer in metres.
    """  # noqa: D205
    known = np.isfinite(answer).all((1, 2))
    answer = answer - answer[:, ROOT : ROOT + 1]
    judged = known & (times >= _BEFORE) & (times <= seconds - _AFTER)
    grid = np.arange(_BEFORE, seconds - _AFTER, _STEP)
    second = [
        np.diff(_at(grid, times[known], poses[known]), 2, axis=0) for poses in (answer, truth)
    ]
    errors = np.linalg.norm(second[0] - second[1], axis=-1) / _STEP**2
    return answer[judged], truth[judged], errors, np.linalg.norm(second[0], axis=-1)


def _at(grid: np.ndarray, times: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Poses (F, 17, 3) interpolated to other times (G,): (G, 17, 3)."""
    flat = poses.reshape(len(poses), -1)
    columns = [np.interp(grid, times, column) for column in flat.T]
    return np.stack(columns, 1).reshape(len(grid), *poses.shape[1:])


def _single(camera: Cameras) -> Cameras:
    return replace(
        camera, **{name: getattr(camera, name).float() for name in ("rotation", "position")},
        focal=camera.focal.float(), size=camera.size.float(),
    )  # fmt: skip
