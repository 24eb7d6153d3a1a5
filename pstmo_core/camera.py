"""A calibrated camera: turns pixels into viewing rays and removes lens distortion."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pstmo_core.errors import PstmoError, quoted
from pstmo_core.keypoints.frame import KeypointFrame
from pstmo_core.keypoints.layouts import FARTHEST

#: Distortion models by their names in ROS, with the numbers of coefficients that they may have.
DISTORTION_MODELS: dict[str, tuple[int, ...]] = {
    "plumb_bob": (4, 5),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
}


MOST_COEFFICIENTS = max(max(counts) for counts in DISTORTION_MODELS.values())

#: Distortion model in a CameraInfo that says that nobody calibrated the camera: the focal length
#: is a usual one.
ASSUMED_LENS = "assumed"


class CameraError(PstmoError):
    """A calibration that cannot be used; says what is wrong with it."""


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics of a camera. Its frame is optical: x right, y down, z forward.

    Raises:
        CameraError: if a value cannot be one of a calibration.
    """

    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""
    focal: tuple[float, float]
    """Focal lengths along x and y in pixels."""
    centre: tuple[float, float]
    """Principal point in pixels."""
    distortion: tuple[float, ...] = ()
    """Coefficients of `model`, in the order of ROS and OpenCV; empty: none."""
    model: str = "plumb_bob"
    """A key of `DISTORTION_MODELS`."""

    def __post_init__(self) -> None:
        if len(self.distortion) > MOST_COEFFICIENTS:
            raise CameraError(
                f"there are {len(self.distortion)} coefficients of distortion, but no model has "
                f"more than {MOST_COEFFICIENTS}"
            )
        if self.width <= 0 or self.height <= 0:
            raise CameraError(
                f"the camera's image size is {self.width} x {self.height}, but must be above 0"
            )
        numbers = (*self.focal, *self.centre, *self.distortion)
        if min(self.focal) <= 0 or not np.isfinite(numbers).all():
            raise CameraError(
                f"focal lengths are {self.focal} and the principal point is {self.centre}: the "
                "camera is not calibrated"
            )
        if any(self.distortion):
            self._check_distortion()

    def _check_distortion(self) -> None:
        if self.model not in DISTORTION_MODELS:
            raise CameraError(
                f"the distortion model is {quoted(self.model)}, but must be one of "
                f"{', '.join(DISTORTION_MODELS)}"
            )
        counts = DISTORTION_MODELS[self.model]
        if len(self.distortion) not in counts:
            raise CameraError(
                f"there are {len(self.distortion)} coefficients of distortion, but {self.model} "
                f"has {' or '.join(map(str, counts))}"
            )

    @property
    def is_ideal(self) -> bool:
        """Whether it has none of the faults that `ideal` takes away."""
        middle = (self.width / 2, self.height / 2)
        one_focal = self.focal[0] == self.focal[1]
        return one_focal and self.centre == middle and not any(self.distortion)

    def resembles(self, other: Camera) -> bool:
        """Say whether it may be the same camera as the other, focused on another distance.

        Autofocus changes focal lengths and principal point by up to 2 % of the focal length, and
        coefficients of distortion by up to 0.05.
        """
        kinds = [(each.width, each.height, each.model) for each in (self, other)]
        if kinds[0] != kinds[1] or len(self.distortion) != len(other.distortion):
            return False
        pixels = np.array([*self.focal, *self.centre]) - [*other.focal, *other.centre]
        lens = np.array(self.distortion) - np.array(other.distortion)
        near = np.abs(pixels).max() <= 0.02 * max(other.focal)
        return bool(near and (np.abs(lens) <= 0.05).all())

    def scaled_to(self, width: int, height: int) -> Camera:
        """Return the same camera for an image that was resized.

        Raises:
            CameraError: if the sides were not resized alike.
        """
        if (width, height) == (self.width, self.height):
            return self
        scale = width / self.width
        if abs(height - scale * self.height) > 1:
            raise CameraError(
                f"keypoints lie in an image of {width} x {height} pixels, but the camera's "
                f"calibration is for {self.width} x {self.height}, which is not a scaled size of it"
            )
        return replace(
            self,
            width=width,
            height=height,
            focal=(self.focal[0] * scale, self.focal[1] * scale),
            centre=(self.centre[0] * scale, self.centre[1] * scale),
        )

    def rays(self, points: np.ndarray) -> np.ndarray:
        """Pixels (..., 2) to rays (..., 2): x / z and y / z, distortion undone; float32."""
        if any(self.distortion):
            return self._undistorted(points)
        rays = (points - np.array(self.centre)) / np.array(self.focal)
        return rays.astype(np.float32)

    def _undistorted(self, points: np.ndarray) -> np.ndarray:
        try:
            import cv2
        except ImportError as error:
            raise CameraError(
                "the lens distortion of this camera is undone by OpenCV, which is not installed: "
                "pip install opencv-python-headless"
            ) from error
        matrix = np.array([[self.focal[0], 0, self.centre[0]], [0, self.focal[1], self.centre[1]],
                           [0, 0, 1]])  # fmt: skip
        flat = np.ascontiguousarray(points, np.float64).reshape(-1, 1, 2)
        if not len(flat):
            return np.zeros(points.shape, np.float32)
        distortion = np.array(self.distortion)
        if self.model == "equidistant":
            rays = cv2.fisheye.undistortPoints(flat, matrix, distortion)
        else:
            rays = cv2.undistortPoints(flat, matrix, distortion)
        return rays.reshape(points.shape).astype(np.float32)

    def ideal(self, frame: KeypointFrame) -> KeypointFrame:
        """Move keypoints to where a camera without faults would see them.

        That camera has no distortion, its principal point in the middle of the image and one focal
        length, `focal[0]`, which the new frame states. Nothing else of a calibration is needed
        after this.
        """
        camera = self.scaled_to(frame.width, frame.height)
        middle = np.array([frame.width, frame.height], np.float32) / 2
        if camera.is_ideal:
            return replace(frame, focal=camera.focal[0])
        # A lens that is absurd, or steep far outside its image, throws points to anywhere.
        with np.errstate(over="ignore", invalid="ignore"):
            points = camera.rays(frame.points) * np.float32(camera.focal[0]) + middle
            inside = np.all(np.abs(points) <= FARTHEST, axis=-1)
        scores = np.where(inside, frame.scores, np.float32(0))
        points = np.where(scores[..., None] > 0, points, frame.points)
        points[~inside] = 0
        return replace(
            frame, points=points.astype(np.float32), scores=scores, focal=camera.focal[0]
        )


