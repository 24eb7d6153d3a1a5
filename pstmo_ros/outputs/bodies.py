"""The people of a message as arrays: what all outputs are made from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from std_msgs.msg import Header

from pstmo_core.robot.body_frames import link_axes
from pstmo_core.room.quaternions import quaternions_from_matrices
from pstmo_core.skeleton import JOINTS
from pstmo_ros.msg import Skeletons3D

#: Characters of an id that is written out: topics' names have 247 at most.
_LONGEST = 120


@dataclass(frozen=True, eq=False)
class Bodies:
    """The people of a message who have a root position."""

    header: Header
    """Stamp and frame of everything here."""
    ids: tuple[str, ...]
    """P ids, as topics and frames may have them."""
    joints: np.ndarray
    """(P, 17, 3) float64 metres in the header's frame; NaN where not known."""
    velocity: np.ndarray
    """(P, 3) metres per second of the pelvis; NaN where not known."""
    covariance: np.ndarray
    """(P, 3, 3) square metres of the pelvis."""
    confidence: np.ndarray
    """(P, 17), 0 to 1."""
    sigma: np.ndarray
    """(P, 17) metres, the deviation along each axis; NaN where not known."""
    links: np.ndarray
    """(P, L, 3, 3), rotations of `body_frames.LINKS`; NaN where not known."""

    @classmethod
    def of(cls, message: Skeletons3D) -> Bodies:
        """Return the people of a message."""
        located = [p for p in message.people if p.root_source != p.ROOT_NONE]
        roots = _array([(p.root.x, p.root.y, p.root.z) for p in located], 3)
        joints = _array([p.joints for p in located], 3 * JOINTS).reshape(-1, JOINTS, 3)
        joints = joints + roots[:, None]
        return cls(
            message.header,
            tuple(safe_name(p.id) for p in located),
            joints,
            _array([(p.velocity.x, p.velocity.y, p.velocity.z) for p in located], 3),
            _array([p.root_covariance for p in located], 9).reshape(-1, 3, 3),
            _array([p.confidence for p in located], JOINTS),
            _array([p.sigma if len(p.sigma) else [np.nan] * JOINTS for p in located], JOINTS),
            link_axes(joints),
        )

    @property
    def orientations(self) -> np.ndarray:
        """(P, 4) quaternions x, y, z, w of the bodies; no turn where it is not known."""
        axes = self.links[:, 0]
        known = np.isfinite(axes).all((1, 2))
        return quaternions_from_matrices(np.where(known[:, None, None], axes, np.eye(3)))


def safe_name(name: str) -> str:
    """Return an id as REP-155 has it, and no other id's: letters, digits and _, a letter first.

    What is changed is written out, so that no two ids become one. What would be too long for the
    name of a topic so ends in a digest instead.
    """
    if name.isascii() and name.replace("_", "a").isalnum() and name[0].isalpha():
        return name if not name.startswith("x_") else f"x_{name}"
    written = "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in name).replace(
        "__", "_"
    )
    if len(written) > _LONGEST:
        digest = hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=8)
        written = f"{written[: _LONGEST - 17]}_{digest.hexdigest()}"
    return f"x_{written}"


def _array(rows: list[object], width: int) -> np.ndarray:
    return np.array(rows, np.float64).reshape(-1, width)
