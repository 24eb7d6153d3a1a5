"""A camera's calibration from a file as ROS writes it, or from a focal length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pstmo_core.camera import Camera, CameraError


def pinhole(focal: float, width: int, height: int) -> Camera:
    """Return a camera of one focal length in pixels without faults."""
    return Camera(width, height, (focal, focal), (width / 2, height / 2))


def load_camera_info(path: Path | str) -> Camera:
    """Load a calibration from the YAML that ROS's camera_calibration and drivers write.

    Raises:
        CameraError: if the file is missing, broken, or no such calibration.
    """
    try:
        import yaml
    except ImportError as error:
        raise CameraError("a camera's YAML needs PyYAML: pip install pyyaml") from error
    try:
        content = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise CameraError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CameraError(f"{path}: is no YAML file") from error
    try:
        return _from_matrix(
            int(content["image_width"]),
            int(content["image_height"]),
            content["camera_matrix"]["data"],
            content.get("distortion_coefficients", {}).get("data", []),
            str(content.get("distortion_model", "plumb_bob")),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CameraError(
            f"{path}: is no calibration; image_width, image_height and camera_matrix with nine "
            f"numbers in data are needed ({type(error).__name__}: {error})"
        ) from error
    except CameraError as error:
        raise CameraError(f"{path}: {error}") from error


def _from_matrix(width: int, height: int, matrix: Any, distortion: Any, model: str) -> Camera:
    """Return the camera with these intrinsics: `matrix` nine numbers, row-major.

    Raises:
        CameraError: if they cannot be those of a camera.
    """
    matrix = [float(value) for value in matrix]
    if len(matrix) != 9:
        raise CameraError(f"the camera matrix has {len(matrix)} numbers, but must have 9")
    return Camera(
        width,
        height,
        (matrix[0], matrix[4]),
        (matrix[2], matrix[5]),
        tuple(float(value) for value in distortion),
        model or "plumb_bob",
    )
