"""A clip prepared for drawing: keypoints on the image, skeletons side by side on a floor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pstmo_core.drawing import shapes
from pstmo_core.errors import PstmoError
from pstmo_core.evaluation.metrics import mpjpe
from pstmo_core.keypoints.clip import Clip
from pstmo_core.keypoints.frame import MIN_SCORE
from pstmo_core.keypoints.layouts import get_layout
from pstmo_core.skeleton import JOINT_NAMES, JOINTS, ROOT

#: Degrees between the camera's view and the turned one.
TURN = 65.0
_SPACING = 1.0  # metres between people: skeletons say nothing of where their roots are
#: Most people who stand side by side: more would be too small to be seen.
_MOST_ABREAST = 6
_FLOOR = 0.92  # metres from the scene's origin down to the floor
_ANKLE = 0.07  # metres from the floor to a standing person's ankle
#: Joints whose bones the image shows or does not; detectors have others from their neighbours.
_OF_LIMBS = np.isin(
    np.arange(JOINTS),
    [
        JOINT_NAMES.index(side + name)
        for side in "lr"
        for name in ("elbow", "wrist", "knee", "ankle")
    ],
)
_SPINE, _THORAX = (JOINT_NAMES.index(name) for name in ("spine", "thorax"))
_FINE = 2  # panels are drawn this many times larger and made smaller


class RenderError(PstmoError):
    """A clip that cannot be drawn, with the reason."""


@dataclass(frozen=True)
class DrawnClip:
    """A clip, ready to be drawn."""

    clip: Clip
    pixels: np.ndarray
    """(F, P, 17, 2) keypoints, NaN where the network sees none."""
    joints: np.ndarray
    """(F, P, 17, 3)."""
    truth: np.ndarray
    """(F, P, 17, 3), NaN where there is none."""
    errors: np.ndarray
    """(F,) millimetres, mean over people, NaN where not known."""
    slots: np.ndarray
    """(P,) metres to the side at which each person stands, NaN for those who are not drawn."""
    views: tuple[shapes.View, shapes.View]
    """The camera's and the turned one."""

    @classmethod
    def of(cls, clip: Clip, joints: np.ndarray) -> DrawnClip:
        """Prepare a clip and joints (F, P, 17, 3), as of `clip_video.render_clip`."""
        expected = (*clip.keypoints.shape[:2], JOINTS, 3)
        if joints.shape != expected:
            raise RenderError(
                f"joints have the shape {joints.shape}, but the clip asks for {expected}"
            )
        joints = np.asarray(joints, dtype=np.float64)
        pixels, scores = get_layout(clip.layout).convert(clip.keypoints, clip.scores)
        pixels = np.where(scores[..., None] >= MIN_SCORE, pixels, np.nan)
        # Where hidden knees leave the spine unknown, the trunk is drawn all the same.
        middle = (pixels[..., ROOT, :] + pixels[..., _THORAX, :]) / 2
        known = np.isfinite(pixels[..., _SPINE, :])
        pixels[..., _SPINE, :] = np.where(known, pixels[..., _SPINE, :], middle)
        truth = np.full_like(joints, np.nan) if clip.truth is None else clip.truth
        slots = _slots(pixels, joints)
        reach = (0.85 + _farthest(slots), 1.0)
        return cls(
            clip=clip,
            pixels=pixels,
            joints=joints,
            truth=truth,
            errors=_mean(1000 * mpjpe(joints, truth), axis=1),
            slots=slots,
            views=(
                shapes.View(0.0, 4.0, distance=3.5 + reach[0], reach=reach),
                shapes.View(TURN, 12.0, distance=3.5 + reach[0], reach=reach),
            ),
        )

    @cached_property
    def unseen(self) -> np.ndarray:
        """(F, P, 17) bool: joints of arms and legs that the network had to guess."""
        return np.asarray(np.isnan(self.pixels).any(-1) & _OF_LIMBS)

    @property
    def left_out(self) -> int:
        """Number of people who have skeletons that are not drawn, for want of room."""
        return int((np.isfinite(self.joints).any((0, 2, 3)) & np.isnan(self.slots)).sum())

    def seconds(self, frame: int) -> float:
        """Return the time of a frame since the first."""
        return float(self.clip.stamps[frame] - self.clip.stamps[0]) / 1e9

    def input_panel(
        self, frame: int, size: tuple[int, int], photo: np.ndarray | None = None
    ) -> np.ndarray:
        """Draw the keypoints of a frame on a panel of the image's aspect, or on the image."""
        fine = (size[0] * _FINE, size[1] * _FINE)
        image = shapes.canvas(*fine, shapes.PANEL) if photo is None else shapes.fit(photo, fine)
        scale = image.shape[1] / self.clip.width
        thickness = _FINE * max(2.0, max(size) / 160)
        for raw, pixels in zip(self.clip.keypoints[frame], self.pixels[frame], strict=True):
            shapes.draw_dots(image, raw * scale, thickness * 0.4)
            shapes.draw_skeleton(image, pixels * scale, thickness)
        return shapes.shrink(image, _FINE)

    def view_panel(self, frame: int, view: shapes.View, size: tuple[int, int]) -> np.ndarray:
        """Draw the skeletons of a frame, and the truth behind them."""
        fine = (size[0] * _FINE, size[1] * _FINE)
        half = 1.5 + _farthest(self.slots)
        image = shapes.ground(view, fine, _FLOOR, half)
        thickness = max(2.0 * _FINE, 0.025 * view.scale(fine))
        aside = self.slots[:, None, None] * view.right
        lift = _floor_shift(self.joints[frame])
        for poses, truth in ((self.truth[frame], True), (self.joints[frame], False)):
            pixels, depth = view.project(poses + aside + lift, fine)
            for person in range(len(poses)):
                faint = None if truth else self.unseen[frame, person]
                shapes.draw_skeleton(image, pixels[person], thickness, depth[person], truth, faint)
        return shapes.shrink(image, _FINE)


