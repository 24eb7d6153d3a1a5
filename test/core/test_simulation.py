"""The virtual camera's pictures: the same for a seed, with people where they are projected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from images import draw_images

from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.errors import ConfigError
from pstmo_core.simulation.moving_people import MOST_PEOPLE, MovingPeople, motion_path
from pstmo_core.simulation.renderer import Renderer
from pstmo_core.simulation.view import View
from pstmo_core.skeleton import JOINTS, ROOT

VIEW = View(320, 240, 280.0)
NOBODY = np.empty((0, JOINTS, 3))


@pytest.fixture(scope="module")
def moving() -> MovingPeople:
    return MovingPeople.shipped(2)


def test_a_point_is_projected_as_a_pinhole_does_and_its_pixels_ray_meets_it() -> None:
    points = np.random.default_rng(0).uniform((-1, -1, 0), (1, 1, 2), (20, 3))
    in_camera = VIEW.to_camera(points)
    pixels = VIEW.project(in_camera)
    np.testing.assert_allclose(
        pixels, in_camera[:, :2] / in_camera[:, 2:] * 280 + (160, 120), atol=1e-9
    )
    np.testing.assert_allclose(VIEW.rotation @ VIEW.rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(VIEW.rotation) == pytest.approx(1)
    column, row = pixels.astype(int).T
    rays = VIEW.pixel_rays()[row, column]
    towards = points - np.array(VIEW.position)
    cosine = (rays * towards).sum(-1) / np.linalg.norm(rays, axis=-1)
    assert (cosine / np.linalg.norm(towards, axis=-1) > 0.99999).all()


def test_a_seed_gives_the_same_picture_and_another_one_another(moving: MovingPeople) -> None:
    joints = moving.joints(1.0)
    first, again, other = (Renderer(VIEW, 2, seed).render(joints) for seed in (1, 1, 2))
    assert first.shape == (240, 320, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5


@pytest.mark.parametrize("seconds", [0.0, 1.3, 4.0])
def test_people_are_to_be_seen_where_they_are_projected(
    moving: MovingPeople, seconds: float
) -> None:
    renderer = Renderer(VIEW, 2, seed=3, noise=0.0)
    joints = moving.joints(seconds)
    change = np.abs(renderer.render(joints).astype(int) - renderer.render(NOBODY)).sum(-1)
    pixels = VIEW.project(VIEW.to_camera(joints)).reshape(-1, 2)
    pixels = pixels[((pixels >= 0) & (pixels < (320, 240))).all(-1)].astype(int)
    assert len(pixels) >= JOINTS
    assert (change[pixels[:, 1], pixels[:, 0]] > 10).mean() > 0.85
    low, high = pixels.min(0) - 25, pixels.max(0) + 25
    y, x = np.mgrid[:240, :320]
    away = (x < low[0]) | (x > high[0]) | (y < low[1]) | (y > high[1])
    assert (change[away] == 0).all()


def test_the_nearer_of_two_people_hides_the_other(moving: MovingPeople) -> None:
    body = moving.joints(0.0)[:1]
    body[..., :2] -= body[:, ROOT : ROOT + 1, :2]
    near, far = body - (0, 1.0, 0), body + (0, 1.0, 0)
    chest = 8
    row, column = VIEW.project(VIEW.to_camera(near[0, chest]))[::-1].astype(int)

    def colour(joints: np.ndarray) -> np.ndarray:
        renderer = Renderer(VIEW, 2, seed=4, noise=0.0)
        renderer._looks = renderer._looks[: len(joints)]
        return renderer.render(joints)[row, column].astype(int)

    alone = colour(near)
    np.testing.assert_allclose(colour(np.concatenate([near, far])), alone, atol=2)


def test_motion_goes_forth_and_back_without_a_jump(moving: MovingPeople) -> None:
    step = 1 / 60
    times = np.arange(0, 60, step)
    joints = np.stack([moving.joints(t) for t in times])
    speed = np.abs(np.diff(joints, axis=0)).max((1, 2, 3)) / step
    assert speed.max() < 12  # metres a second: nobody's hand is faster, a jump would be
    last = (len(moving.clips[0]) - 1) / moving.fps
    np.testing.assert_allclose(
        moving.joints(last + 0.5)[0], moving.joints(last - 0.5)[0], atol=1e-9
    )
    np.testing.assert_allclose(moving.joints(2 * last)[0], moving.clips[0][0], atol=1e-6)


def test_the_first_two_cross_before_the_camera_and_stay_apart(moving: MovingPeople) -> None:
    joints = np.stack([moving.joints(t) for t in np.arange(0, 60, 0.1)])
    pixels = VIEW.project(VIEW.to_camera(joints[:, :, ROOT]))[..., 0]
    side = np.sign(pixels[:, 0] - pixels[:, 1])
    assert (side > 0).any() and (side < 0).any()
    assert np.linalg.norm(joints[:, 0, ROOT] - joints[:, 1, ROOT], axis=-1).min() > 0.4


@pytest.mark.parametrize("people", [0, MOST_PEOPLE + 1])
def test_too_few_or_too_many_people_are_refused(people: int) -> None:
    with pytest.raises(ConfigError, match=f"there are to be {people} people"):
        MovingPeople.shipped(people)


def test_everybody_stands_on_the_floor_and_is_mostly_in_view() -> None:
    moving = MovingPeople.of(load_mocap(motion_path()), MOST_PEOPLE)
    joints = np.stack([moving.joints(t) for t in np.arange(0, 30, 0.25)])
    assert -0.05 < joints[..., 2].min() < 0.3
    pixels = VIEW.project(VIEW.to_camera(joints[:, :, ROOT]))
    inside = ((pixels >= 0) & (pixels < (320, 240))).all(-1)
    assert inside.mean() > 0.8


def test_labelled_images_are_the_same_for_a_seed_and_label_what_is_there(mocap_file: Path) -> None:
    mocap = load_mocap(mocap_file)
    images, again = (draw_images(mocap, 6, 7, (160, 120)) for _ in range(2))
    for one, other in zip(images, again, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.points, other.points)
        assert one.image.shape == (120, 160, 3)
        assert one.points.shape[1:] == (JOINTS, 2)
    assert sum(len(image.points) for image in images) >= 3


@pytest.mark.parametrize("wrong", [{"width": 8}, {"focal": 0.0}, {"target": (0.0, -4.5, 0.0)}])
def test_a_camera_that_cannot_be_is_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        View(**wrong)
