"""Crops have the same pixels by every version of OpenCV."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2", reason="images need OpenCV")

from pstmo_core.detection.crops import warp_crops  # noqa: E402
from pstmo_core.detection.warping import warped  # noqa: E402

SIZE = (192, 160)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)


def maps(count: int) -> np.ndarray:
    """Some affine maps, of which every other one turns, and every tenth leads far away."""
    rng = np.random.default_rng(1)
    made = np.zeros((count, 2, 3), np.float32)
    made[:, [0, 1], [0, 1]] = rng.uniform(0.2, 3, (count, 2))
    made[::2, [0, 1], [1, 0]] = rng.normal(size=(len(made[::2]), 2))
    made[..., 2] = rng.uniform(-100, 200, (count, 2))
    made[::10, :, 2] *= 1e7
    return made


def test_crops_are_the_same_by_every_version_of_opencv(noise: np.ndarray) -> None:
    digest = hashlib.sha256()
    for to_image in maps(100):
        digest.update(warped(noise, to_image, SIZE))
    digest.update(warp_crops(noise, maps(100)[1::2], SIZE))
    assert digest.hexdigest()[:16] == "473251409caa7d24", f"with OpenCV {cv2.__version__}"


@pytest.mark.skipif(int(cv2.__version__.partition(".")[0]) != 4, reason="rounds otherwise")
def test_crops_are_those_of_opencv_4(noise: np.ndarray) -> None:
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for to_image in maps(100):
        expected = cv2.warpAffine(noise, to_image, SIZE, flags=how)
        np.testing.assert_array_equal(warped(noise, to_image, SIZE), expected)
    for to_crop in maps(100)[1::2]:
        expected = cv2.warpAffine(noise, to_crop, SIZE, flags=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(warp_crops(noise, to_crop[None], SIZE)[0], expected)


def test_a_pixel_of_a_crop_is_that_of_its_place() -> None:
    """In an image that brightens to the right, and beyond whose edges it is black."""
    ramp = np.repeat(np.arange(250, dtype=np.uint8)[None, :, None], 100, 0).repeat(3, 2)
    crop = warped(ramp, np.array([[0.5, 0, 20.25], [0, 1, -10]]), (100, 50))
    assert not crop[:9].any()
    assert not warped(ramp, np.full((2, 3), np.nan), (100, 50)).any()
    assert not warp_crops(ramp, np.full((1, 2, 3), np.nan), (100, 50)).any()
    expected = 20.25 + 0.5 * np.arange(100)
    assert np.abs(crop[20, :, 0] - expected).max() <= 0.5 + 1 / 64
