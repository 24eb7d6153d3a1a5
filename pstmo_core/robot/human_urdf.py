"""A person's own URDF, with the links and joints of REP-155's human model and measured lengths."""

from __future__ import annotations

import numpy as np

from pstmo_core.skeleton import JOINT_NAMES

_INDEX = {name: row for row, name in enumerate(JOINT_NAMES)}
_LIMB_RADIUS = 0.03


def human_urdf(name: str, joints: np.ndarray) -> str:
    """Return the URDF of a person.

    Args:
        name: the person's id; links and joints end in it.
        joints: (17, 3) metres, of which the bones' lengths are taken, all known.
    """

    def between(first: str, second: str) -> float:
        return float(np.linalg.norm(joints[_INDEX[first]] - joints[_INDEX[second]]))

    shoulders, hips = between("lshoulder", "rshoulder") / 2, between("lhip", "rhip") / 2
    parts = [
        *(f'<link name="{link}_{name}"/>' for link in ("body", "waist", "torso", "r_head")),
        *(f'<link name="{link}_{name}"/>' for link in ("y_head", "p_head")),
        _sphere_link(f"head_{name}", between("head", "neck_nose") / 2),
        _joint(f"waist_{name}", f"body_{name}", f"waist_{name}", (0, 0, 0), (0, 1, 0)),
        _fixed(f"torso_{name}", f"waist_{name}", f"torso_{name}", between("hip", "thorax")),
        _joint(f"r_head_{name}", f"torso_{name}", f"r_head_{name}", (0, 0, 0), (1, 0, 0)),
        _joint(f"y_head_{name}", f"r_head_{name}", f"y_head_{name}", (0, 0, 0), (0, 0, 1)),
        _joint(f"p_head_{name}", f"y_head_{name}", f"p_head_{name}", (0, 0, 0), (0, -1, 0)),
        _fixed(f"head_{name}", f"p_head_{name}", f"head_{name}", between("thorax", "head")),
    ]
    for side, sign in (("l", 1), ("r", -1)):
        arm = (between(f"{side}shoulder", f"{side}elbow"), between(f"{side}elbow", f"{side}wrist"))
        leg = (between(f"{side}hip", f"{side}knee"), between(f"{side}knee", f"{side}ankle"))
        yaw, roll = (0, 0, -sign), (0, 0, sign)
        parts += _limb(
            name, side, sign, ("shoulder", "elbow", "wrist"), "torso", shoulders, arm, yaw, roll
        )
        parts += _limb(
            name, side, sign, ("hip", "knee", "ankle"), "body", hips, leg, (0, 0, -1), (0, -1, 0)
        )
    body = "\n  ".join(parts)
    return f'<?xml version="1.0"?>\n<robot name="human_{name}">\n  {body}\n</robot>\n'


def _limb(
    name: str,
    side: str,
    sign: int,
    joints: tuple[str, str, str],
    parent: str,
    aside: float,
    lengths: tuple[float, float],
    yaw: tuple[int, int, int],
    roll: tuple[int, int, int],
) -> list[str]:
    """Return links and joints of an arm or a leg, from the trunk to the end."""
    first, second, last = (f"{side}_{joint}_{name}" for joint in joints)
    turned, raised = (f"{side}_{kind}_{joints[0]}_{name}" for kind in "yp")
    rolled = f"{side}_r_{joints[0]}_{name}"
    return [
        *(f'<link name="{link}"/>' for link in (turned, raised, last)),
        _limb_link(first, lengths[0]),
        _limb_link(second, lengths[1]),
        _joint(turned, f"{parent}_{name}", turned, (0, sign * aside, 0), yaw),
        _joint(raised, turned, raised, (0, 0, 0), (sign, 0, 0)),
        _joint(rolled, raised, first, (0, 0, 0), roll),
        _joint(second, first, second, (0, 0, -lengths[0]), (0, -1, 0)),
        _fixed(last, second, last, -lengths[1]),
    ]


def _limb_link(name: str, length: float) -> str:
    return (
        f'<link name="{name}"><visual><origin xyz="0 0 {-length / 2:.4f}"/><geometry>'
        f'<cylinder length="{length:.4f}" radius="{_LIMB_RADIUS}"/></geometry></visual></link>'
    )


def _sphere_link(name: str, radius: float) -> str:
    return (
        f'<link name="{name}"><visual><geometry><sphere radius="{radius:.4f}"/></geometry>'
        "</visual></link>"
    )


def _joint(
    name: str,
    parent: str,
    child: str,
    origin: tuple[float, float, float],
    axis: tuple[int, int, int],
) -> str:
    place, about = (" ".join(f"{value:.4g}" for value in values) for values in (origin, axis))
    return (
        f'<joint name="{name}" type="revolute"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{place}"/><axis xyz="{about}"/>'
        '<limit lower="-3.15" upper="3.15" effort="1000" velocity="100"/></joint>'
    )


def _fixed(name: str, parent: str, child: str, height: float) -> str:
    return (
        f'<joint name="{name}" type="fixed"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="0 0 {height:.4f}"/></joint>'
    )
