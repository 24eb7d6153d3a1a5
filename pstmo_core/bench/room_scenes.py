"""Motion capture seen by virtual cameras above a floor, to measure errors of positions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pstmo_core.data.motion.mocap import MocapError, load_mocap
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.depth_root import sample_depth
from pstmo_core.runtime.base import Runtime
from pstmo_core.simulation.body import Look, body_parts
from pstmo_core.simulation.depth import draw_depth
from pstmo_core.simulation.room import room_depths
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import LOWER_BODY
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import MOST_AT_ONCE, StreamLifter
from pstmo_core.streaming.skeleton_frame import SkeletonFrame

#: Every so many frames of the motion capture is one of the camera.
_STEP = 2
#: Seconds of a clip, at least and at most.
_SHORTEST, _LONGEST = 6.0, 10.0


@dataclass(frozen=True)
class Case:
    """What is known, and how wrongly."""

    name: str
    floor: bool = False
    tilt: float = 0.0
    """Degrees by which the pose's pitch is off."""
    drawn: bool = False
    """Whether that is the deviation that it is drawn with, as `tilt_error` says it."""
    height: bool = False
    depth: bool = False
    hidden: float = np.inf
    """Seconds after which legs are not seen."""


@dataclass(frozen=True)
class Scene:
    """What a camera saw of a clip, and the truth."""

    frames: list[KeypointFrame]
    view: View
    in_camera: np.ndarray
    """(F, 17, 3) metres, true joints in the camera's frame."""


def see(world: np.ndarray, fps: float, case: Case, distance: float, seed: int) -> Scene:
    """Return what a random camera sees of a clip (F, 17, 3)."""
    rng = np.random.default_rng(seed)
    middle = np.append(world[:, 0, :2].mean(0), 0.0)
    yaw, height = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 2.2)
    away = np.array([np.cos(yaw), np.sin(yaw), 0.0]) * distance
    target = middle + (0, 0, rng.uniform(0.6, 1.1))
    view = View(1280, 720, 1000.0, tuple(middle + away + (0, 0, height)), tuple(target))
    in_camera = view.to_camera(world)
    size = view.focal * 1.7 / in_camera[:, :1, 2:]
    points = view.project(in_camera) + slow_noise(rng, world.shape[:2]) * 0.01 * size
    off = rng.normal() if case.drawn else rng.choice([-1, 1])
    pitch = np.radians(case.tilt) * off
    cos, sin = np.cos(pitch), np.sin(pitch)
    tilted = view.pose.rotation @ [[1, 0, 0], [0, cos, -sin], [0, sin, cos]]
    pose = replace(view.pose, rotation=tilted) if case.floor else None
    depths = film_depths(view, world, points, seed) if case.depth else None
    frames = []
    for row in range(len(world)):
        scores = np.ones((1, 17), np.float32)
        if row / fps > case.hidden:
            scores[:, [j for j in LOWER_BODY if j not in (1, 4)]] = 0
        frames.append(KeypointFrame(
            round(row / fps * 1e9), ("p",), points[row][None].astype(np.float32), scores,
            view.width, view.height, view.focal, pose, None if depths is None else depths[row],
        ))  # fmt: skip
    return Scene(frames, view, in_camera)


#: Depths by place and target of the camera and by clip: several cases see the same.
_FILMED: dict[tuple[object, ...], np.ndarray] = {}


def film_depths(view: View, world: np.ndarray, points: np.ndarray, seed: int) -> np.ndarray:
    """Return depths (F, 1, 17) at keypoints, read from the images of a depth camera.

    The images have half the resolution, errors of 1 % of the distance, and holes; people are
    rendered from capsules, some stouter than others, in a room.
    """
    key = (view.position, view.target, seed, len(world))
    if key not in _FILMED:
        rng = np.random.default_rng(seed)
        half = View(view.width // 2, view.height // 2, view.focal / 2, view.position, view.target)
        look, room = Look.draw(rng), room_depths(half)
        found = []
        for body, seen in zip(world, points, strict=True):
            image = draw_depth(half, body_parts(body, look), room)
            rows, columns = (slice(int(rng.integers(3)), None, 3) for _ in range(2))
            image[rows, columns] = 0
            found.append(sample_depth(image, seen[None], (view.width, view.height), 1.0))
        depths = np.stack(found)
        _FILMED[key] = depths * (1 + rng.normal(0, 0.01, (len(depths), 1, 1)))
    return _FILMED[key]


def answers_to(runtime: Runtime, scene: Scene, config: StreamConfig) -> list[SkeletonFrame]:
    """Return a clip lifted live, frame by frame."""
    lifter, answers = StreamLifter(runtime, config), []
    for first in range(0, len(scene.frames), MOST_AT_ONCE):
        answers += lifter.push_all(scene.frames[first : first + MOST_AT_ONCE])
    assert [a.stamp for a in answers] == [f.stamp for f in scene.frames]
    return answers


def load_clips(mocap: Path, clips: int) -> tuple[list[np.ndarray], float]:
    """Return clips (F, 17, 3) of the test split of six seconds and more, and their frame rate.

    Raises:
        MocapError: if the file is wrong, or has no such clip.
    """
    data = load_mocap(mocap, "test")
    data = data.select(data.quality == "own")
    fps = data.fps / _STEP
    ends = zip(data.start, data.start + data.length, strict=True)
    motion = [data.positions[a:b:_STEP].astype(np.float64) for a, b in ends]
    motion = [clip[: round(_LONGEST * fps)] for clip in motion if len(clip) >= _SHORTEST * fps]
    if not motion:
        raise MocapError(
            f"{mocap}: the test split has no clip of {_SHORTEST:g} s or more of class own"
        )
    return motion[:: max(1, len(motion) // clips)][:clips], fps


def slow_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return errors (*shape, 2) of deviation 1: half is white, the rest lasts for 0.2 s."""
    white = rng.normal(0, 1, (*shape, 2))
    slow, keep = np.empty_like(white), 0.8
    value = rng.normal(0, 1, white.shape[1:])
    for row, fresh in enumerate(rng.normal(0, 1, white.shape)):
        value = keep * value + np.sqrt(1 - keep**2) * fresh
        slow[row] = value
    mixed: np.ndarray = np.sqrt(0.5) * (white + slow)
    return mixed
