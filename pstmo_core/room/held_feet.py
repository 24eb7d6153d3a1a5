"""Feet on the floor held where they stand: neither sliding over it nor sinking into it.

The correction that keeps a foot in place is shared. Most of it is an error of the body's distance,
so the whole body follows, slowly and not far; the legs bend for the rest. A foot is moved mainly
along its ray, because across the ray the image is more accurate than the foothold. When a foot
leaves the floor, its correction fades within a step, so that nothing jumps and nothing lags.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.room.camera_pose import CameraPose
from pstmo_core.room.floor import ANKLE_HEIGHT, ANKLE_SPREAD, ANKLES
from pstmo_core.room.foot_contact import FootContact
from pstmo_core.room.leg_bending import bend_legs

#: A foot that would have to be moved by more than this is let go, metres; across its ray, where it
#: is seen well, it is moved by no more than the other.
_FARTHEST, _ASIDE = 0.2, 0.03
#: How far the body follows at most, metres, and the seconds that it takes to follow.
_FOLLOWS, _FOLLOWING = 0.15, 0.2
#: Seconds in which a held foot comes to where it is measured on average, and down to the floor.
_SETTLING, _LANDING = 1.0, 0.1
#: Seconds in which a foot that is let go gives back what it was moved by.
_RELEASE = 0.15
#: Somebody not seen for this long is seen for the first time, seconds.
_GAP = 0.5
#: Rays that fall less than this (metres a metre) are taken as if they did.
_SHALLOW = -0.4
_FEET = np.array(ANKLES)
#: Heights between which the ankles of standing feet are, metres over the floor.
_LOWEST, _HIGHEST = ANKLE_HEIGHT - 1.5 * ANKLE_SPREAD, ANKLE_HEIGHT + 1.5 * ANKLE_SPREAD


class HeldFeet:
    """Holds the feet of people, each in a row of arrays that their owner hands out.

    Args:
        rows: people that can be remembered.
        floor: height of the floor above the plane z = 0 of the level frame in metres.
    """

    def __init__(self, rows: int, floor: float = 0.0) -> None:
        self._floor = floor
        self._contact = FootContact(rows)
        self._anchor = np.zeros((rows, 2, 3))
        """Where held ankles are, metres, level frame."""
        self._held = np.zeros((rows, 2), bool)
        self._moved = np.zeros((rows, 2, 3))
        """By how much ankles are moved by their legs; level frame."""
        self._shift = np.zeros((rows, 3))
        """By how much the body is moved."""
        self._stamps: np.ndarray = np.full(rows, -1, np.int64)
        self._pose: CameraPose | None = None
        """The last that was known."""

    def forget(self, row: int) -> None:
        """Forget the person in a row."""
        self._stamps[row] = -1
        self._contact.forget(row)

    def hold(
        self,
        rows: np.ndarray,
        stamp: int,
        joints: np.ndarray,
        roots: np.ndarray,
        seen: np.ndarray,
        pose: CameraPose | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Hold the feet of the people of a frame; frames come in the order of their stamps.

        Args:
            rows: (P,) of the people.
            stamp: nanoseconds.
            joints: (P, 17, 3) metres relative to the pelvis, camera's optical frame.
            roots: (P, 3) metres, the pelvises; NaN where not known.
            seen: (P, 17) bool.
            pose: how the camera stands; None where the floor is not known.

        Returns:
            Joints with bent legs, and where the pelvises are, as the arguments.
        """
        known = np.isfinite(roots).all(-1)
        told = self._pose = pose or self._pose
        if told is None or not known.any():
            return joints, roots
        bodies = joints[known][:, _FEET] + roots[known][:, None]
        on_floor = seen[known][:, _FEET] & (pose is not None)
        shift, moved = self._update(rows[known], stamp, told.to_level(bodies), on_floor, told)
        if not shift.any() and not moved.any():
            return joints, roots
        joints, roots = joints.copy(), roots.copy()
        joints[known] = bend_legs(joints[known], moved @ told.rotation)
        roots[known] += shift @ told.rotation
        return joints, roots

    def _update(
        self, rows: np.ndarray, stamp: int, ankles: np.ndarray, seen: np.ndarray, pose: CameraPose
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return by how much bodies (P, 3) and ankles beyond that (P, 2, 3) are moved."""
        passed = (stamp - self._stamps[rows]) / 1e9
        new = (self._stamps[rows] < 0) | (passed > _GAP) | (passed < 0)
        passed = np.where(new, _GAP, passed)[:, None]
        for values in (self._held, self._moved, self._shift):
            values[rows[new]] = 0
        stands = self._contact.look(rows, stamp, ankles, seen, pose.position, self._floor)
        shift, moved = self._shift[rows], self._moved[rows]
        lets_go = np.exp(-passed / _RELEASE)[..., None]
        free = ankles + shift[:, None] + moved * lets_go  # where feet are that nothing holds
        anchor = np.where(self._held[rows][..., None], self._anchor[rows], free)
        anchor = anchor + _gain(passed, _SETTLING)[..., None] * (ankles - anchor)
        level = np.clip(anchor[..., 2] - self._floor, _LOWEST, _HIGHEST) + self._floor
        rays = _units(ankles - pose.position)
        rise = _gain(passed, _LANDING) * (level - anchor[..., 2])
        # A foot that is seen too low is farther off than it is: along its ray it comes up.
        anchor = anchor + rise[..., None] * rays / np.minimum(rays[..., 2:], _SHALLOW)
        needed = _near_rays(anchor - ankles, rays)
        anchor = ankles + needed
        held = stands & (np.linalg.norm(needed, axis=-1) < _FARTHEST)
        count = held.sum(-1)[:, None]
        wanted = np.where(held[..., None], needed, 0.0).sum(1) / np.maximum(count, 1)
        shift = shift + _gain(passed, _FOLLOWING) * (_shorter(wanted, _FOLLOWS) - shift)
        moved = np.where(held[..., None], needed - shift[:, None], moved * lets_go)
        self._anchor[rows], self._held[rows] = anchor, held
        self._moved[rows], self._shift[rows] = moved, shift
        self._stamps[rows] = stamp
        return shift, moved


def _near_rays(moves: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Return moves (P, 2, 3) that go no farther aside than they may from rays (P, 2, 3)."""
    along = (moves * rays).sum(-1, keepdims=True) * rays
    return along + _shorter(moves - along, _ASIDE)


def _units(vectors: np.ndarray) -> np.ndarray:
    units: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
    return units


def _gain(passed: np.ndarray, seconds: float) -> np.ndarray:
    gain: np.ndarray = 1 - np.exp(-passed / seconds)
    return gain


def _shorter(vectors: np.ndarray, most: float) -> np.ndarray:
    """Return vectors (..., 3) no longer than a length."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    shorter: np.ndarray = vectors * np.minimum(1.0, most / np.maximum(length, 1e-9))
    return shorter
