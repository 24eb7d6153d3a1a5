"""Makes a detector by its kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from pstmo_core.detection.base import Detector, DetectorError
from pstmo_core.detection.options import AUTO, DEFAULT_KIND, KINDS, REFINERS, DetectorOptions
from pstmo_core.detection.turned import TurnedDetector
from pstmo_core.errors import ConfigError
from pstmo_core.settings import user_path


def load_detector(
    kind: str = DEFAULT_KIND,
    options: DetectorOptions | None = None,
    clock: Callable[[], float] | None = None,
) -> Detector:
    """Load a detector.

    Args:
        kind: one of `KINDS`. `movenet` and `blazepose`: networks that come with the package;
            `rtm`: RTMPose and RTMO through rtmlib; `mediapipe`: MediaPipe Tasks; `onnx`: a top-down
            pose network that the options describe; `simulation`: for the virtual camera's images
            only.
        options: files and what they expect, `pstmo_core.detection.DetectorOptions`; by default
            all defaults.
        clock: returns seconds, for live images. With one, movenet adapts its input's size and the
            choice of its pose network to the machine's speed; without, the same images give the
            same keypoints on every machine.

    Raises:
        DetectorError: if a library or file is missing or cannot be used; says where to get it.
        ConfigError: if there is no such kind, or `pose_model` names another kind's network.
    """
    if kind not in KINDS:
        raise ConfigError(f"there is no detector {kind!r}: known are {', '.join(KINDS)}")
    options = options or DetectorOptions()
    options = options if clock is None else options.for_live()
    options = dataclasses.replace(
        options,
        pose_model=_of_user(options.pose_model),
        person_model=_of_user(options.person_model),
    )
    if kind != "movenet":
        options = _without_names(kind, options)
    try:
        detector = _load(kind, options, clock)
    except ImportError as error:
        if error.name != "cv2":
            raise
        raise DetectorError(
            "detectors need OpenCV, which is not installed: pip install opencv-python-headless"
        ) from error
    return TurnedDetector(detector, options.rotation) if options.rotation else detector


def _of_user(path: str) -> str:
    """Return the path, or name, with the user's home folder for ~."""
    return str(user_path(path)) if path else path


def _without_names(kind: str, options: DetectorOptions) -> DetectorOptions:
    """Return the options of a kind that knows paths of pose networks only."""
    if options.pose_model in REFINERS:
        raise ConfigError(
            f"pose_model {options.pose_model} is a network of the detector movenet; that of "
            f"{kind} is named by the path of its file"
        )
    if options.pose_model in AUTO:
        return dataclasses.replace(options, pose_model="")
    return options


def _load(kind: str, options: DetectorOptions, clock: Callable[[], float] | None) -> Detector:
    if kind == "movenet":
        from pstmo_core.detection.movenet import MovenetDetector

        return MovenetDetector(options, clock)
    if kind == "blazepose":
        from pstmo_core.detection.blazepose import BlazeposeDetector

        return BlazeposeDetector(options)
    if kind == "simulation":
        from pstmo_core.detection.simulation import SimulationDetector

        return SimulationDetector(options.detector_threads)
    if kind == "rtm":
        from pstmo_core.detection.rtm import RtmDetector

        return RtmDetector(options)
    if kind == "mediapipe":
        from pstmo_core.detection.mediapipe import MediapipeDetector

        return MediapipeDetector(options)
    from pstmo_core.detection.onnx import OnnxDetector

    return OnnxDetector(options)
