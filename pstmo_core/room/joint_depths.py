"""Joints moved along their rays to where a depth image shows them.

A lifted joint is well known across its viewing ray, but its depth along the ray is an estimate. A
depth image measures this depth for the joints that it really shows. The skeleton tells which these
are: a reading that is much farther is the background beside a thin limb, one that is much nearer is
an object in front, and a joint behind another part of the body is hidden.

A filter follows each joint's error along its ray. After the last reading the correction fades, so
that nothing jumps when the depth image no longer shows the joint.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.room.body_surface import LIMB_DEPTHS, hidden
from pstmo_core.skeleton import JOINTS

#: Deviation of how deep joints lie, metres, and of a depth camera's readings, a share of the
#: distance.
_DEPTH_SPREAD, _SCALE = 0.025, 0.01
#: Deviation of a joint along its ray where the network does not say, metres; and how much larger it
#: is than the one that the network says, which is that along any axis.
_UNSAID, _ALONG = 0.08, 1.5
#: Joints err together: as many tell as much as one that errs alone.
_ALIKE_JOINTS = 2.0
#: Readings farther off than this, in deviations, show something else.
_ALIKE = 2.5
#: Seconds in which the error of a joint along its ray becomes another.
_FADE = 0.3
#: Somebody not seen for this long is seen for the first time, seconds.
_GAP = 0.5


class JointDepths:
    """Corrects the joints of everybody, frame by frame.

    Args:
        slots: how many people there may be.
    """

    def __init__(self, slots: int) -> None:
        self._off = np.zeros((slots, JOINTS))
        """By how much joints are farther than lifted, metres along the camera's axis."""
        self._variance = np.zeros((slots, JOINTS))
        self._stamp = np.zeros(slots, np.int64)
        self._visit = np.full(slots, -1)

    def correct(
        self,
        stamp: int,
        slots: np.ndarray,
        visits: np.ndarray,
        bodies: np.ndarray,
        sigma: np.ndarray,
        root_spread: np.ndarray,
        depths: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Correct the joints of a frame; frames come in the order of their stamps.

        Args:
            stamp: nanoseconds.
            slots: (P,) of the people.
            visits: (P,) numbers that tell one person in a slot from the next.
            bodies: (P, 17, 3) metres, camera's optical frame; NaN where not known.
            sigma: (P, 17) metres, deviations of joints along any axis; NaN where not said.
            root_spread: (P,) metres, the deviation of the distance of the pelvis.
            depths: (P, 17) metres along the camera's axis to what is seen at the joints, NaN where
                not known; None without a depth image.

        Returns:
            The joints, their deviations relative to the pelvis, and by how much (P,) metres along
            the camera's axis the pelvis is farther, for what all joints have in common is its.
        """
        known = np.isfinite(bodies).all((1, 2)) & (bodies[..., 2] > 0).all(-1)
        away = np.where(known[:, None], bodies[..., 2], 1.0)
        alone = (_ALONG * np.where(np.isfinite(sigma), sigma, _UNSAID / _ALONG)) ** 2
        root = np.where(known, root_spread, 0.0)[:, None] ** 2
        first = alone + root
        off, variance = self._expected(stamp, slots, visits, first)
        if depths is not None:
            noise = _DEPTH_SPREAD**2 + (_SCALE * away) ** 2
            error = depths + LIMB_DEPTHS - away - off  # NaN of joints that are not asked
            with np.errstate(invalid="ignore"):
                shown = error**2 < _ALIKE**2 * (variance + noise)
            shown &= known[:, None] & ~hidden(bodies)
            gain = np.where(shown, variance / (variance + noise), 0.0)
            off = off + gain * np.where(shown, error, 0.0)
            variance = (1 - gain) * variance
        self._off[slots], self._variance[slots] = off, variance
        self._stamp[slots], self._visit[slots] = stamp, visits
        asked = known[:, None] & np.isfinite(LIMB_DEPTHS)
        measured = np.where(asked, np.clip(1 - variance / first, 0.0, 1.0), 0.0)
        weights = measured / (_ALIKE_JOINTS * alone)
        left = 1 / (1 / np.maximum(root[:, 0], 1e-6) + weights.sum(-1))
        common = left * (weights * off).sum(-1)
        farther = off + (1 - measured) * common[:, None]
        moved = np.where(known[:, None, None], bodies * (1 + farther / away)[..., None], bodies)
        relative = (variance + measured * left[:, None]) / np.maximum(alone, 1e-9)
        relative = np.where(asked, np.minimum(relative, 1.0), 1.0)
        return moved, sigma * _left(relative), common

    def _expected(
        self, stamp: int, slots: np.ndarray, visits: np.ndarray, first: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return what (P, 17) is expected of errors before a frame tells, and its variance."""
        passed = (stamp - self._stamp[slots]) / 1e9
        new = (self._visit[slots] != visits) | (passed > _GAP) | (passed < 0)
        keep = np.where(new, 0.0, np.exp(-passed / _FADE))[:, None]
        return keep * self._off[slots], keep**2 * self._variance[slots] + (1 - keep**2) * first


def _left(share: np.ndarray) -> np.ndarray:
    """Return by how much (P, 17) a joint's deviation is smaller.

    Args:
        share: of the variance along the ray that is left; that across, a third of the whole, stays.
    """
    left: np.ndarray = np.sqrt((1 + 2 * share) / 3)
    return left
