"""2D detectors: images in, keypoints of people out. `load_detector` makes one by its name."""

from pstmo_core.detection.base import Detections, Detector, DetectorError
from pstmo_core.detection.loading import load_detector
from pstmo_core.detection.options import KINDS, DetectorOptions

__all__ = ["KINDS", "Detections", "Detector", "DetectorError", "DetectorOptions", "load_detector"]
