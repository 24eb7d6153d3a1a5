"""Writes skeletons as BVH for animation programs: a tree of rotating bones of fixed length.

A person's bones get their median length. Each joint is turned so that its bones point where the
skeleton's do. The bones of pelvis and thorax turn together, so they get the angles between them
that fit the whole motion best: shoulders, for one, lie lower than the thorax. BVH has y up, so x
stays to the right, y turns about and z comes towards the viewer.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pstmo_core.atomic_files import write_text
from pstmo_core.errors import PstmoError
from pstmo_core.skeleton import JOINT_NAMES, JOINTS, PARENTS, ROOT

_FROM_CAMERA = np.array([1.0, -1.0, -1.0])
#: About where the bone that ends in each joint points: a body faces the viewer, arms spread.
_DOWN, _UP, _RIGHT, _LEFT = (0, -1, 0), (0, 1, 0), (-1, 0, 0), (1, 0, 0)
_REST = np.array(
    [
        (0, 0, 0), _RIGHT, _DOWN, _DOWN, _LEFT, _DOWN, _DOWN, _UP, _UP, _UP, _UP,
        _LEFT, _LEFT, _LEFT, _RIGHT, _RIGHT, _RIGHT,
    ],
    dtype=float,
)  # fmt: skip
_CHILDREN = [[j for j, parent in enumerate(PARENTS) if parent == joint] for joint in range(JOINTS)]
_ORDER = "ZXY"
_ROUNDS = 20  # of fitting; the angles change by less than 0.01 degrees in the last one
_CENTIMETRES = 100.0
_LONGEST_HIERARCHY = 1 << 14  # bytes; it has about 2 kB


def write_bvh(
    path: Path | str, joints: np.ndarray, fps: float, roots: np.ndarray | None = None
) -> None:
    """Write one person's motion atomically; lengths in centimetres.

    Args:
        path: the file.
        joints: (F, 17, 3) metres relative to the pelvis, camera's optical frame. Frames with NaN
            hold the pose before them (the first known one, at the beginning).
        fps: frames per second.
        roots: (F, 3) metres, the pelvis's place; where it is None or not known the pelvis stays.

    Raises:
        PstmoError: if no frame is known, or SciPy is not installed.
    """
    known: np.ndarray = np.all(np.isfinite(joints), axis=(1, 2))
    if not known.any():
        raise PstmoError(f"{path}: no frame of this person was lifted, nothing to write")
    bodies = _held(joints, known) * _FROM_CAMERA
    positions = np.zeros((len(joints), 3)) if roots is None else roots * _FROM_CAMERA
    at: np.ndarray = np.all(np.isfinite(positions), axis=-1)
    positions = _held(positions, at) if at.any() else np.zeros_like(positions)
    lengths = np.median(np.linalg.norm(_bones(bodies), axis=-1), axis=0)
    rest = _rest_directions(bodies[known])
    angles = joint_angles(bodies, rest)
    values = np.concatenate([positions * _CENTIMETRES, angles.reshape(len(angles), -1)], 1)
    lines = ["HIERARCHY", *_tree(rest * lengths[:, None] * _CENTIMETRES), "MOTION"]
    lines += [f"Frames: {len(values)}", f"Frame Time: {1 / fps:.8f}"]
    lines += [" ".join(f"{value:.4f}" for value in row) for row in values.tolist()]
    write_text(path, "\n".join(lines) + "\n")


def is_bvh_of_ours(path: Path) -> bool:
    """Tell by its hierarchy, the lengths left out, a file that `write_bvh` wrote.

    Raises:
        OSError: if it cannot be read.
    """
    expected = [_shape(line) for line in ("HIERARCHY", *_tree(np.zeros((JOINTS, 3))), "MOTION")]
    with path.open("rb") as file:
        beginning = file.read(_LONGEST_HIERARCHY).decode(errors="replace")
    return [_shape(line) for line in beginning.splitlines()[: len(expected)]] == expected


def _shape(line: str) -> str:
    return re.sub(r"-?\d+\.\d{4}(?= |$)", "0", line)


def _rest_directions(bodies: np.ndarray) -> np.ndarray:
    """Return unit vectors (17, 3): the bones of these bodies (F, 17, 3) in the rest pose."""
    bones, rest = _directions(_bones(bodies)), _REST.copy()
    for children in (children for children in _CHILDREN if len(children) > 1):
        for _ in range(_ROUNDS):
            own = np.einsum(
                "fji,fcj->fci", _fit(rest[children], bones[:, children]), bones[:, children]
            )
            mean = _directions(own.mean(0))
            # Turned as a whole, so that the rest pose goes on facing the viewer.
            rest[children] = mean @ _fit(mean, _REST[None, children])[0].T
    return rest


def joint_angles(bodies: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return Euler angles (F, joints with children, 3), ZXY in degrees, of bodies (F, 17, 3).

    Bodies have y up. Angles are relative to the parent joint, in the order of the joints, and 0
    where bones have the directions rest (17, 3).
    """
    try:
        from scipy.spatial.transform import Rotation
    except ImportError as error:
        raise PstmoError("BVH files need SciPy: pip install scipy") from error
    bones = _bones(bodies)
    turns = np.tile(np.eye(3), (len(bodies), JOINTS, 1, 1))
    angles = []
    for joint, children in enumerate(_CHILDREN):
        above = turns[:, PARENTS[joint]] if joint != ROOT else turns[:, ROOT]
        if not children:
            turns[:, joint] = above
            continue
        # The bones as the parent joint sees them, so that turns add up along the tree.
        seen = np.einsum("fji,fcj->fci", above, bones[:, children])
        own = _fit(rest[children], seen)
        turns[:, joint] = above @ own
        angles.append(Rotation.from_matrix(own).as_euler(_ORDER, degrees=True))
    return np.stack(angles, 1)


