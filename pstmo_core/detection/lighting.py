"""Dark images, made lighter: pose networks were trained on pictures that people took to be seen."""

from __future__ import annotations

import cv2
import numpy as np

#: What the 99th percentile of an image becomes if it is below.
_LIGHT = 100.0
#: Most times by which an image is made lighter: what is darker is noise.
_MOST = 32.0
#: Every so many rows and columns are looked at.
_EACH = 15


def lightened(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W, 3) uint8 for a detector, lighter if nothing in it is light."""
    brightest = float(np.percentile(image[::_EACH, ::_EACH], 99))
    if brightest >= _LIGHT:
        return image
    gain = min(_LIGHT / max(brightest, 1.0), _MOST)
    lighter: np.ndarray = cv2.LUT(image, np.clip(np.arange(256) * gain, 0, 255).astype(np.uint8))
    return lighter
