"""What `pstmo lift --overlay` draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import Command

from pstmo_core.keypoints.clip import Clip, save_clip
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import JOINT_NAMES

clip_video = pytest.importorskip(
    "pstmo_core.drawing.clip_video", reason="needs the extra 'media'", exc_type=ImportError
)

TILT, FRAMES = 35.0, 20


@pytest.mark.parametrize("rotation", [0, 90])
def test_people_before_a_raised_camera_stand_upright_on_the_drawn_floor(
    rotation: int, tmp_path: Path, pstmo: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = np.stack([MovingPeople.shipped(1).joints(frame * 0.04) for frame in range(FRAMES)])
    away = 4.0
    height = 0.9 + away * float(np.tan(np.radians(TILT)))
    view = View(1280, 720, 900.0, (0.0, -away, height), (0.0, 0.0, 0.9))
    points = view.project(view.to_camera(world))
    size = (view.width, view.height)
    if rotation == 90:  # the camera lies on its side: its left edge is above
        points, size = np.stack([points[..., 1], view.width - points[..., 0]], -1), size[::-1]
    save_clip(
        Clip(
            points.astype(np.float32), np.ones(world.shape[:3], np.float32),
            np.arange(FRAMES) * 40_000_000, *size, "h36m17", ("p",),
        ),
        tmp_path / "clip.npz",
    )  # fmt: skip
    shown: list[np.ndarray] = []
    monkeypatch.setattr(
        clip_video, "render_video", lambda clip, joints, path, images: shown.append(joints)
    )
    told = ("--tilt", TILT, "--rotation", rotation, "--overlay")
    code, _, err = pstmo("lift", tmp_path / "clip.npz", "-o", tmp_path / "out.npz", *told)
    assert code == 0, err
    trunk = shown[0][:, 0, JOINT_NAMES.index("thorax")]
    trunk /= np.linalg.norm(trunk, axis=-1, keepdims=True)
    upright = np.degrees(np.arccos(-trunk[:, 1]))
    assert np.median(upright) < 12, upright
