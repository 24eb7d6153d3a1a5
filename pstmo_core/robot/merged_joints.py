"""Joints that are weighted means of what several cameras tell of them, and how far off they may be.

An image shows where a joint is across the camera's viewing direction, and hardly how far away.
So cameras that look from different directions make up for what each of them does not see.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINT_NAMES

#: How much farther off lifted joints are along the viewing direction than across it: for a real
#: man 2.3 to 2.5 times with detectors' keypoints, 3 with exact ones (docs/benchmarks/merging.md);
#: 2 to 4 do nearly as well.
_AHEAD = 3.0
#: How much a joint counts that a camera does not see, against one that another camera sees.
_GUESSED = 0.05
_HIPS = [JOINT_NAMES.index(side + "hip") for side in "rl"]
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


def precision(root_covariance: np.ndarray) -> np.ndarray:
    """Return how much a camera's lifted joints tell along each direction, (3, 3).

    Its inverse, times the square of a joint's sigma, is that joint's covariance.

    A root position, too, is surest across the viewing direction: the direction in which it is least
    sure is taken for it. The less it stands out, as with positions that a depth camera measured,
    the less it counts.

    Args:
        root_covariance: (3, 3) square metres.
    """
    variances, axes = np.linalg.eigh(root_covariance)
    stretch = np.clip(variances[2] / variances[1], 1, _AHEAD**2)
    ahead = axes[:, 2]
    told = np.eye(3) - (1 - 1 / stretch) * np.outer(ahead, ahead)
    matrix: np.ndarray = (stretch + 2) / 3 * told
    return matrix


def merge(
    joints: np.ndarray,
    sigma: np.ndarray | None,
    seen: np.ndarray,
    precisions: np.ndarray,
    shares: np.ndarray,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the weighted mean (17, 3) of joints in metres, and its sigma (17,).

    What a camera does not see is a guess of the network, which hardly counts where another camera
    sees it. Where a camera sees no hip, the pelvis is a guess and so is the place of all joints
    about it.

    One network lifts for all cameras, so their errors are alike to a degree that nobody knows: it
    takes the same body size and the same joints for everybody. More cameras are thus no reason for
    a smaller sigma; only that they look from different directions is. What is stated is a bound
    that holds however alike the errors are (covariance intersection: the covariance of a sum is at
    most the mean, by shares, of those of its parts over their shares). For cameras side by side it
    is the mean of their variances.

    Where the cameras differ by more than their sigmas let expect, these are too small, as when one
    of them takes left for right. The mean square of their errors is that of the differences to the
    mean, which is seen, and the error of the mean itself, which is at least that of independent
    errors. What this exceeds their sigmas by is added.

    Args:
        joints: (C, 17, 3) metres, as C cameras tell of them.
        sigma: (C, 17) metres; None if they are not all known, nor is then that of the mean.
        seen: (C, 17), 1 for joints that a camera sees, 0 for others, between while that changes.
        precisions: (C, 3, 3) of the cameras, see `precision`.
        shares: (C,) how much the cameras count besides; they sum to 1.
    """
    placed = seen * seen[:, _HIPS].max(-1, keepdims=True)
    share = shares[:, None] * (_GUESSED + (1 - _GUESSED) * placed)
    share /= share.sum(0)
    told = np.eye(3) + seen[..., None, None] * (precisions[:, None] - np.eye(3))
    weights = share[..., None, None] * told
    inverse = np.linalg.inv(weights.sum(0))
    gain = inverse @ weights  # (C, 17, 3, 3), over the cameras they sum to the unit matrix
    mean = np.einsum("cjab,cjb->ja", gain, joints)
    if sigma is None:
        return mean, None
    variance = sigma**2
    stated = np.einsum("cjab,jba->cj", gain, inverse) / 3 * variance
    apart = ((joints - mean) ** 2).mean(-1)
    excess = (share * (apart + stated - variance)).sum(0)
    return mean, np.sqrt(stated.sum(0) + np.maximum(0, excess))