def _slots(pixels: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Return where people stand (P,), in the order in which the image shows them.

    People who are never there at the same time share a place. Where there is not enough room, those
    who are there for longest have it.
    """
    there = np.isfinite(joints).any((2, 3))
    taken = np.zeros((_MOST_ABREAST, len(there)), bool)
    place = np.full(there.shape[1], -1)
    for person in np.argsort(-there.sum(0), kind="stable"):
        free = np.flatnonzero(~(taken & there[:, person]).any(1))
        if there[:, person].any() and len(free):
            place[person] = free[0]
            taken[free[0]] |= there[:, person]
    across = _mean(pixels[..., 0], axis=(0, 2))
    count = int(place.max(initial=-1)) + 1
    middles = [float(_mean(across[place == number], axis=0)) for number in range(count)]
    slots = np.full(len(place), np.nan)
    for rank, number in enumerate(np.argsort(middles)):
        slots[place == number] = (rank - (count - 1) / 2) * _SPACING
    return slots


def _farthest(slots: np.ndarray) -> float:
    """Return how far from the middle people stand at most, in metres."""
    return float(np.abs(slots[np.isfinite(slots)]).max(initial=0.0))


def _floor_shift(joints: np.ndarray) -> np.ndarray:
    """Return the shift (P, 1, 3) that puts the lowest ankle of each person (P, 17, 3) on the floor.

    Of those who lie with raised feet, another joint lies on it. Where no ankle is known, the pelvis
    stays at the height of one who stands.
    """
    ankles = joints[:, [JOINT_NAMES.index("lankle"), JOINT_NAMES.index("rankle")], 1]
    lowest = np.where(np.isfinite(ankles), ankles, -np.inf).max(-1)
    lowest = np.where(np.isfinite(lowest), lowest, joints[:, ROOT, 1] + _FLOOR - _ANKLE)
    anything = np.where(np.isfinite(joints[..., 1]), joints[..., 1], -np.inf).max(-1)
    lowest = np.maximum(lowest, anything - _ANKLE)
    shift = np.zeros((len(joints), 1, 3))
    shift[:, 0, 1] = _FLOOR - _ANKLE - lowest
    return shift


def _mean(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Mean of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis)
    total = np.where(known, values, 0.0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
