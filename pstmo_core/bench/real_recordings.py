"""Recordings of real people by calibrated cameras, with a 3D reference: one npz per camera.

Keys of a file, F frames, on the point names of `pstmo_core.keypoints.layouts`:

- `points3d_camera` (F, J, 3): the reference in this camera's optical frame, metres, NaN where it is
  not known; `layout` names its J points;
- `K` (3, 3), `D` (4 or more): OpenCV's camera matrix and distortion; `width`, `height`; `fps`;
- `R` (3, 3), optional: the rotation from a world with z up to the camera's optical frame;
- any number of `LAYOUT_NAME` (F, J, 3): a detector's keypoints, x and y in pixels and a score;
- `world_NAME` (F, J, 3), where a detector has its own 3D: metres, on the layout of `LAYOUT_NAME`.

`scripts/make_reference.py` makes such files. Files whose names differ only in a last `_camNN` are
the views of one recording.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pstmo_core.camera import Camera, CameraError
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.clip import Clip, ClipError
from pstmo_core.keypoints.layouts import LAYOUTS, get_layout
from pstmo_core.keypoints.npz.bounded import read_plain_npz
from pstmo_core.room.camera_pose import CameraPose

#: The joints that are judged: those that all layouts have and that mean the same in all.
JUDGED: tuple[str, ...] = (
    "rshoulder", "lshoulder", "relbow", "lelbow", "rwrist", "lwrist",
    "rhip", "lhip", "rknee", "lknee", "rankle", "lankle",
)  # fmt: skip
#: Name of the keypoints that the reference itself would give: what is left is the network's error.
PROJECTED = "reference, projected"


class RecordingError(PstmoError):
    """A recording that cannot be used; says what is wrong, where, and what to do."""


@dataclass(frozen=True, eq=False)
class View:
    """What one camera recorded of one person over F frames."""

    recording: str
    name: str
    fps: float
    camera: Camera
    reference: np.ndarray
    """(F, 12, 3) metres in the camera's optical frame, the `JUDGED` joints."""
    keypoints: dict[str, Clip]
    """Detector -> its keypoints."""
    pose: CameraPose | None
    """Where up is, if the file says."""
    own: dict[str, np.ndarray]
    """Detector -> (F, 12, 3) metres: its own 3D of the `JUDGED` joints."""


def load_recordings(folder: Path | str) -> dict[str, list[View]]:
    """Load all recordings of a folder: name -> views.

    Raises:
        RecordingError: if there is none, or a file is damaged or lacks something.
    """
    paths = sorted(Path(folder).glob("*.npz"))
    if not paths:
        raise RecordingError(
            f"{folder}: has no recordings (*.npz, one per camera): give the folder that "
            "scripts/make_reference.py wrote"
        )
    recordings: dict[str, list[View]] = {}
    for path in paths:
        view = load_view(path)
        recordings.setdefault(view.recording, []).append(view)
    return recordings


def load_view(path: Path) -> View:
    """Load one camera's file.

    Raises:
        RecordingError: as `load_recordings`.
    """
    try:
        return _view(path.stem, read_plain_npz(path))
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from error
    except KeyError as error:
        raise RecordingError(
            f"{path}: has no key {error}: scripts/make_reference.py makes such files"
        ) from error
    except (ClipError, CameraError) as error:
        raise RecordingError(f"{path}: {error}") from error
    except (OSError, TypeError, ValueError, EOFError) as error:
        raise RecordingError(f"{path}: is not a readable npz file ({error})") from error


def _view(name: str, fields: dict[str, np.ndarray]) -> View:
    reference = judged(fields["points3d_camera"], str(fields["layout"]))
    matrix, distortion = fields["K"], fields["D"].reshape(-1)
    width, height, fps = int(fields["width"]), int(fields["height"]), float(fields["fps"])
    if not 0 < fps < 1e4:
        raise RecordingError(f"fps is {fps}, but must be a number above 0")
    camera = opencv_camera(width, height, matrix, distortion)
    stamps = np.rint(np.arange(len(reference)) / fps * 1e9).astype(np.int64)
    keypoints, own = {}, {}
    for key, values in fields.items():
        layout, _, detector = key.partition("_")
        if layout in LAYOUTS and detector:
            keypoints[key] = _clip(values, stamps, camera, layout)
            if (world := fields.get(f"world_{detector}")) is not None:
                own[key] = judged(world, layout)
    projected = _projected(fields["points3d_camera"], matrix, distortion)
    keypoints[PROJECTED] = _clip(projected, stamps, camera, str(fields["layout"]))
    recording = re.sub(r"_cam\d+$", "", name)
    if "R" in fields and fields["R"].shape != (3, 3):
        raise RecordingError(f"R has the shape {fields['R'].shape}, but must have (3, 3)")
    pose = CameraPose.from_up(fields["R"][:, 2]) if "R" in fields else None
    return View(recording, name, fps, camera, reference, keypoints, pose, own)


def opencv_camera(width: int, height: int, matrix: np.ndarray, distortion: np.ndarray) -> Camera:
    """Return the camera of OpenCV's matrix (3, 3) and its 4 or more coefficients of distortion.

    Raises:
        CameraError: if they cannot be a calibration.
    """
    if matrix.shape != (3, 3):
        raise CameraError(f"the camera matrix has the shape {matrix.shape}, but must have (3, 3)")
    coefficients = tuple(map(float, distortion.reshape(-1)))
    return Camera(
        width,
        height,
        (float(matrix[0, 0]), float(matrix[1, 1])),
        (float(matrix[0, 2]), float(matrix[1, 2])),
        coefficients,
        "plumb_bob" if len(coefficients) <= 5 else "rational_polynomial",
    )


def _clip(points: np.ndarray, stamps: np.ndarray, camera: Camera, layout: str) -> Clip:
    """Return keypoints (F, J, 3) of one person as a clip."""
    if points.ndim != 3 or points.shape[-1] != 3:
        raise RecordingError(f"keypoints have the shape {points.shape}, not (F, J, 3)")
    known = np.isfinite(points).all(-1)
    return Clip(
        np.where(known[..., None], points[..., :2], np.nan)[:, None].astype(np.float32),
        np.where(known, points[..., 2], 0)[:, None].astype(np.float32),
        stamps,
        camera.width,
        camera.height,
        layout,
        ("p",),
    )


def _projected(points: np.ndarray, matrix: np.ndarray, distortion: np.ndarray) -> np.ndarray:
    """Return the keypoints (F, J, 3) of a detector that makes no errors."""
    import cv2

    known = np.isfinite(points).all(-1) & (points[..., 2] > 0)
    flat = np.where(known[..., None], points, 1.0).reshape(-1, 3).astype(np.float64)
    pixels, _ = cv2.projectPoints(flat, np.zeros(3), np.zeros(3), matrix, distortion)
    pixels = np.where(known[..., None], pixels.reshape(*known.shape, 2), np.nan)
    return np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)


def judged(points: np.ndarray, layout: str) -> np.ndarray:
    """Return the `JUDGED` joints (F, 12, D) of points (F, J, D) on a layout.

    Raises:
        RecordingError: if the points are not on that layout.
    """
    names = get_layout(layout).joint_names
    if points.ndim != 3 or points.shape[1] != len(names):
        raise RecordingError(
            f"points have the shape {points.shape}, but the layout {layout} has {len(names)} points"
        )
    return points[:, [names.index(name) for name in JUDGED]]
