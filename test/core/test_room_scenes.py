"""The scenes that positions are measured on hold what they say."""

from __future__ import annotations

import numpy as np

from pstmo_core.bench.room_scenes import Case, answers_to, see
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.skeleton import JOINT_NAMES
from pstmo_core.streaming.config import StreamConfig

FPS = 25.0


def test_a_scene_shows_its_clip_with_errors_of_keypoints_tilt_and_depth(shipped: Runtime) -> None:
    world = np.stack([MovingPeople.shipped(1).joints(row / FPS)[0] for row in range(30)])
    case = Case("", floor=True, tilt=1.0, depth=True, hidden=0.6)
    scene = see(world, FPS, case, 4.0, 3)
    pose = scene.frames[0].pose
    assert pose is not None
    turned = np.degrees(np.arccos(np.clip(pose.up @ scene.view.pose.up, -1, 1)))
    np.testing.assert_allclose(turned, 1.0, atol=1e-6)
    np.testing.assert_allclose(scene.view.pose.to_level(scene.in_camera), world, atol=1e-9)
    off = np.stack([frame.points[0] for frame in scene.frames]) - scene.view.project(
        scene.in_camera
    )
    assert 2.0 < np.sqrt((off**2).mean()) < 7.0  # 1 % of a height of 425 pixels
    ankle = JOINT_NAMES.index("rankle")
    assert scene.frames[0].scores[0, ankle] == 1 and scene.frames[-1].scores[0, ankle] == 0
    depths = np.stack([frame.depths[0] for frame in scene.frames if frame.depths is not None])
    before = scene.in_camera[:, JOINT_NAMES.index("head"), 2] - depths[:, JOINT_NAMES.index("head")]
    assert 0.0 < np.nanmedian(before) < 0.2
    answers = answers_to(shipped, scene, StreamConfig())
    assert [answer.stamp for answer in answers] == [frame.stamp for frame in scene.frames]
