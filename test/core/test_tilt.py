"""The tilt of a fixed camera is found from the people it sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import Command
from shared_files import shared

from pstmo_core.bench.real_recordings import load_recordings
from pstmo_core.keypoints.clip import Clip, save_clip
from pstmo_core.lift.tilt import TiltError, _chosen, find_tilt
from pstmo_core.room.upright_axes import upright_axes
from pstmo_core.runtime import Runtime
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View
from pstmo_core.streaming.config import StreamConfig

FRAMES, STEP = 35, 0.08
AWAY = 4.5


def filmed(tilt: float, roll: float = 0.0) -> Clip:
    """Four people, seen from a camera that looks down and is rolled by so many degrees."""
    people = MovingPeople.shipped(4)
    world = np.stack([people.joints(frame * STEP) for frame in range(FRAMES)])
    height = 0.9 + AWAY * np.tan(np.radians(tilt))
    view = View(1280, 720, 900.0, (0.0, -AWAY, float(height)), (0.0, 0.0, 0.9))
    middle = np.array([view.width, view.height]) / 2
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    points = (view.project(view.to_camera(world)) - middle) @ [[cos, sin], [-sin, cos]] + middle
    points += np.random.default_rng(0).normal(0, 3, points.shape)
    return clip_of(points, (view.width, view.height))


def clip_of(points: np.ndarray, size: tuple[int, int]) -> Clip:
    stamps = np.rint(np.arange(FRAMES) * STEP * 1e9).astype(np.int64)
    scores = np.ones(points.shape[:3], np.float32)
    ids = tuple(f"p{person}" for person in range(points.shape[1]))
    return Clip(points.astype(np.float32), scores, stamps, *size, "h36m17", ids)


@pytest.mark.parametrize(("tilt", "roll"), [(0.0, 0.0), (25.0, 0.0), (35.0, 12.0)])
def test_it_is_found_within_a_few_degrees(shipped: Runtime, tilt: float, roll: float) -> None:
    found = find_tilt(filmed(tilt, roll), shipped)
    assert (found.tilt, found.roll) == (pytest.approx(tilt, abs=4), pytest.approx(roll, abs=4))
    assert (found.people, found.frames) == (4, FRAMES)


def test_from_a_real_man_alone_it_is_off_by_less_than_ten_degrees(shipped: Runtime) -> None:
    errors = []
    for views in load_recordings(shared("real")).values():
        for view in views:
            assert view.pose is not None
            found = find_tilt(view.keypoints["coco17_thunder"], shipped, view.camera)
            errors.append(found.tilt - np.degrees(np.arcsin(-view.pose.up[2])))
    assert len(errors) == 4 and np.abs(errors).max() < 10 and np.abs(errors).mean() < 7, errors


def test_that_of_a_camera_mounted_on_its_side_too(shipped: Runtime) -> None:
    upright = filmed(25.0)
    middle = np.array([upright.width, upright.height]) / 2
    turned = (upright.keypoints - middle) @ upright_axes(90)[:2, :2] + middle[::-1]
    lying = clip_of(turned, (upright.height, upright.width))
    found = find_tilt(lying, shipped, config=StreamConfig(rotation=90))
    assert found.tilt == pytest.approx(find_tilt(upright, shipped).tilt, abs=0.1)


def test_the_command_says_what_to_give_to_lift(tmp_path: Path, pstmo: Command) -> None:
    save_clip(filmed(25.0, 12.0), tmp_path / "shop.npz")
    code, out, _ = pstmo("tilt", tmp_path / "shop.npz")
    assert code == 0
    tilt = int(out.partition("--tilt ")[2].split(",")[0])
    assert abs(tilt - 25) <= 4 and "degrees to the right" in out and "4 people" in out


def test_of_a_long_recording_pieces_from_all_over_it_are_enough() -> None:
    minutes = np.repeat(filmed(0.0).keypoints, 300, axis=0)
    minutes[:1000] = np.nan  # nobody has come yet
    stamps = np.arange(len(minutes), dtype=np.int64) * 40_000_000
    scores = np.ones(minutes.shape[:3], np.float32)
    clip = Clip(minutes, scores, stamps, 1280, 720, "h36m17", ("a", "b", "c", "d"))
    frames = [frame for piece in _chosen(clip, None) for frame in piece]
    assert 1000 < sum(len(frame.ids) for frame in frames) <= 1500
    times = np.array([frame.stamp for frame in frames if frame.ids]) / stamps[-1]
    assert times.min() < 0.3 and times.max() > 0.8


def test_without_people_there_is_nothing_to_find(shipped: Runtime) -> None:
    nobody = clip_of(np.full((FRAMES, 1, 17, 2), np.nan), (640, 480))
    with pytest.raises(TiltError, match="nobody"):
        find_tilt(nobody, shipped)


@pytest.mark.parametrize(
    ("tilt", "told", "says"), [(30.0, (), True), (30.0, ("--tilt", 30), False), (0.0, (), False)]
)
def test_lift_says_where_a_tilt_would_help(
    tilt: float, told: tuple[object, ...], says: bool, tmp_path: Path, pstmo: Command
) -> None:
    save_clip(filmed(tilt), tmp_path / "shop.npz")
    code, out, _ = pstmo("lift", tmp_path / "shop.npz", "-o", tmp_path / "out.npz", *told)
    assert code == 0 and ("pstmo tilt" in out) == says, out
