"""The Human3.6M skeleton of 17 joints: their names, order, edges and sides."""

from __future__ import annotations

import numpy as np

JOINT_NAMES: tuple[str, ...] = (
    "hip", "rhip", "rknee", "rankle", "lhip", "lknee", "lankle", "spine", "thorax",
    "neck_nose", "head", "lshoulder", "lelbow", "lwrist", "rshoulder", "relbow", "rwrist",
)  # fmt: skip
PARENTS: tuple[int, ...] = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
JOINTS = len(JOINT_NAMES)
ROOT = 0

LEFT: tuple[int, ...] = (4, 5, 6, 11, 12, 13)
RIGHT: tuple[int, ...] = (1, 2, 3, 14, 15, 16)
#: Median distance of joints from the root: a child's is above, a giant's below (metres).
BODY_SIZE = (0.15, 1.2)
LOWER_BODY: tuple[int, ...] = (1, 2, 3, 4, 5, 6)

EDGES: tuple[tuple[int, int], ...] = tuple(
    (parent, joint) for joint, parent in enumerate(PARENTS) if parent >= 0
)


def mirror_order(
    left: tuple[int, ...] = LEFT, right: tuple[int, ...] = RIGHT, joints: int = JOINTS
) -> np.ndarray:
    """Return the joint order (17,), or (joints,) of another skeleton, that swaps left and right."""
    order = np.arange(joints)
    order[list(left + right)] = right + left
    return order


def bone_vectors(joints: np.ndarray) -> np.ndarray:
    """Return joints (..., 17, 3) minus their parents; 0 for the root, which has none."""
    bones: np.ndarray = joints - joints[..., np.maximum(PARENTS, 0), :]
    return bones


def ancestry() -> np.ndarray:
    """Return (17, 17): entry [j, k] is 1 where the bone that ends in k lies between root and j.

    A product with the bone vectors (joint minus parent) gives root-relative joints.
    """
    chain = np.zeros((JOINTS, JOINTS), dtype=np.float32)
    for joint, parent in enumerate(PARENTS):
        if parent >= 0:
            chain[joint] = chain[parent]
            chain[joint, joint] = 1.0
    return chain
