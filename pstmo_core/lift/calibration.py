"""A camera's calibration from a file, or from a focal length.

Read are the files of ROS's camera_calibration and its drivers, what `ros2 topic echo` prints of a
CameraInfo, OpenCV's FileStorage, and other programs' (`calibration_dialects`); YAML, JSON or XML,
told apart by their keys.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pstmo_core.camera import Camera, CameraError, camera_from_info
from pstmo_core.lift.calibration_dialects import from_xml, in_usual_words

#: Bytes of a calibration file; those of cameras have two or three thousand.
LARGEST_FILE = 1 << 20
#: Numbers of one matrix that are looked at.
_MOST_NUMBERS = 64
#: Keys in which files of different origin hold the same.
_WIDTH = ("image_width", "width", "image_Width", "imageWidth")
_HEIGHT = ("image_height", "height", "image_Height", "imageHeight")
_MATRIX = ("camera_matrix", "k", "K", "Camera_Matrix", "cameraMatrix", "intrinsic_matrix", "M1")
_DISTORTION = (
    "distortion_coefficients", "d", "D", "Distortion_Coefficients", "distCoeffs", "dist_coeffs",
    "dist_coeff", "D1", "distortion", "coeffs",
)  # fmt: skip
_PROJECTION = ("projection_matrix", "p", "P", "P1")
_SIZE = ("image_size", "imageSize")
_NEEDED = (
    "a calibration has image_width, image_height and camera_matrix (camera_calibration, OpenCV), "
    "or width, height and k (ros2 topic echo), or fx, fy, cx and cy"
)
_FISHEYE = {"fisheye": "equidistant", "kannala_brandt": "equidistant", "radtan": "plumb_bob"}


def pinhole(focal: float, width: int, height: int) -> Camera:
    """Return a camera of one focal length in pixels without faults."""
    return Camera(width, height, (focal, focal), (width / 2, height / 2))


def load_camera_info(path: Path | str, rectified: bool = False) -> Camera:
    """Load a calibration.

    Args:
        path: the file, see the module.
        rectified: whether the images were rectified, which the projection matrix describes.

    Raises:
        CameraError: if the file is missing, broken, or no such calibration.
    """
    try:
        return camera_from_info(_info(in_usual_words(_read(Path(path)))), rectified)
    except OSError as error:
        raise CameraError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise CameraError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    """Return the first document of a YAML or JSON file, in whatever dialect."""
    try:
        import yaml
    except ImportError as error:
        raise CameraError("a camera's YAML needs PyYAML: pip install pyyaml") from error

    class Loader(yaml.SafeLoader):
        """Takes OpenCV's matrices as mappings."""

    Loader.add_multi_constructor(
        "tag:yaml.org,2002:opencv-",
        lambda loader, _, node: loader.construct_mapping(node, deep=True),
    )
    if path.stat().st_size > LARGEST_FILE:
        raise CameraError(f"has {path.stat().st_size} bytes; {_NEEDED}")
    try:
        text = path.read_text("utf-8-sig")
        if text.lstrip().startswith("<"):
            return from_xml(text)
        if text.startswith("%YAML:"):  # OpenCV's first line, which YAML does not know
            text = text.partition("\n")[2]
        content = next(yaml.load_all(text, Loader), None)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise CameraError(f"is not a YAML, JSON or XML file; {_NEEDED}") from error
    if not isinstance(content, dict):
        raise CameraError(f"is not a calibration; {_NEEDED}")
    return content


def _info(content: dict[str, Any]) -> SimpleNamespace:
    """Return the content as a message sensor_msgs/CameraInfo has it.

    Raises:
        CameraError: if something is missing, or of a wrong size.
    """
    size = _flat(_find(content, _SIZE, ()))
    distortion = _flat(_find(content, _DISTORTION, ()))
    matrix = _matrix("camera matrix", _find(content, _MATRIX), 9)
    projection = _find(content, _PROJECTION, None)
    if projection is None:
        # Rectified to the same matrix, as a camera without distortion is.
        projection = (
            [*matrix[:3], 0, *matrix[3:6], 0, *matrix[6:], 0] if not any(distortion) else []
        )
    model = str(content.get("distortion_model") or "") or _usual_model(content, distortion)
    roi = content.get("roi") or {}
    return SimpleNamespace(
        width=int(size[0] if size else _find(content, _WIDTH)),
        height=int(size[1] if size else _find(content, _HEIGHT)),
        k=matrix,
        d=distortion,
        p=_matrix("projection matrix", projection, 12) if projection else [0.0] * 12,
        distortion_model=_FISHEYE.get(model, model),
        binning_x=int(content.get("binning_x", 0)),
        binning_y=int(content.get("binning_y", 0)),
        roi=SimpleNamespace(
            **{
                name: int(roi.get(name, 0))
                for name in ("x_offset", "y_offset", "width", "height", "do_rectify")
            }
        ),
    )


def _find(content: dict[str, Any], names: tuple[str, ...], *default: Any) -> Any:
    for name in names:
        if name in content:
            return content[name]
    if default:
        return default[0]
    raise CameraError(f"has no {names[0]}, only {', '.join(map(str, content))[:200]}; {_NEEDED}")


def _numbers(value: Any) -> Iterator[float]:
    """Flatten a matrix: a mapping with `data`, rows, or numbers."""
    if isinstance(value, dict):
        value = value.get("data", ())
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        yield float(value)
    else:
        for part in value:
            yield from _numbers(part)


def _flat(value: Any) -> list[float]:
    # YAML's aliases let a small file hold lists of any length.
    return list(itertools.islice(_numbers(value), _MOST_NUMBERS))


def _matrix(name: str, value: Any, count: int) -> list[float]:
    numbers = _flat(value)
    if len(numbers) != count:
        raise CameraError(f"the {name} has {len(numbers)} numbers, but must have {count}")
    return numbers


def _usual_model(content: dict[str, Any], distortion: list[float]) -> str:
    """Return the model that a file of OpenCV means, which does not name it."""
    if content.get("fisheye_model"):
        return "equidistant"
    return "plumb_bob" if len(distortion) <= 5 else "rational_polynomial"
