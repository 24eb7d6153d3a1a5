"""3D skeletons of people at one moment: what leaves the streaming core."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pstmo_core.streaming.root import Roots


@dataclass(frozen=True)
class SkeletonFrame:
    """The people of one target frame, lifted."""

    stamp: int
    """Nanoseconds, the stamp of the target frame."""
    newest: int
    """Nanoseconds, the stamp of the newest input that was used."""
    ids: tuple[str, ...]
    """P ids; empty says that nobody is there."""
    joints: np.ndarray
    """(P, 17, 3) float32 metres relative to the pelvis, camera's optical frame; also of joints that
    are not seen, whose confidence is 0."""
    confidence: np.ndarray
    """(P, 17) float32, 0 to 1, the score of the joint's keypoint in the target frame."""
    observed: np.ndarray
    """(P,) float32, share of the window's frames that were really observed."""
    roots: Roots
    """Where their pelvises are in the camera's frame; not known without a calibrated camera."""
    sigma: np.ndarray | None = None
    """(P, 17) float32 metres: nine of ten joints are nearer to where they are given than 2.5 sigma,
    as with a Gaussian of this deviation along each axis; None from a network that does not say."""

    def in_axes(self, rotation: np.ndarray, position: np.ndarray | None = None) -> SkeletonFrame:
        """Return the same people in another frame.

        Args:
            rotation: (3, 3), this frame to the other.
            position: (3,) metres, the origin of this frame in the other; by default its own.
        """
        positions = self.roots.position @ rotation.T
        if position is not None:
            positions = positions + position
        roots = replace(
            self.roots,
            position=positions,
            covariance=rotation @ self.roots.covariance @ rotation.T,
        )
        joints = (self.joints @ rotation.T).astype(self.joints.dtype)
        return replace(self, joints=joints, roots=roots)
