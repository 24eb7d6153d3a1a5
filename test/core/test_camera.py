"""Calibrated cameras: pixels become rays, whatever the lens."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from pstmo_core.camera import Camera, CameraError, calibration_digest, camera_from_info
from pstmo_core.keypoints.frame import KeypointFrame

SIZE = {"width": 640, "height": 480}
PLAIN = {**SIZE, "focal": (500.0, 510.0), "centre": (322.0, 236.0)}
LENSES = {
    "plumb_bob": (-0.3, 0.1, 0.001, -0.002, 0.01),
    "rational_polynomial": (0.2, -0.1, 0.0005, -0.0003, 0.01, 0.5, -0.2, 0.02),
    "equidistant": (-0.02, 0.01, -0.003, 0.0004),
}


def true_rays() -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 9), np.linspace(-0.4, 0.4, 7))
    return np.stack([x, y], -1)


def project(camera: Camera, rays: np.ndarray) -> np.ndarray:
    matrix = np.array(
        [[camera.focal[0], 0, camera.centre[0]], [0, camera.focal[1], camera.centre[1]], [0, 0, 1]]
    )
    points = np.concatenate([rays, np.ones_like(rays[..., :1])], -1).reshape(-1, 1, 3)
    zero = np.zeros(3)
    project_points = (
        cv2.fisheye.projectPoints if camera.model == "equidistant" else cv2.projectPoints
    )
    pixels = project_points(points, zero, zero, matrix, np.array(camera.distortion or (0.0,) * 4))
    return pixels[0].reshape(rays.shape)


def info(**changes: Any) -> SimpleNamespace:
    """A CameraInfo; the rectified image has another focal length."""
    region = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    fields = {
        **SIZE, "k": [500.0, 0, 322, 0, 510, 236, 0, 0, 1], "d": [-0.3, 0.1, 0.001, -0.002, 0.01],
        "p": [480.0, 0, 320, 0, 0, 480, 240, 0, 0, 0, 1, 0], "distortion_model": "plumb_bob",
        "r": [1.0, 0, 0, 0, 1, 0, 0, 0, 1], "binning_x": 0, "binning_y": 0, "roi": region,
    }  # fmt: skip
    return SimpleNamespace(**fields | changes)


@pytest.mark.parametrize("rectified", [False, True])
def test_a_binned_region_of_the_image_has_the_rays_of_the_whole(rectified: bool) -> None:
    region = SimpleNamespace(x_offset=100, y_offset=40, width=320, height=240)
    whole = camera_from_info(info(), rectified)
    part = camera_from_info(info(binning_x=2, binning_y=2, roi=region), rectified)
    assert (part.width, part.height) == (160, 120)
    assert bool(whole.distortion) != rectified
    pixels = np.array([[120.0, 60], [300, 200], [400, 270]])
    np.testing.assert_allclose(part.rays((pixels - [100, 40]) / 2), whole.rays(pixels), atol=1e-6)


def test_a_message_without_a_calibration_is_refused() -> None:
    with pytest.raises(CameraError, match="not calibrated"):
        camera_from_info(info(k=[0.0] * 9))


@pytest.mark.parametrize("model", LENSES)
def test_distortion_of_every_model_is_undone(model: str) -> None:
    camera = Camera(**PLAIN, distortion=LENSES[model], model=model)
    rays = camera.rays(project(camera, true_rays()))
    np.testing.assert_allclose(rays, true_rays(), atol=2e-4)


def test_a_lens_without_distortion_needs_no_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    camera = Camera(**PLAIN, distortion=(0.0,) * 5)
    np.testing.assert_allclose(camera.rays(np.array([[822.0, 236.0]])), [[1.0, 0.0]], atol=1e-6)
    with pytest.raises(CameraError, match="pip install opencv"):
        Camera(**PLAIN, distortion=LENSES["plumb_bob"]).rays(np.zeros((1, 2)))


def test_an_ideal_frame_has_its_principal_point_in_the_middle_and_one_focal_length() -> None:
    camera = Camera(**PLAIN, distortion=LENSES["plumb_bob"])
    points = project(camera, true_rays()[:1, :9]).astype(np.float32)
    points = np.concatenate([points, np.zeros((1, 8, 2), np.float32)], 1)
    scores = np.repeat([1.0, 0.0], [9, 8])[None].astype(np.float32)
    frame = camera.ideal(KeypointFrame(5, ("a",), points, scores, 640, 480))
    assert frame.focal == 500.0 and (frame.stamp, frame.ids) == (5, ("a",))
    rays = (frame.points[:, :9] - [320, 240]) / 500
    np.testing.assert_allclose(rays, true_rays()[:1], atol=2e-4)
    assert (frame.points[:, 9:] == 0).all()


def test_keypoints_of_a_resized_image_are_scaled() -> None:
    camera, half = Camera(**PLAIN), Camera(**PLAIN).scaled_to(320, 240)
    point = np.array([[100.0, 200.0]])
    np.testing.assert_allclose(half.rays(point / 2), camera.rays(point), atol=1e-6)
    with pytest.raises(CameraError, match="which is not a scaled size of it"):
        camera.scaled_to(640, 400)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"focal": (0.0, 0.0)}, "not calibrated"),
        ({"centre": (float("nan"), 0.0)}, "not calibrated"),
        ({"width": 0}, "image size is 0 x 480"),
        ({"distortion": (0.1,) * 5, "model": "spline"}, "distortion model is 'spline'"),
        ({"distortion": (0.1,) * 3}, "3 coefficients of distortion"),
    ],
)
def test_a_wrong_calibration_is_refused_with_a_sentence(
    change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(CameraError, match=sentence):
        Camera(**(PLAIN | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"width": 641}, {"binning_x": 2}, {"distortion_model": "equidistant"},
        {"roi": SimpleNamespace(x_offset=300, y_offset=0, width=9, height=9, do_rectify=False)},
        {"d": [0.0] * 5}, {"d": []}, {"k": [float("nan")] + [0.0] * 8}, {"p": [1.0] * 12},
    ],
)  # fmt: skip
def test_whatever_changes_in_a_calibration_is_noticed_and_the_same_is_not(
    change: dict[str, Any],
) -> None:
    assert calibration_digest(info(**change)) != calibration_digest(info())
    assert calibration_digest(info(**change)) == calibration_digest(info(**change))


@pytest.mark.parametrize(
    ("focal", "distortion"),
    [((1e-300, 1e-300), ()), ((500.0, 500.0), (1e30,) * 5), ((1e300, 1e-300), (0.1, 0, 0, 0))],
)
def test_a_calibration_that_is_absurd_never_gives_points_that_are_no_numbers(
    focal: tuple[float, float], distortion: tuple[float, ...]
) -> None:
    points = np.random.default_rng(0).uniform(0, 480, (2, 17, 2)).astype(np.float32)
    frame = KeypointFrame(0, ("a", "b"), points, np.ones((2, 17), np.float32), 640, 480)
    seen = Camera(**SIZE, focal=focal, centre=(320.0, 240.0), distortion=distortion).ideal(frame)
    assert np.isfinite(seen.points).all()
    assert (seen.scores[(seen.points == 0).all(-1)] == 0).all()


def test_endless_coefficients_are_refused_and_the_models_name_is_not_repeated_whole() -> None:
    with pytest.raises(CameraError, match="1000000 coefficients"):
        camera_from_info(info(d=[0.1] * 10**6))
    with pytest.raises(CameraError) as refused:
        camera_from_info(info(distortion_model="x\n" * 10**6))
    assert len(str(refused.value)) < 400
