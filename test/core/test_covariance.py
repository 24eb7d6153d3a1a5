"""The covariance of root positions is neither too small nor too large."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.stage import Stage
from pstmo_core.simulation.view import View
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import MOST_AT_ONCE, StreamLifter

FPS = 25.0
FRAMES = 80
SETTLED = 40
TILT_ERROR = 0.5
"""Degrees, as stated."""
#: Errors of pitch and roll in that deviation: of each a tenth of a normal distribution, so that ten
#: cameras are as wrong as many are.
PITCH = np.array([-1.75, 1.04, 0.13, -0.39, 0.67, -0.13, 1.75, -1.04, 0.39, -0.67])
ROLL = PITCH[[3, 5, 1, 0, 9, 4, 2, 8, 7, 6]]
#: Square of the distance, in deviations, that 95 % of a normal distribution in space keep below.
CHI_SQUARE = 7.815


def test_the_covariance_covers_90_to_97_percent_with_a_tilt_as_wrong_as_stated(
    shipped: Runtime,
) -> None:
    stage, rng = Stage.shipped(4), np.random.default_rng(12)
    inside = []
    for camera, error in enumerate(np.stack([PITCH, ROLL], -1)):
        world = np.stack([stage.joints(3.0 * camera + row / FPS) for row in range(FRAMES)])
        inside.append(covered(shipped, world, np.radians(TILT_ERROR) * error, rng))
    share = np.mean(np.concatenate(inside))
    by_camera = ", ".join(f"{np.mean(hits):.0%} of {len(hits)}" for hits in inside)
    print(f"measured: the covariance covers {share:.1%} ({by_camera})")
    assert 0.90 <= share <= 0.97


def covered(
    runtime: Runtime, world: np.ndarray, tilt: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return whether roots (N,) of people (F, P, 17, 3) lie in their 95 % regions."""
    yaw, away = rng.uniform(0, 2 * np.pi), rng.uniform(2.5, 5.5)
    place = (away * np.cos(yaw), 1.3 + away * np.sin(yaw), rng.uniform(0.8, 2.0))
    view = View(1280, 720, 1000.0, place, (0.0, 1.3, 0.9))
    in_camera = view.to_camera(world)
    points = view.project(in_camera)
    slow = np.repeat(rng.normal(0, 1, (FRAMES // 5, *points.shape[1:])), 5, axis=0)
    noise = np.sqrt(0.5) * (slow + rng.normal(0, 1, points.shape))
    points += noise * 0.01 * 1.7 * view.focal / in_camera[:, :, :1, 2:]
    seen = ((points >= 0) & (points < (1280, 720))).all(-1) & (in_camera[..., 2] > 0.5)
    pose = wrong(view.pose, tilt)
    ids = tuple(f"p{number}" for number in range(world.shape[1]))
    frames = [
        KeypointFrame(
            round(row / FPS * 1e9), ids, points[row].astype(np.float32),
            seen[row].astype(np.float32), view.width, view.height, view.focal, pose,
        )
        for row in range(FRAMES)
    ]  # fmt: skip
    lifter = StreamLifter(runtime, StreamConfig(tilt_error=TILT_ERROR))
    chunks = range(0, FRAMES, MOST_AT_ONCE)
    answers = [a for first in chunks for a in lifter.push_all(frames[first : first + MOST_AT_ONCE])]
    inside = []
    for row, answer in list(enumerate(answers))[SETTLED:]:
        for person, name in enumerate(answer.ids):
            at = ids.index(name)
            if seen[row, at].all():
                off = answer.roots.position[person] - in_camera[row, at, 0]
                inside.append(off @ np.linalg.solve(answer.roots.covariance[person], off))
    return np.array(inside) < CHI_SQUARE


def wrong(pose: CameraPose, error: np.ndarray) -> CameraPose:
    """Return a pose with pitch and roll off by angles (2,) in radians."""
    (cos, cosine), (sin, sine) = np.cos(error), np.sin(error)
    pitch = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    roll = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    return replace(pose, rotation=pose.rotation @ pitch @ roll)
