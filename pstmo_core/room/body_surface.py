"""The body's surface: how far joints lie behind it, and which joints it hides."""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import EDGES, JOINT_NAMES, JOINTS

#: How far joints lie behind what the camera sees of them, metres; the trunk's middle lies in an
#: ellipse with these half axes, to the front and to the side.
_BEHIND = {
    "rshoulder": 0.07, "lshoulder": 0.07, "head": 0.09, "relbow": 0.045, "lelbow": 0.045,
    "rwrist": 0.035, "lwrist": 0.035, "rknee": 0.055, "lknee": 0.055, "rankle": 0.045,
    "lankle": 0.045,
}  # fmt: skip
_FRONT, _SIDE = 0.11, 0.17
#: (17,), NaN for hips, neck and the trunk's middle: how deep they lie depends on the side from
#: which they are seen.
LIMB_DEPTHS = np.array([_BEHIND.get(name, np.nan) for name in JOINT_NAMES])
MIDDLE = np.array([JOINT_NAMES.index(name) for name in ("hip", "spine", "thorax")])
_RIGHT = np.array([JOINT_NAMES.index(name) for name in ("rhip", "rshoulder")])
_LEFT = np.array([JOINT_NAMES.index(name) for name in ("lhip", "lshoulder")])
#: What hides joints: bones and the sides of the trunk, with their radii in metres.
_LIMB, _TRUNK = 0.05, 0.10
_SIDES = [("rhip", "rshoulder"), ("lhip", "lshoulder"), ("rhip", "rhip"), ("lhip", "lhip")]
_SIDES += [("rshoulder", "rshoulder"), ("lshoulder", "lshoulder"), ("hip", "thorax")]
_COVERS = [*EDGES, *((JOINT_NAMES.index(a), JOINT_NAMES.index(b)) for a, b in _SIDES)]
_FROM, _TO = np.array(_COVERS).T
_THROUGH = {JOINT_NAMES.index(name) for name in ("hip", "spine", "thorax")}
_RADII = np.array([
    _TRUNK if row >= len(EDGES) or {first, second} <= _THROUGH else _LIMB
    for row, (first, second) in enumerate(_COVERS)
])  # fmt: skip


def _others(joint: int) -> list[bool]:
    """Return which of `_COVERS` are not a joint's own; bones next to it are its own, too."""
    near = {joint}.union(*(edge for edge in EDGES if joint in edge))
    bones = [not near & set(edge) for edge in EDGES]
    return bones + [joint not in edge for edge in _COVERS[len(EDGES) :]]


_OTHERS = np.array([_others(joint) for joint in range(JOINTS)])


def middle_depths(bodies: np.ndarray) -> np.ndarray:
    """Return how far (P,) the middle of trunks of bodies (P, 17, 3) lies behind their surface."""
    across = (bodies[:, _LEFT] - bodies[:, _RIGHT]).sum(1)
    ray = bodies[:, MIDDLE].mean(1)
    length = np.linalg.norm(across, axis=-1) * np.linalg.norm(ray, axis=-1)
    square = ((across * ray).sum(-1) / np.maximum(length, 1e-9)) ** 2
    behind: np.ndarray = 1 / np.sqrt((1 - square) / _FRONT**2 + square / _SIDE**2)
    return behind


def hidden(bodies: np.ndarray) -> np.ndarray:
    """Return which joints (P, 17) of bodies (P, 17, 3) another part of the body hides.

    That is one whose bone passes the joint's ray nearer than the bone is thick, before the joint.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = bodies[..., :2] / bodies[..., 2:]
    start, along = seen[:, _FROM], seen[:, _TO] - seen[:, _FROM]
    towards = seen[:, :, None] - start[:, None]
    share = (towards * along[:, None]).sum(-1) / np.maximum((along**2).sum(-1), 1e-9)[:, None]
    share = np.clip(share, 0.0, 1.0)
    aside = np.linalg.norm(towards - share[..., None] * along[:, None], axis=-1)
    depth = (
        bodies[:, _FROM, 2][:, None] + share * (bodies[:, _TO, 2] - bodies[:, _FROM, 2])[:, None]
    )
    with np.errstate(invalid="ignore"):
        before = (aside * depth < _RADII) & (depth < bodies[..., 2:] - _RADII) & _OTHERS
    covered: np.ndarray = before.any(-1)
    return covered