def _fit(rest: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return rotations (F, 3, 3) that turn directions (C, 3) to bones (F, C, 3) best."""
    seen = _directions(seen)
    if len(rest) == 1:
        return _shortest_turn(rest[0], seen[:, 0])
    left, _, right = np.linalg.svd(np.einsum("fci,cj->fij", seen, rest))
    mirrored = np.linalg.det(left @ right)
    left[:, :, 2] *= mirrored[:, None]
    return left @ right


def _shortest_turn(start: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the rotations (F, 3, 3) that turn a direction (3,) to others (F, 3) without twist."""
    axis = np.cross(start, ends)
    cosine = ends @ start
    cross = np.zeros((len(ends), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    cross -= cross.swapaxes(1, 2)
    factor = 1 / np.maximum(1 + cosine, 1e-6)
    return np.eye(3) + cross + factor[:, None, None] * (cross @ cross)


def _directions(bones: np.ndarray) -> np.ndarray:
    found: np.ndarray = bones / np.maximum(np.linalg.norm(bones, axis=-1, keepdims=True), 1e-9)
    return found


def _bones(bodies: np.ndarray) -> np.ndarray:
    bones: np.ndarray = bodies - bodies[:, np.maximum(PARENTS, 0)]
    return bones


def _held(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the values (F, ...) with those that are not known replaced by the last known one."""
    rows = np.where(known, np.arange(len(known)), -1)
    last = np.maximum.accumulate(rows)
    held: np.ndarray = values[np.where(last < 0, known.argmax(), last)]
    return held


def _tree(offsets: np.ndarray) -> list[str]:
    """Return the lines of the hierarchy."""
    turns = " ".join(f"{axis}rotation" for axis in _ORDER)

    def lines(joint: int, depth: int) -> list[str]:
        pad, kind = "\t" * depth, "ROOT" if joint == ROOT else "JOINT"
        offset = f"{pad}\tOFFSET " + " ".join(f"{value:.4f}" for value in offsets[joint])
        if not _CHILDREN[joint]:
            return [f"{pad}End Site", pad + "{", offset, pad + "}"]
        position = "6 Xposition Yposition Zposition" if joint == ROOT else "3"
        head = [f"{pad}{kind} {JOINT_NAMES[joint]}", pad + "{", offset]
        body = [line for child in _CHILDREN[joint] for line in lines(child, depth + 1)]
        return [*head, f"{pad}\tCHANNELS {position} {turns}", *body, pad + "}"]

    return lines(ROOT, 0)
