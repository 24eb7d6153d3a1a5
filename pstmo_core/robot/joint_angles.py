"""Joint angles of REP-155's human model, from lifted skeletons.

Names, axes and signs are those of the package human_description: waist_ID, r_head_ID, l_knee_ID and
so on, radians, 0 for somebody who stands with hanging arms. A shoulder is yaw, pitch (raised) and
roll (the twist that the elbow's bend shows); a hip the same. What a skeleton of joints cannot show
is 0: the head's yaw.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.robot.body_frames import LINKS, link_axes, torso_pitch

ANGLES = (
    "waist", "r_head", "y_head", "p_head",
    "l_y_shoulder", "l_p_shoulder", "l_r_shoulder", "l_elbow",
    "r_y_shoulder", "r_p_shoulder", "r_r_shoulder", "r_elbow",
    "l_y_hip", "l_p_hip", "l_r_hip", "l_knee",
    "r_y_hip", "r_p_hip", "r_r_hip", "r_knee",
)  # fmt: skip
#: An arm that hangs within this of straight down (its sine) has no yaw.
_HANGING = 1e-3
_LINK = {name: row for row, name in enumerate(LINKS)}


def joint_angles(joints: np.ndarray, links: np.ndarray | None = None) -> np.ndarray:
    """Return the angles (P, 20) in the order of `ANGLES`, radians; NaN where not known.

    Args:
        joints: (P, 17, 3) metres in any right-handed frame.
        links: (P, L, 3, 3) of `link_axes`, if they are there already.
    """
    links = link_axes(joints) if links is None else links
    body, torso = links[:, _LINK["body"]], links[:, _LINK["torso"]]
    up = _seen_from(torso, links[:, _LINK["head"]])[..., 2]
    head_roll, head_pitch = np.arctan2(-up[:, 1], up[:, 2]), -np.arcsin(np.clip(up[:, 0], -1, 1))
    columns = [torso_pitch(joints, body), head_roll, np.zeros(len(joints)), head_pitch]
    for side, sign in (("l", 1.0), ("r", -1.0)):
        upper, lower = links[:, _LINK[f"{side}_shoulder"]], links[:, _LINK[f"{side}_elbow"]]
        columns += _arm(_seen_from(torso, upper), sign)
        columns.append(_bend(upper, lower))
    for side, sign in (("l", 1.0), ("r", -1.0)):
        upper, lower = links[:, _LINK[f"{side}_hip"]], links[:, _LINK[f"{side}_knee"]]
        columns += _leg(_seen_from(body, upper), sign)
        columns.append(_bend(upper, lower))
    return np.stack(columns, -1)


def _seen_from(parent: np.ndarray, child: np.ndarray) -> np.ndarray:
    return np.einsum("pij,pik->pjk", parent, child)


def _bend(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return the angle (P,) of a hinge about -y: positive bends the lower part forward."""
    turn = _seen_from(upper, lower)
    angle: np.ndarray = np.arctan2(-turn[:, 0, 2], turn[:, 2, 2])
    return angle


def _arm(turn: np.ndarray, sign: float) -> list[np.ndarray]:
    """Take a rotation (P, 3, 3) apart into turns about z, x and z: yaw, pitch, roll."""
    down = -turn[..., 2]
    raised = np.arccos(np.clip(-down[:, 2], -1.0, 1.0))
    yaw = np.arctan2(down[:, 0], sign * down[:, 1])
    yaw = np.where(np.sin(raised) < _HANGING, 0.0, yaw)
    twist = np.swapaxes(_about_z(-sign * yaw) @ _about_x(sign * raised), 1, 2) @ turn
    return [yaw, raised, sign * np.arctan2(twist[:, 1, 0], twist[:, 0, 0])]


def _leg(turn: np.ndarray, sign: float) -> list[np.ndarray]:
    """Take a rotation (P, 3, 3) apart into turns about -z, x and -y: yaw, pitch, roll."""
    yaw = -np.arctan2(-turn[:, 0, 1], turn[:, 1, 1])
    aside = np.arcsin(np.clip(turn[:, 2, 1], -1.0, 1.0))
    forward = -np.arctan2(-turn[:, 2, 0], turn[:, 2, 2])
    return [yaw, sign * aside, forward]


def _about_z(angle: np.ndarray) -> np.ndarray:
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = [[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _about_x(angle: np.ndarray) -> np.ndarray:
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    rows = [[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]]
    return np.stack([np.stack(row, -1) for row in rows], -2)
