"""Keypoints of a camera that changes its resolution are brought to its first image's pixels."""

from __future__ import annotations

import numpy as np
import pytest

from pstmo_core.keypoints.first_image import FirstImage
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.simulation.moving_people import MovingPeople
from pstmo_core.simulation.view import View

PLACE = {"position": (0.3, -4.2, 1.5), "target": (0.0, 0.0, 0.9)}
WIDE = View(1280, 720, 1000.0, **PLACE)  # type: ignore[arg-type]
HALF = View(640, 360, 500.0, **PLACE)  # type: ignore[arg-type]
AS_HIGH = View(640, 480, 1000.0 * 480 / 720, **PLACE)  # type: ignore[arg-type]
AS_WIDE = View(640, 480, 500.0, **PLACE)  # type: ignore[arg-type]


def seen(view: View, row: int, calibrated: bool) -> KeypointFrame:
    body = MovingPeople.shipped(2).joints(row / 25.0)
    points = view.project(view.to_camera(body)).astype(np.float32)
    scores = np.ones(points.shape[:2], np.float32)
    focal = view.focal if calibrated else 0.0
    return KeypointFrame(row, ("a", "b"), points, scores, view.width, view.height, focal)


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("view", [WIDE, HALF, AS_HIGH, AS_WIDE])
def test_every_size_is_shown_as_the_first_image_shows_it(view: View, calibrated: bool) -> None:
    image = FirstImage()
    for row in range(6):
        frame = seen(WIDE if row < 3 else view, row, calibrated)
        shown = image.refit(image.resized(frame))
        wanted = seen(WIDE, row, calibrated)
        assert (shown.width, shown.height) == (WIDE.width, WIDE.height)
        assert shown.focal == pytest.approx(wanted.focal)
        np.testing.assert_allclose(shown.points, wanted.points, atol=1e-2)


def test_an_image_of_another_shape_without_people_is_no_fault() -> None:
    image = FirstImage()
    image.refit(image.resized(seen(WIDE, 0, False)))
    nobody = KeypointFrame(
        1, (), np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), np.float32), 640, 480
    )
    shown = image.refit(image.resized(nobody))
    assert (shown.width, shown.height, shown.ids) == (1280, 720, ())
