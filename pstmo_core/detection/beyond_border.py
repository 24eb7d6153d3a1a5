"""Finds the joints of people, cut by the image's border, that lie beyond it.

A network for keypoints places every joint inside the image. Those that the image does not show end
up at its border, or elsewhere on the person, with lower scores than joints that are seen there.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.keypoints.frame import MIN_SCORE

#: Width of the strip at the border in which points are doubted, in longer sides of the person.
_STRIP = 0.04
#: Least score of a point in the strip, or beyond one in it along a limb: a share of the best score
#: elsewhere. Of feet that do stand at the border the network is about as sure as of other joints.
_SHARE = 0.7
#: Joints of COCO's limbs and what follows each.
_LIMBS = ((5, 7), (7, 9), (6, 8), (8, 10), (11, 13), (13, 15), (12, 14), (14, 16))


def beyond_border(points: np.ndarray, scores: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return (P, 17) which joints lie beyond the image's border.

    Args:
        points: (P, 17, 2) pixels.
        scores: (P, 17).
        shape: height and width of the image.
    """
    seen = scores >= MIN_SCORE
    low = np.where(seen[..., None], points, np.inf).min(1)
    high = np.where(seen[..., None], points, -np.inf).max(1)
    size = np.maximum((high - low).max(-1, keepdims=True), 1.0)
    distance = np.minimum(points, np.array(shape[1::-1]) - points).min(-1)
    at_border = distance < _STRIP * size
    best = np.where(at_border, 0, scores).max(-1, keepdims=True)
    doubted = scores < _SHARE * best
    cut = at_border.copy()
    for joint, further in _LIMBS:
        cut[:, further] |= cut[:, joint]
    return np.asarray(cut & doubted)
