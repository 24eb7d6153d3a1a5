"""Turns the output of a network into skeletons: filtered, scaled, with root positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.room.joint_depths import JointDepths
from pstmo_core.room.leg_bending import LEGS
from pstmo_core.room.upright_axes import upright_axes
from pstmo_core.skeleton import JOINTS, ROOT
from pstmo_core.streaming.bone_lengths import BoneLengths
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.frame_ages import FrameAges
from pstmo_core.streaming.joint_filter import JointFilter
from pstmo_core.streaming.ray_fit import RayFit, towards
from pstmo_core.streaming.reading import Due
from pstmo_core.streaming.root import Roots
from pstmo_core.streaming.root_estimator import RootEstimator
from pstmo_core.streaming.skeleton_frame import SkeletonFrame

#: Share of sigma that is left once `RayFit` and `BoneLengths` have corrected a pose: with it, 90 %
#: of the joints of the validation splits are within 2.5 sigma, as streamed.
_LEFT = np.float32(0.92)


class Finishing:
    """Finishes skeletons, frame by frame.

    Args:
        config: the settings.
        network: what the network is like.
    """

    def __init__(self, config: StreamConfig, network: ModelConfig | LiveConfig) -> None:
        slots = config.max_people
        self._ages = FrameAges(slots)
        self._rays = RayFit(slots, config.ray_error) if config.ray_error else None
        self._bones = BoneLengths(slots, config.bone_memory) if config.bone_memory else None
        cutoff = config.joint_cutoff_of(network)
        self._calm = JointFilter(slots, cutoff, config.joint_beta)
        self.roots = RootEstimator(config)
        self._axes = upright_axes(config.rotation).T if config.rotation else None
        self._sigma = network.outputs > 3
        """Whether the network says how far off joints may be."""
        self._depths = JointDepths(config.max_people) if config.joint_depths else None
        self._left_alone = LEGS[:, 1:].ravel() if config.hold_feet else np.empty(0, np.intp)
        """Joints that held feet decide, not depth images."""

    def finish(self, due: Sequence[Due], lifted: np.ndarray) -> list[SkeletonFrame]:
        """Turn the lifted poses of all people of some frames into skeletons.

        Args:
            due: the frames, in the order of their stamps.
            lifted: (P of all, 17, C), as of `Reading.lift`.
        """
        lifted[:, ROOT, :3] = 0  # by definition; the network's own estimate is off by a millimetre
        answers, end = [], 0
        sigma = np.exp(lifted[..., 3]) if self._sigma else None
        for frame in due:
            start, end = end, end + len(frame.ids)
            spread = None if sigma is None else sigma[start:end]
            answer = self._skeletons(frame, lifted[start:end, :, :3], spread)
            answers.append(answer if self._axes is None else answer.in_axes(self._axes))
        return answers

    def _skeletons(self, due: Due, lifted: np.ndarray, sigma: np.ndarray | None) -> SkeletonFrame:
        age = self._ages.advance(due.stamp, due.slots, due.visits)
        joints, sigma, off = self._as_seen(due, age, lifted, sigma)
        joints = self._calm.filter(age, due.slots, joints)
        rays = due.rays if due.calibrated else None
        joints, roots = self.roots.estimate(
            due.stamp, due.ids, joints, rays, due.weights, due.pose, due.depths, off
        )
        if self._depths is not None:
            joints, roots, sigma = self._measured(self._depths, due, joints, roots, sigma)
        return SkeletonFrame(
            due.stamp, due.newest, due.ids, joints, due.confidence, due.observed, roots, sigma
        )

    def _as_seen(
        self, due: Due, age: np.ndarray, lifted: np.ndarray, sigma: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Return skeletons that agree better with the keypoints and with one another, and sigma.

        And metres (P, 17) by which joints had been away from their rays, if they were moved.
        """
        joints, off = lifted, None
        if self._rays is not None and sigma is not None:
            joints, off = self._rays.move(
                age, due.slots, lifted, sigma, due.rays, due.confidence > 0
            )
            sigma = sigma * _LEFT
        if self._bones is not None:
            ahead = towards(due.rays, due.weights > 0)
            joints = self._bones.hold(age, due.slots, lifted, joints, ahead)
        return joints, sigma, off

    def _measured(
        self,
        by: JointDepths,
        due: Due,
        joints: np.ndarray,
        roots: Roots,
        sigma: np.ndarray | None,
    ) -> tuple[np.ndarray, Roots, np.ndarray | None]:
        """Return joints, roots and sigma as depth images correct them."""
        depths = due.depths
        if depths is not None and len(self._left_alone):
            depths = depths.copy()
            depths[:, self._left_alone] = np.nan
        bodies = joints + roots.position[:, None]
        said = np.full(joints.shape[:2], np.nan) if sigma is None else sigma
        bodies, left, farther = by.correct(
            due.stamp, due.slots, due.visits, bodies, said, roots.spread, depths
        )
        position = roots.position * (1 + farther / roots.position[:, 2])[:, None]
        known = np.isfinite(position).all(-1)[:, None, None]
        moved = np.where(known, bodies - position[:, None], joints).astype(joints.dtype)
        roots = replace(roots, position=position)
        return moved, roots, None if sigma is None else left.astype(sigma.dtype)


def nobody(stamp: int) -> SkeletonFrame:
    """Return a frame without people."""
    joints, nothing = np.empty((0, JOINTS, 3), np.float32), np.empty((0, JOINTS), np.float32)
    return SkeletonFrame(stamp, stamp, (), joints, nothing, nothing[:, 0], Roots.unknown(0))
