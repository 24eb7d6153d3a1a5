"""Frames of the body and its parts, with the axes of REP-155's human model.

The body's frame sits in the pelvis: x forward, y to the person's left, z to the head. It is that
of the trunk: y along the lines of hips and shoulders together, z from the pelvis up through the
joints of the trunk. One camera hardly sees which way a line is turned, and two lines tell more than
one; and the human model, whose waist bends only forward, fits hips and shoulders best in between.

A limb's frame sits where the limb begins and its z points back along the limb, so that a limb that
hangs down has the body's axes; x is where the next part bends to, or forward.
"""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINT_NAMES

_INDEX = {name: row for row, name in enumerate(JOINT_NAMES)}
#: Links of the human model and the joints that they sit in.
LINKS: dict[str, str] = {
    "body": "hip", "waist": "hip", "torso": "thorax", "head": "head",
    "l_shoulder": "lshoulder", "l_elbow": "lelbow", "l_wrist": "lwrist",
    "r_shoulder": "rshoulder", "r_elbow": "relbow", "r_wrist": "rwrist",
    "l_hip": "lhip", "l_knee": "lknee", "l_ankle": "lankle",
    "r_hip": "rhip", "r_knee": "rknee", "r_ankle": "rankle",
}  # fmt: skip
LINK_JOINTS = np.array([_INDEX[name] for name in LINKS.values()])
#: Where a limb is this straight, its joint says nothing of its twist, and where it is this bent
#: everything; sines of the joint's angle.
_STRAIGHT, _BENT = 0.1, 0.4


def body_axes(joints: np.ndarray) -> np.ndarray:
    """Return the rotations (P, 3, 3) of body frames: columns x, y and z; NaN where not known.

    Args:
        joints: (P, 17, 3) metres in any right-handed frame.
    """
    left, right = joints[:, _INDEX["lshoulder"]], joints[:, _INDEX["rshoulder"]]
    across = joints[:, _INDEX["lhip"]] - joints[:, _INDEX["rhip"]]
    along = joints[:, _INDEX["spine"]] - joints[:, _INDEX["hip"]]
    upper = (left + right) / 2 - joints[:, _INDEX["hip"]]
    return _axes(along + _known(upper), across + _known(left - right))


def torso_pitch(joints: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Return by how much (P,) in radians torsos bend forward from the pelvis."""
    along = joints[:, _INDEX["thorax"]] - joints[:, _INDEX["hip"]]
    in_body = np.einsum("pij,pi->pj", body, along)
    pitch: np.ndarray = np.arctan2(in_body[:, 0], in_body[:, 2])
    return pitch


def torso_axes(joints: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Return the rotations (P, 3, 3) of torsos, which only bend forward from the pelvis."""
    pitch = torso_pitch(joints, body)
    cos, sin = np.cos(pitch)[:, None], np.sin(pitch)[:, None]
    x, y, z = np.moveaxis(body, -1, 0)
    return np.stack([cos * x - sin * z, y, sin * x + cos * z], -1)


def limb_axes(
    upper: np.ndarray, lower: np.ndarray, parent: np.ndarray, backwards: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rotations (P, 3, 3) of the two parts of limbs.

    Args:
        upper: (P, 3), from where the limb begins to elbow or knee.
        lower: (P, 3), from there to wrist or ankle.
        parent: (P, 3, 3), the rotation of what the limb hangs on.
        backwards: whether the limb bends back, as knees do, or forward.
    """
    up, low = _unit(upper), _unit(lower)
    hinge = np.cross(low, up) if not backwards else np.cross(up, low)
    bent = np.linalg.norm(hinge, axis=-1, keepdims=True)
    share = np.clip((bent - _STRAIGHT) / (_BENT - _STRAIGHT), 0.0, 1.0)
    # The hinge's axis is the limb's y; a straight limb takes that of what it hangs on.
    own = np.where(bent > 1e-6, hinge / np.maximum(bent, 1e-6), 0.0)
    y = share * own + (1 - share) * parent[..., 1]
    return _axes(-up, y), _axes(-low, y)


def link_axes(joints: np.ndarray) -> np.ndarray:
    """Return the rotations (P, L, 3, 3) of all `LINKS` in their order; NaN where not known.

    Args:
        joints: (P, 17, 3) metres in any right-handed frame.
    """
    body = body_axes(joints)
    torso = torso_axes(joints, body)
    waist = torso
    head = _axes(joints[:, _INDEX["head"]] - joints[:, _INDEX["thorax"]], torso[..., 1])
    parts = [body, waist, torso, head]
    for side in "lr":
        parts += limb(joints, f"{side}shoulder", f"{side}elbow", f"{side}wrist", torso, False)
    for side in "lr":
        parts += limb(joints, f"{side}hip", f"{side}knee", f"{side}ankle", body, True)
    return np.stack(parts, 1)


def limb(
    joints: np.ndarray, begin: str, middle: str, end: str, parent: np.ndarray, backwards: bool
) -> list[np.ndarray]:
    """Return the rotations of upper part, lower part and end of a limb, each (P, 3, 3)."""
    first, second, last = (joints[:, _INDEX[name]] for name in (begin, middle, end))
    upper, lower = limb_axes(second - first, last - second, parent, backwards)
    return [upper, lower, lower]


def _axes(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return rotations (P, 3, 3) with this z and y as near as it can be."""
    z = _unit(z)
    y = _unit(y - (y * z).sum(-1, keepdims=True) * z)
    return np.stack([np.cross(y, z), y, z], -1)


def _known(vector: np.ndarray) -> np.ndarray:
    """Return vectors (P, 3), 0 instead of those that are not known."""
    known: np.ndarray = np.where(np.isfinite(vector).all(-1, keepdims=True), vector, 0.0)
    return known


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    unit: np.ndarray = np.where(length > 1e-6, vector / np.maximum(length, 1e-6), np.nan)
    return unit
