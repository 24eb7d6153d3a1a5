"""Balances training data: motion is drawn by action and actor, not by its share of the frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pstmo_core.data.motion.mocap import Mocap
from pstmo_core.settings import check_settings, setting, share_setting
from pstmo_core.skeleton import JOINT_NAMES, ROOT

#: Postures by the geometry of a frame, see `postures_of`.
POSTURES = ("other", "crouched", "low")
_KNEES, _ANKLES, _HIPS = (
    [JOINT_NAMES.index(side + name) for side in "lr"] for name in ("knee", "ankle", "hip")
)
_LOW_HIP = 0.7
"""Height of the pelvis in leg lengths below which somebody crouches, sits, crawls or lies."""
_TILTED = np.cos(np.radians(45.0))


@dataclass(frozen=True)
class BalanceConfig:
    """What the draw of target frames is made of."""

    power: float = setting(
        0.5,
        "An action of an actor is drawn as its length to this power: 1 draws by frames alone.",
        low=0.0,
        high=10.0,
    )
    crouched: float = share_setting(
        0.12, "Least share of frames with a low pelvis and an upright trunk: squats, seats."
    )
    low: float = share_setting(
        0.10, "Least share of frames with a low pelvis and a tilted trunk: crawling, lying."
    )

    def __post_init__(self) -> None:
        check_settings(self, "balance.")


def target_probability(motion: Mocap, config: BalanceConfig) -> np.ndarray:
    """Return the probability (N,) of each row of some motion to be a target frame."""
    cells = np.char.add(np.char.add(motion.action.astype(str), "/"), motion.actor.astype(str))
    _, cell = np.unique(cells, return_inverse=True)
    rows = np.bincount(cell, weights=motion.length)
    weight = np.repeat(rows[cell] ** (config.power - 1), motion.length)
    probability: np.ndarray = weight / weight.sum()
    postures = postures_of(motion.positions)
    for name, least in (("crouched", config.crouched), ("low", config.low)):
        of_it = postures == POSTURES.index(name)
        share = float(probability[of_it].sum())
        if 0 < share < least:
            probability = np.where(
                of_it, probability * (least / share), probability * ((1 - least) / (1 - share))
            )
    return probability


def postures_of(positions: np.ndarray) -> np.ndarray:
    """Return the index in `POSTURES` of each pose (N, 17, 3), metres, z up: (N,)."""
    trunk = positions[:, JOINT_NAMES.index("thorax")] - positions[:, ROOT]
    upright = trunk[:, 2] > _TILTED * np.linalg.norm(trunk, axis=-1)
    bones = ((_HIPS, _KNEES), (_KNEES, _ANKLES))
    leg = sum(np.linalg.norm(positions[:, a] - positions[:, b], axis=-1).mean(-1) for a, b in bones)
    low = positions[:, ROOT, 2] - positions[..., 2].min(-1) < _LOW_HIP * leg
    return np.where(low, np.where(upright, 1, 2), 0)
