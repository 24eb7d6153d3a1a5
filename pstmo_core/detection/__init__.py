"""From images to 2D keypoints, by detectors of several kinds."""

from pstmo_core.detection.base import Detections, Detector, DetectorError
from pstmo_core.detection.loading import load_detector
from pstmo_core.detection.options import KINDS, DetectorOptions

__all__ = ["KINDS", "Detections", "Detector", "DetectorError", "DetectorOptions", "load_detector"]