def camera_from_info(info: Any, rectified: bool = False) -> Camera:
    """Return the calibration in a message sensor_msgs/CameraInfo, of ROS or out of a bag.

    Args:
        info: the message; binning and a region of interest are taken into account.
        rectified: whether the image was rectified, which the projection matrix describes.

    Raises:
        CameraError: if the message holds no calibration, or one that cannot be used.
    """
    columns, values = (4, info.p) if rectified else (3, info.k)
    focal, centre = (values[0], values[columns + 1]), (values[2], values[columns + 2])
    bins = np.maximum((info.binning_x, info.binning_y), 1)
    roi = info.roi
    size = (roi.width or info.width, roi.height or info.height) // bins
    return Camera(
        int(size[0]),
        int(size[1]),
        focal=tuple((np.array(focal) / bins).tolist()),
        centre=tuple(((np.array(centre) - (roi.x_offset, roi.y_offset)) / bins).tolist()),
        distortion=() if rectified else tuple(map(float, info.d)),
        model=info.distortion_model or "plumb_bob",
    )


def calibration_digest(info: Any) -> bytes:
    """Digest all that a message sensor_msgs/CameraInfo says of the camera: not header and frame.

    Cameras send the same calibration with every image. Two messages with the same digest say the
    same, numbers that are NaN included, which are not equal to themselves.
    """
    roi = info.roi
    fields = (
        info.width, info.height, info.binning_x, info.binning_y, info.distortion_model,
        roi.x_offset, roi.y_offset, roi.width, roi.height, roi.do_rectify,
    )  # fmt: skip
    digest = hashlib.blake2b(repr(fields).encode("utf-8", "backslashreplace"), digest_size=16)
    for numbers in (info.k, info.d, info.r, info.p):
        digest.update(np.asarray(numbers, np.float64).tobytes() + b"|")
    return digest.digest()
