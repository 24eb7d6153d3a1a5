"""Poses that cannot be right are told apart from those that can."""

from __future__ import annotations

import numpy as np
import pytest

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.pose_doubt import PoseDoubt
from pstmo_core.room.upright_axes import ROTATIONS, upright_axes

NOTHING = PoseDoubt()
#: Optical axes in those of a camera's body (x forward, y left, z up).
OPTICAL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


@pytest.mark.parametrize("pitch", [-30.0, 0.0, 20.0, 50.0, 90.0])
@pytest.mark.parametrize("roll", [-25.0, 0.0, 25.0])
def test_cameras_as_people_mount_them_are_believed(pitch: float, roll: float) -> None:
    level = CameraPose.of_tilt(1.2, pitch)
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    rolled = level.turned(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]))
    assert PoseDoubt.of(rolled, 0, 0.0) == NOTHING
    assert PoseDoubt.of(CameraPose.from_up(rolled.up), 0, 0.0) == NOTHING


@pytest.mark.parametrize("pitch", [0.0, 15.0, 30.0])
def test_a_frame_that_is_not_optical_is_noticed(pitch: float) -> None:
    link = CameraPose.of_tilt(1.2, pitch).turned(OPTICAL)
    doubt = PoseDoubt.of(link, 0, 0.0)
    assert doubt.skyward and doubt.unusable


def test_a_floor_frame_that_is_not_on_the_floor_is_noticed() -> None:
    doubt = PoseDoubt.of(CameraPose.of_tilt(0.02, 5.0), 0, 0.0)
    assert doubt.height == pytest.approx(0.02) and doubt.unusable
    assert PoseDoubt.of(CameraPose.of_tilt(1.0, 5.0), 0, 3.0).unusable  # below a platform
    assert not PoseDoubt.of(CameraPose.of_tilt(0.2, -20.0), 0, 0.0).unusable  # a vacuum cleaner


@pytest.mark.parametrize("mounted", ROTATIONS)
def test_a_camera_that_is_mounted_rotated_is_noticed_unless_it_is_stated(mounted: int) -> None:
    as_mounted = CameraPose.of_tilt(1.2, 15.0).turned(upright_axes(mounted).T)
    for stated in ROTATIONS:
        doubt = PoseDoubt.of(as_mounted, stated, 0.0)
        assert doubt.rotation == (None if stated == mounted else mounted)
        assert not doubt.unusable
