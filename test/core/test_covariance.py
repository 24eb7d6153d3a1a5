"""The covariance of root positions is neither too small nor too large."""

from __future__ import annotations

import numpy as np
from tilt_errors import CHI_SQUARE, ERRORS, TILT_ERROR, lasting_errors, wrong

from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lifter import MOST_AT_ONCE, StreamLifter

FPS = 25.0
FRAMES = 80
SETTLED = 40


def test_the_covariance_covers_90_to_97_percent_with_a_tilt_as_wrong_as_stated(
    shipped: Runtime,
) -> None:
    moving, rng = MovingPeople.shipped(4), np.random.default_rng(12)
    inside = []
    for camera, error in enumerate(ERRORS):
        world = np.stack([moving.joints(3.0 * camera + row / FPS) for row in range(FRAMES)])
        inside.append(covered(shipped, world, error, rng))
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
    noise = lasting_errors(rng, FRAMES, points.shape[1:])
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
