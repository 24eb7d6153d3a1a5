"""The camera node's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pstmo_core.camera import Camera
from pstmo_core.keypoints.clip import sample_video_path
from pstmo_core.lift.calibration import load_camera_info
from pstmo_core.lift.input_kinds import SourceError
from pstmo_core.settings import check_settings, setting, user_path
from pstmo_ros.parameters import NEVER, check_topic

SAMPLE = "sample"
"""The source that is the shipped video."""


@dataclass(frozen=True)
class CameraParameters:
    """Which camera or video is shown, through which lens, and how."""

    source: str = setting(
        "0",
        "Number of a connected camera (0) or its file (/dev/video0), a video file, the address of "
        "a network camera (rtsp://..., http://...), or sample: the shipped video. A camera without "
        "an image for 15 s counts as silent and is opened again every 2 s.",
        change=NEVER,
    )
    loop: bool = setting(
        False, "Whether a file starts again at its end; stamps go on increasing.", change=NEVER
    )
    fps: float = setting(
        0.0,
        "Images per second that a camera is asked for, or that a file has which does not state "
        "its rate; 0 leaves it to them.",
        low=0.0,
        high=1000.0,
        change=NEVER,
    )
    width: int = setting(
        0,
        "Image width in pixels that a connected camera is asked for; 0 leaves it to the camera.",
        low=0,
        high=16384,
        change=NEVER,
    )
    height: int = setting(
        0,
        "Image height in pixels that a connected camera is asked for; 0 leaves it to the camera.",
        low=0,
        high=16384,
        change=NEVER,
    )
    frame_id: str = setting(
        "camera_color_optical_frame", "Frame of the messages, an optical frame.", change=NEVER
    )
    calibration: str = setting(
        "",
        "Path of the camera's calibration, the YAML of camera_calibration, of `ros2 topic echo` or "
        "of OpenCV; empty: a lens without distortion of the focal length that focal states.",
        change=NEVER,
    )
    focal: float = setting(
        0.0,
        "Focal length in pixels of a camera without calibration; 0 assumes a usual one.",
        low=0.0,
        high=100000.0,
        change=NEVER,
    )
    jpeg_quality: int = setting(
        85,
        "Quality of the compressed images, which are made only while they have subscribers.",
        low=1,
        high=100,
        change=NEVER,
    )
    wait_for_subscribers: int = setting(
        1,
        "Subscribers to the calibration, such as the lifter, that must be there before a file "
        "starts, besides one to the images; 0 waits for none.",
        low=0,
        high=100,
        change=NEVER,
    )
    wait_for_keypoints: bool = setting(
        False,
        "Whether each image of a file waits for the keypoints of the one before it, so that a "
        "slow machine processes all of them; stamps are the file's own times.",
        change=NEVER,
    )
    keypoints_topic: str = setting(
        "keypoints", "Topic of the keypoints that are waited for (People2D).", change=NEVER
    )
    wait_timeout: float = setting(
        60.0,
        "Seconds after which a file starts without all listeners.",
        low=0.0,
        high=3600.0,
        change=NEVER,
    )
    start_delay: float = setting(
        1.0,
        "Seconds between the last awaited listener and the first image of a file.",
        low=0.0,
        high=3600.0,
        change=NEVER,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        check_topic(self, "keypoints_topic")

    @property
    def file(self) -> Path | None:
        """The video file that is shown; None if the source is a camera.

        Raises:
            SourceError: if the source is neither.
        """
        if self.source == SAMPLE:
            return sample_video_path()
        if self.source.isdecimal() or "://" in self.source:
            return None
        path = user_path(self.source)
        if path.is_char_device():
            return None
        if not path.is_file():
            raise SourceError(
                f"{self.source}: there is no such video; a camera is named by its number (0), its "
                "file (/dev/video0) or its address (rtsp://...)"
            )
        return path

    def lens(self) -> Camera | None:
        """Return the calibration, None if no file states it.

        Raises:
            CameraError: if the file cannot be used.
        """
        if not self.calibration:
            return None
        return load_camera_info(user_path(self.calibration.removeprefix("file://")))
