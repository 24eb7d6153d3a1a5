"""How far off a joint may be that is the weighted mean of what several cameras tell of it."""

from __future__ import annotations

import numpy as np

#: Metres per second along each axis by which joints move against the pelvis: nine of ten joints of
#: the motion in test/data, in which people walk, throw, jump and do gymnastics, move at most 2.5
#: times as fast.
_HIP, _KNEE, _ANKLE, _TRUNK, _ELBOW, _WRIST = 0.05, 0.35, 0.55, 0.3, 0.45, 0.7
_LEG, _ARM = (_HIP, _KNEE, _ANKLE), (_TRUNK, _ELBOW, _WRIST)
_SPEEDS = np.array([0.0, *_LEG, *_LEG, *[_TRUNK] * 4, *_ARM, *_ARM])


def aged_sigma(sigma: np.ndarray, age: float) -> np.ndarray:
    """Return the sigma of joints that were seen some time ago and are taken for those of now.

    Args:
        sigma: (17,) metres, when they were seen.
        age: seconds since then.
    """
    return np.hypot(sigma, _SPEEDS * age)


def merged_sigma(joints: np.ndarray, sigma: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the sigma (17,) in metres of the weighted mean of joints.

    One network lifts for all cameras, so their errors are alike to a degree that nobody knows: it
    takes the same body size and the same joints for everybody. More cameras are thus no reason for
    a smaller sigma: the variance of a mean of errors, however alike, is at most the mean of their
    variances, and all of it if they are the same. That is what is stated as long as the cameras
    agree as their sigmas let expect. Where they do not, their sigmas are too small, as when one of
    them takes left for right. The mean square of their errors is that of the differences to
    the mean, which is seen, and the error of the mean itself, which is at least that of independent
    errors. The greater of what is stated and what is seen counts.

    Args:
        joints: (C, 17, 3) metres, as C cameras tell of them.
        sigma: (C, 17) metres.
        shares: (C,) weights; they sum to 1.
    """
    variance = sigma**2
    stated = shares @ variance
    apart = ((joints - np.tensordot(shares, joints, 1)) ** 2).mean(-1)
    seen = shares @ apart + shares**2 @ variance
    return np.sqrt(np.maximum(stated, seen))
