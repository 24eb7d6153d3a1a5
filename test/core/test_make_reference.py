"""scripts/make_reference.py: a 3D reference from several calibrated cameras."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shared_files import shared

from pstmo_core.bench.real_recordings import load_recordings, opencv_camera
from pstmo_core.bench.triangulation import (
    StationedCamera,
    TriangulationError,
    refine_rotations,
    triangulate,
)
from pstmo_core.camera import Camera
from pstmo_core.keypoints.clip import Clip, save_clip

cv2 = pytest.importorskip("cv2", reason="needs OpenCV (opencv-python-headless)")

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_reference.py"
SIZE = (1280, 720)
FPS = 50.0


@pytest.fixture(scope="module")
def motion() -> np.ndarray:
    """(100, 17, 3) metres, z up: somebody who walks."""
    with np.load(Path(__file__).parents[1] / "data" / "mocap_excerpt.npz") as file:
        start = int(file["clip_start"][file["clip_id"].tolist().index("91_normalwalk")])
        rows = slice(start, start + 100)
        return file["rel_pos"][rows] * float(file["rel_scale"]) + file["root_pos"][rows][:, None]


@pytest.fixture(scope="module")
def cameras(motion: np.ndarray) -> list[StationedCamera]:
    """Four cameras round the person, one of them high."""
    middle = motion[:, 0].mean(0)
    stationed = []
    for index, azimuth in enumerate(np.radians([10, 100, 190, 260])):
        place = middle + np.array([5 * np.cos(azimuth), 5 * np.sin(azimuth), 0.5 + index])
        forward = (middle - place) / np.linalg.norm(middle - place)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        camera = Camera(*SIZE, (900.0, 900.0), (650.0, 350.0), (0.02, -0.01, 0.0, 0.0))
        stationed.append(StationedCamera(f"cam{index}", camera, rotation, -rotation @ place))
    return stationed


def rays_of(cameras: list[StationedCamera], motion: np.ndarray) -> np.ndarray:
    seen = np.stack([camera.to_camera(motion) for camera in cameras])
    return seen[..., :2] / seen[..., 2:]


def turned(camera: StationedCamera, degrees: float) -> StationedCamera:
    turn, _ = cv2.Rodrigues(np.array([0.0, np.radians(degrees), 0.0]))
    rotation = turn @ camera.rotation
    return replace(camera, rotation=rotation, translation=-rotation @ camera.centre)


def test_points_are_found_and_an_outlier_of_one_camera_is_left_out(
    cameras: list[StationedCamera], motion: np.ndarray
) -> None:
    rays = rays_of(cameras, motion)
    rays[2, 10:20, 13] += 0.1
    rays[1, 50, 5] = np.nan
    found = triangulate(cameras, rays, np.ones(rays.shape[:-1]))
    np.testing.assert_allclose(found.points, motion, atol=1e-6)
    assert not found.inliers[2, 10:20, 13].any() and not found.inliers[1, 50, 5]
    assert found.inliers.sum() == found.inliers.size - 11
    np.testing.assert_allclose(found.errors[2, 10:20, 13], np.hypot(0.1, 0.1), rtol=1e-3)


def test_what_fewer_than_two_cameras_see_is_not_known(
    cameras: list[StationedCamera], motion: np.ndarray
) -> None:
    scores = np.ones((4, *motion.shape[:2]))
    scores[1:, :, 3] = 0
    found = triangulate(cameras, rays_of(cameras, motion), scores)
    assert np.isnan(found.points[:, 3]).all()
    assert np.isfinite(np.delete(found.points, 3, axis=1)).all()
    with pytest.raises(TriangulationError, match="two cameras"):
        triangulate(cameras[:1], rays_of(cameras[:1], motion), scores[:1])


def test_a_camera_that_was_knocked_is_turned_back(
    cameras: list[StationedCamera], motion: np.ndarray
) -> None:
    rays, scores = rays_of(cameras, motion), np.ones((4, *motion.shape[:2]))
    knocked = [*cameras[:3], turned(cameras[3], 0.8)]
    refined, degrees = refine_rotations(knocked, rays, scores, rounds=40)

    before, after = (triangulate(used, rays, scores).errors for used in (knocked, refined))
    assert degrees.argmax() == 3
    assert np.nanmean(after) < 0.2 * np.nanmean(before)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.version_info < (3, 11), reason="reads TOML, which Python 3.11 can")
def test_from_a_calibration_and_keypoint_files_to_recordings(
    tmp_path: Path, cameras: list[StationedCamera], motion: np.ndarray
) -> None:
    tables, options = [], []
    for camera in cameras:
        vector = cv2.Rodrigues(camera.rotation)[0].ravel().tolist()
        tables.append(
            f"[{camera.name}]\nname = '{camera.name}'\nsize = [1280.0, 720.0]\n"
            f"matrix = [[900.0, 0.0, 650.0], [0.0, 900.0, 350.0], [0.0, 0.0, 1.0]]\n"
            f"distortions = {list(camera.camera.distortion)}\nrotation = {vector}\n"
            f"translation = {camera.translation.tolist()}\nfisheye = false\n"
        )
        matrix = np.array([[900.0, 0, 650], [0, 900, 350], [0, 0, 1]])
        distortion = np.array(camera.camera.distortion)
        flat = camera.to_camera(motion).reshape(-1, 3)
        pixels, _ = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), matrix, distortion)
        pixels = pixels.reshape(-1, 1, 17, 2).astype(np.float32)
        stamps = np.round(np.arange(len(pixels)) / FPS * 1e9).astype(np.int64)
        scores = np.ones(pixels.shape[:-1], np.float32)
        clip = Clip(pixels, scores, stamps, *SIZE, "h36m17", ("p",))
        save_clip(clip, tmp_path / f"{camera.name}.npz")
        options += ["--keypoints", f"{camera.name}={tmp_path / camera.name}.npz"]
    calibration = tmp_path / "calibration.toml"
    calibration.write_text("\n".join(tables) + "\n[metadata]\nerror = 0.1\n")
    made = run(calibration, "-o", tmp_path / "out", "--fps", FPS, "--name", "room", *options)
    assert made.returncode == 0, made.stderr
    assert "warning" not in made.stdout
    views = load_recordings(tmp_path / "out")["room"]
    assert len(views) == 4
    for view, camera in zip(views, cameras, strict=True):
        wanted = camera.to_camera(motion)[:, [14, 11, 15, 12, 16, 13, 1, 4, 2, 5, 3, 6]]
        # Smoothed in time, which a walk's wrists and ankles lose a millimetre to.
        assert np.linalg.norm(view.reference - wanted, axis=-1).mean() < 2e-3
    again = run(calibration, "-o", tmp_path / "out", *options)
    assert again.returncode == 2 and "--fps" in again.stderr
    unknown = run(calibration, "-o", tmp_path / "out", "--fps", FPS, "--keypoints", "cam9=x")
    assert unknown.returncode == 2 and "cam0, cam1" in unknown.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="reads TOML, which Python 3.11 can")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[metadata]\nerror = 0.1\n", "has no camera"),
        ("[a]\nmatrix = 1\nsize = 2\n", "is no calibration as Pose2Sim writes it"),
        ("[a]\nmatrix = [[1]]\nfisheye = true\n", "a has a fisheye lens"),
        (
            "[a]\nsize = [1280, 720]\nmatrix = [[900, 0, 650], [0, 900, 350], [0, 0, 1]]\n"
            "distortions = [1, 0, 0, 0, 0, 0, 0]\nrotation = [0, 0, 0]\ntranslation = [0, 0, 0]\n",
            "7 coefficients of distortion",
        ),
    ],
)
def test_a_calibration_that_cannot_be_used_ends_in_a_sentence(
    text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "calibration.toml"
    path.write_text(text)
    made = run(path, "-o", tmp_path / "out", "--fps", FPS)
    assert made.returncode == 2 and f"error: {path}: " in made.stderr and words in made.stderr


def test_a_lens_of_eight_coefficients_is_that_of_the_recordings() -> None:
    camera = opencv_camera(640, 480, np.diag([500.0, 500.0, 1.0]), np.full(8, 0.01))
    assert (camera.model, len(camera.distortion)) == ("rational_polynomial", 8)


def test_the_reference_of_real_video_comes_out_as_others_made_it(tmp_path: Path) -> None:
    folder = shared("real")
    made = run(folder, "-o", tmp_path, "--detector", "blazepose33_heavy")
    assert made.returncode == 0, made.stderr
    ours, theirs = (load_recordings(each)["p2s_single"] for each in (tmp_path, folder))
    for one, other in zip(ours, theirs, strict=True):
        apart = np.linalg.norm(one.reference - other.reference, axis=-1)
        assert np.median(apart) < 5e-3
        assert set(one.keypoints) == set(other.keypoints)
    in_place = run(folder, "-o", folder, "--detector", "blazepose33_heavy")
    assert in_place.returncode != 0
