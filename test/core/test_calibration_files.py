"""Calibrations as camera_calibration, `ros2 topic echo` and OpenCV write them, read as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pstmo_core.camera import Camera, CameraError
from pstmo_core.lift.calibration import load_camera_info

K = [640.0, 0.0, 650.0, 0.0, 645.0, 355.0, 0.0, 0.0, 1.0]
D = [-0.35, 0.12, 0.0, 0.0, 0.0]
P = [500.0, 0.0, 640.0, 0.0, 0.0, 500.0, 360.0, 0.0, 0.0, 0.0, 1.0, 0.0]

OST = f"""image_width: 1280
image_height: 720
camera_name: narrow_stereo
camera_matrix:
  rows: 3
  cols: 3
  data: {K}
distortion_model: plumb_bob
distortion_coefficients: {{rows: 1, cols: 5, data: {D}}}
projection_matrix: {{rows: 3, cols: 4, data: {P}}}
"""
ECHO = f"""header:
  stamp: {{sec: 1, nanosec: 2}}
  frame_id: cam
height: 720
width: 1280
distortion_model: plumb_bob
d: {D}
k: {K}
r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
p: {P}
binning_x: 0
binning_y: 0
roi: {{x_offset: 0, y_offset: 0, height: 0, width: 0, do_rectify: false}}
---
header: {{frame_id: next}}
---
"""
ROWS = f"""cameraMatrix: {[K[:3], K[3:6], K[6:]]}
distCoeffs: [{D}]
image_size: [1280, 720]
P1: {P}
"""
FORMS = {"ost": OST, "echo": ECHO, "ros1": ECHO.replace("\nd:", "\nD:").replace("\nk:", "\nK:"),
         "rows": ROWS}  # fmt: skip


def same(a: Camera, b: Camera) -> bool:
    return (a.width, a.height, a.focal, a.centre, a.distortion, a.model) == (
        b.width, b.height, b.focal, b.centre, b.distortion, b.model,
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_camera(form: str, tmp_path: Path) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(FORMS[form])
    expected = Camera(1280, 720, (640.0, 645.0), (650.0, 355.0), tuple(D))
    assert same(load_camera_info(path), expected)
    rectified = Camera(1280, 720, (500.0, 500.0), (640.0, 360.0))
    assert same(load_camera_info(path, rectified=True), rectified)


KALIBR = f"""cam0:
  camera_model: pinhole
  intrinsics: [640.0, 645.0, 650.0, 355.0]
  distortion_model: radtan
  distortion_coeffs: {D[:4]}
  resolution: [1280, 720]
  rostopic: /cam0/image_raw
"""
ORB_SLAM = f"""%YAML:1.0
Camera.type: "PinHole"
Camera.fx: 640.0
Camera.fy: 645.0
Camera.cx: 650.0
Camera.cy: 355.0
Camera.k1: {D[0]}
Camera.k2: {D[1]}
Camera.p1: 0.0
Camera.p2: 0.0
Camera.width: 1280
Camera.height: 720
"""
REALSENSE = f"""{{"width": 1280, "height": 720, "fx": 640.0, "fy": 645.0, "ppx": 650.0,
"ppy": 355.0, "model": "distortion.brown_conrady", "coeffs": {D}}}"""


@pytest.mark.parametrize("text", [KALIBR, ORB_SLAM, REALSENSE], ids=["kalibr", "orb", "realsense"])
def test_calibrations_of_other_programs_are_the_same_camera(text: str, tmp_path: Path) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    camera = load_camera_info(path)
    assert (camera.width, camera.height) == (1280, 720)
    assert (camera.focal, camera.centre) == ((640.0, 645.0), (650.0, 355.0))
    assert (*camera.distortion, 0.0)[:5] == tuple(D) and camera.model == "plumb_bob"


def test_fisheye_lenses_of_kalibr_and_what_is_not_known_of_it(tmp_path: Path) -> None:
    path = tmp_path / "camchain.yaml"
    path.write_text(KALIBR.replace("radtan", "equidistant"))
    assert load_camera_info(path).model == "equidistant"
    path.write_text(KALIBR + KALIBR.replace("cam0", "cam1"))
    with pytest.raises(CameraError, match="describes 2 cameras .cam0, cam1.: keep the one"):
        load_camera_info(path)
    for before, after in (("pinhole", "omni"), ("radtan", "fov")):
        path.write_text(KALIBR.replace(before, after))
        with pytest.raises(CameraError, match=f"model {after}, but only .* known: calibrate with"):
            load_camera_info(path)


@pytest.mark.parametrize("suffix", ["yaml", "json", "xml"])
@pytest.mark.parametrize("count", [5, 8])
def test_what_opencv_writes_is_read(suffix: str, count: int, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV")
    path = tmp_path / f"camera.{suffix}"
    distortion = np.linspace(-0.3, 0.1, count)
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 1280)
    storage.write("image_height", 720)
    storage.write("camera_matrix", np.reshape(K, (3, 3)))
    storage.write("distortion_coefficients", distortion)
    storage.release()
    camera = load_camera_info(path)
    assert (camera.width, camera.focal, camera.centre) == (1280, (640.0, 645.0), (650.0, 355.0))
    np.testing.assert_allclose(camera.distortion, distortion)
    assert camera.model == ("plumb_bob" if count == 5 else "rational_polynomial")
    with pytest.raises(CameraError, match="not calibrated"):
        load_camera_info(path, rectified=True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not a calibration"),
        ("- 1\n- 2\n", "image_width, image_height and camera_matrix"),
        ("image_width: 3\nimage_height: 4\n", "has no camera_matrix, only image_width"),
        (f"camera_matrix: {K}\n", "has no image_width"),
        (OST.replace("0.0, 1.0]", "1.0]", 1), "the camera matrix has 8 numbers"),
        (OST.replace("640.0", "wide", 1), "could not convert"),
        (OST.replace("640.0", "0.0", 1), "not calibrated"),
        (OST.replace("plumb_bob", "mirror"), "the distortion model is 'mirror'"),
        ("a: [1, 2", "is not a YAML, JSON or XML file"),
        ("a: &a [1]\nb: *c\n", "is not a YAML, JSON or XML file"),
        (OST.replace(f"data: {K}", "data: &a [*a]"), "recursion"),
        ("#" * 2_000_000, "2000000 bytes"),
        ("<opencv_storage><k>1</opencv_storage>", "is not valid XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "XML with declarations of its own"),
    ],
    ids=range(14),
)
def test_what_is_wrong_is_said_with_the_files_name(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(CameraError, match=why) as error:
        load_camera_info(path)
    assert str(error.value).startswith(str(path))
