"""A camera that is mounted turned sees the same people, and says so in its own frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pstmo_core.camera import Camera
from pstmo_core.detection.base import Detections
from pstmo_core.detection.turned import TurnedDetector
from pstmo_core.errors import ConfigError
from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_core.keypoints.rotation import points_of_turned_image, upright_image
from pstmo_core.room.upright_axes import ROTATIONS, upright_axes
from pstmo_core.runtime import Runtime
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.lift_clip import lift_clip

FOCAL = 1000.0


def as_turned_camera_sees(clip: Clip, rotation: int) -> Clip:
    """Return the keypoints of a camera whose images have to be turned by that to be upright."""
    size = (clip.width, clip.height) if rotation % 180 == 0 else (clip.height, clip.width)
    points = points_of_turned_image(clip.keypoints, size, rotation)
    return replace(clip, keypoints=points, width=size[0], height=size[1])


@pytest.mark.parametrize("rotation", ROTATIONS[1:])
def test_people_before_a_turned_camera_are_lifted_and_placed_as_by_an_upright_one(
    rotation: int, shipped: Runtime
) -> None:
    clip = load_clip(sample_path())
    upright = lift_clip(clip, shipped, StreamConfig(), camera=of(clip))
    turned = as_turned_camera_sees(clip, rotation)
    silent = lift_clip(turned, shipped, StreamConfig(), camera=of(turned))
    told = lift_clip(turned, shipped, StreamConfig(rotation=rotation), camera=of(turned))
    axes = upright_axes(rotation)
    np.testing.assert_allclose(told.joints @ axes.T, upright.joints, atol=1e-4)
    np.testing.assert_allclose(told.roots @ axes.T, upright.roots, atol=1e-3)
    np.testing.assert_allclose(
        axes @ told.root_covariance @ axes.T, upright.root_covariance, atol=1e-3
    )
    assert np.nanmax(np.abs(silent.joints @ axes.T - upright.joints)) > 0.1  # it does matter


def of(clip: Clip) -> Camera:
    """Return a camera that took the clip."""
    centre = (clip.width / 2, clip.height / 2)
    return Camera(clip.width, clip.height, (FOCAL, FOCAL), centre)


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_a_pixel_of_an_upright_image_is_found_in_the_image_as_it_was_taken(rotation: int) -> None:
    taken = np.arange(5 * 7).reshape(5, 7)
    image = upright_image(taken, rotation)
    rows, columns = np.indices(image.shape)
    centres = np.stack([columns, rows], -1) + 0.5
    where = np.floor(points_of_turned_image(centres, (7, 5), rotation)).astype(int)
    np.testing.assert_array_equal(taken[where[..., 1], where[..., 0]], image)


def test_a_rotation_that_is_no_quarter_turn_is_refused() -> None:
    with pytest.raises(ConfigError, match="0, 90, 180, 270"):
        StreamConfig(rotation=45)


def test_a_detector_is_shown_upright_images_and_answers_in_those_that_came() -> None:
    class Corner:
        """Finds one point: the brightest pixel's centre."""

        layout = "coco17"

        def detect(self, image: np.ndarray) -> Detections:
            assert image.shape == (7, 5, 3)
            row, column = np.argwhere(image[..., 0])[0]
            return Detections(np.float32([[[column + 0.5, row + 0.5]]]), np.float32([[1]]))

        def describe(self) -> str:
            return "finds a corner"

    image = np.zeros((5, 7, 3), np.uint8)
    image[1, 5] = 255
    for rotation in (90, 270):
        detector = TurnedDetector(Corner(), rotation)
        np.testing.assert_allclose(detector.detect(image).points, [[[5.5, 1.5]]], atol=1e-5)
        assert str(rotation) in detector.describe()
